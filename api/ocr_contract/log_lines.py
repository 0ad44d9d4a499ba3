"""A log record as one JSON object a line, the same for every process, so that one query finds them all."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def json_line(record: logging.LogRecord, fields: Mapping[str, Any], formatter: logging.Formatter) -> str:
    """time, level, logger, message, then what the line is about, then the traceback where there is one."""
    line = {
        "time": utc_time(record),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
        **fields,
    }
    if record.exc_info:
        line["error"] = formatter.formatException(record.exc_info)
    return json.dumps(line)  # other scripts escaped: some of their characters end lines


def utc_time(record: logging.LogRecord) -> str:
    """When the record was made, in milliseconds."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
