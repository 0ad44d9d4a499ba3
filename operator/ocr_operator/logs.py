"""Log lines as text or as JSON, one object a line; each about a project says which, and which run and stage.

What a line is about is context, not an argument: whoever takes a project into work says so once (`about`),
and every line written meanwhile carries it, from whatever module.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from ocr_contract.log_lines import json_line, utc_time
from ocr_contract.resource import ANNOTATION_RUN_ID, KIND, LABEL_STAGE
from ocr_operator.documents import Document, labels_of
from ocr_operator.store import Key

_subject: ContextVar[Mapping[str, str]] = ContextVar("subject")


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Lines written within carry these fields, too: `project`, `run`, `stage`."""
    token = _subject.set({**_subject.get({}), **fields})
    try:
        yield
    finally:
        _subject.reset(token)


@contextmanager
def about_project(key: Key, project: Document | None) -> Iterator[None]:
    """Lines are about this OcrProject and, where it is known, the run that it asks for."""
    spec = (project or {}).get("spec") or {}
    run = (spec.get("train") or spec.get("test") or {}).get("id")
    with about(project="/".join(key), **({"run": str(run)} if run else {})):
        yield


@contextmanager
def about_job(job: Document) -> Iterator[None]:
    """Lines are about the Job's run and stage."""
    annotations = job["metadata"].get("annotations") or {}
    found = {"run": annotations.get(ANNOTATION_RUN_ID), "stage": labels_of(job).get(LABEL_STAGE)}
    with about(**{name: value for name, value in found.items() if value}):
        yield


def configure_logging(log_format: str, stream: TextIO | None = None) -> None:
    """Make the root logger write `text` or `json` lines; kopf's own from WARNING on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class JsonLines(logging.Formatter):
    """One JSON object a line, whatever the message holds."""

    def format(self, record: logging.LogRecord) -> str:
        return json_line(record, _fields(record), self)


class TextLines(logging.Formatter):
    """For people: the message, then what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().replace("\n", "\\n")  # what others wrote begins no line of ours
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{utc_time(record)} {record.levelname:7} {record.name}: {message}"
        if fields:
            line += f" [{fields}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _fields(record: logging.LogRecord) -> Mapping[str, str]:
    """What the line is about; kopf says it in a field of its own."""
    reference = getattr(record, "k8s_ref", None)
    if not isinstance(reference, Mapping):
        return _subject.get({})
    name = f"{reference.get('namespace')}/{reference.get('name')}"
    key = "project" if reference.get("kind") == KIND else "object"
    return {**_subject.get({}), key: name}
