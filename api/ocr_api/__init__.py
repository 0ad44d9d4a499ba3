"""The HTTP facade: the annotation platform's old endpoints, answered from OcrProjects and the shared volume.

It keeps no state of its own: N replicas answer alike, and any of them may be restarted at any time.
"""
