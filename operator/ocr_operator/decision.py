"""What a reconcile is given and what it answers: values only, so that every case is a line in a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocr_operator.documents import Document
from ocr_operator.waiting import QUOTA


@dataclass(frozen=True)
class Refusal:
    """Why the API server would not create a Job."""

    permanent: bool
    """False: a quota or the like, worth another try later."""
    message: str
    reason: str = QUOTA
    """What is waited for, if it is not permanent."""


@dataclass(frozen=True)
class Observed:
    """What is known of the world beside the project itself."""

    jobs: tuple[Document, ...] = ()
    """The Jobs that the project owns."""
    pods: tuple[Document, ...] = ()
    verified: frozenset[str] = frozenset()
    """Names of Jobs that were just read from the API server, pods included: their absence is the truth,
    where a watch alone may be behind."""
    project_verified: bool = False
    """Whether the project itself was just read: what its pods reported is then known to the last word."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """By the name of the Job that could not be created."""
    claimed_by: str | None = None
    """Name of an older OcrProject with the same projectID."""


@dataclass(frozen=True)
class Event:
    """A line for `kubectl describe`."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Decision:
    """Carried out in this order; with `verify` or `verify_project`, nothing else is, and the question is
    asked again."""

    status: Mapping[str, Any]
    """The operator's whole part of the status, as it should be."""
    verify: tuple[str, ...] = ()
    """Names of Jobs to be read, with the project's pods."""
    verify_project: bool = False
    force_deletes: tuple[str, ...] = ()
    """Names of pods on silent nodes."""
    deletes: tuple[str, ...] = ()
    creates: tuple[Mapping[str, Any], ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    """Seconds until something is due that no event announces."""
