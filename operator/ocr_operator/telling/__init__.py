"""What becomes of a project is told to the annotation platform and to others who want to know.

    store ──change──> teller ──> news (pure) ──reports──> delivery ──> signed POST, or CloudEvent
                                                             └── outbox: each project's reports in order

Nobody who works on projects ever waits for a receiver: a change is turned into reports and queued at once,
and all sending is done by tasks of its own.
"""
