"""The facade's log: JSON, one object a line, the access log's fields as members."""

import logging

from ocr_contract.log_lines import json_line


class JsonLines(logging.Formatter):
    """A record's `fields` are members of the object."""

    def format(self, record: logging.LogRecord) -> str:
        return json_line(record, getattr(record, "fields", {}), self)


def configure_logging() -> None:
    """Everything from INFO on to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
