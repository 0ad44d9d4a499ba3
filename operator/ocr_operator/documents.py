"""Kubernetes objects as the plain JSON documents they are, and the few questions we ask of them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ocr_contract.resource import LABEL_ATTEMPT, LABEL_RUN, LABEL_STAGE

Document = Mapping[str, Any]


def name_of(document: Document) -> str:
    return str(document["metadata"]["name"])


def labels_of(document: Document) -> Mapping[str, str]:
    return document["metadata"].get("labels") or {}


def owner_uid(document: Document) -> str | None:
    """The controlling owner's uid."""
    for owner in document["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def is_being_deleted(document: Document) -> bool:
    return bool(document["metadata"].get("deletionTimestamp"))


def condition_of(document: Document, kind: str) -> Document | None:
    """The condition of that type."""
    for condition in (document.get("status") or {}).get("conditions") or ():
        if condition["type"] == kind:
            return condition  # type: ignore[no-any-return]
    return None


def true_condition(document: Document, kind: str) -> Document | None:
    """The condition of that type if its status is True."""
    condition = condition_of(document, kind)
    return condition if condition is not None and condition["status"] == "True" else None


def is_finished(job: Document) -> bool:
    """Whether the Job controller has said its last word."""
    return any(true_condition(job, kind) for kind in ("Complete", "Failed"))


def jobs_of_stage(jobs: Iterable[Document], run: str, stage: str) -> list[Document]:
    """The stage's Jobs, oldest attempt first."""
    return sorted(_of_stage(jobs, run, stage), key=attempt_of)


def pods_of_stage(pods: Iterable[Document], run: str, stage: str) -> tuple[Document, ...]:
    """The stage's pods, whatever Job made them: it may be gone before them."""
    return tuple(_of_stage(pods, run, stage))


def _of_stage(documents: Iterable[Document], run: str, stage: str) -> Iterator[Document]:
    for document in documents:
        labels = labels_of(document)
        if labels.get(LABEL_RUN) == run and labels.get(LABEL_STAGE) == stage:
            yield document


def attempt_of(job: Document) -> int:
    return int(labels_of(job).get(LABEL_ATTEMPT, "0"))


def pods_of(job: Document, pods: Iterable[Document]) -> list[Document]:
    """The Job's pods, oldest first."""
    uid = job["metadata"].get("uid")
    found = [pod for pod in pods if owner_uid(pod) == uid]
    return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))


def parse_time(text: str | None) -> datetime | None:
    """A Kubernetes timestamp."""
    if not text:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
