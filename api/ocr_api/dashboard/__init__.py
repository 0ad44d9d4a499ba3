"""The dashboard: pages for a browser, made on the server; what is live comes as parts of the same pages.

One home for each thing that is shown: the templates. A stream sends a row or a part as it would stand in the
page, so that no script repeats what a template says; scripts draw curves and boxes and move focus, no more.
Pages use /api/v1 as anybody would.
"""
