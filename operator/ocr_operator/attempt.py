"""What has become of one attempt at a stage: its Job and pods, read into a state.

The Job decides about success and failure; pods and the trainer's last words only explain. Nothing here
knows a client or a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ocr_operator.documents import Document, is_being_deleted, parse_time, pods_of, true_condition
from ocr_operator.failure import explain_failure
from ocr_operator.pods import is_running, started_at
from ocr_operator.waiting import Waiting, explain_waiting


class AttemptState(StrEnum):
    WAITING = "Waiting"
    """No pod of it runs."""
    RUNNING = "Running"
    STOPPING = "Stopping"
    """The Job is being deleted."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class Attempt:
    state: AttemptState
    reason: str = ""
    """Why it failed."""
    message: str = ""
    waiting: Waiting | None = None
    started_at: datetime | None = None
    """When its first container started."""
    running_since: datetime | None = None
    """When the container that works now has started; None: none works, or it has been asked to end."""
    finished_at: datetime | None = None


def read_attempt(job: Document, all_pods: Sequence[Document], now: datetime) -> Attempt:
    """The attempt as Job and pods show it now."""
    pods = pods_of(job, all_pods)
    started = min((start for pod in pods if (start := started_at(pod))), default=None)
    if done := true_condition(job, "Complete"):
        return Attempt(AttemptState.SUCCEEDED, started_at=started, finished_at=_transition(done))
    if failed := true_condition(job, "Failed"):
        reason, message = explain_failure(job, failed, pods)
        return Attempt(
            AttemptState.FAILED, reason, message, started_at=started, finished_at=_transition(failed)
        )
    running = [pod for pod in pods if is_running(pod)]
    since = max((_since(pod) for pod in running if not is_being_deleted(pod)), default=None)
    if is_being_deleted(job):
        return Attempt(AttemptState.STOPPING, started_at=started)
    if running:
        return Attempt(AttemptState.RUNNING, started_at=started, running_since=since)
    return Attempt(AttemptState.WAITING, waiting=explain_waiting(job, pods, now), started_at=started)


def _since(pod: Document) -> datetime:
    """A pod that does not say when its container started has worked since it was made, at the longest."""
    since = started_at(pod) or parse_time(pod["metadata"].get("creationTimestamp"))
    assert since is not None, "the API server dates every pod"
    return since


def _transition(condition: Document) -> datetime | None:
    return parse_time(condition.get("lastTransitionTime"))
