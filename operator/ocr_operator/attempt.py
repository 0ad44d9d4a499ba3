"""What has become of one attempt at a stage: its Job and pods, read into a state, a reason and a sentence.

The Job decides about success and failure; pods and the trainer's last words only explain. Nothing here
knows a client or a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ocr_contract.exit_codes import ExitCode, parse_last_words
from ocr_operator.documents import Document, is_being_deleted, labels_of, parse_time, pods_of, true_condition
from ocr_operator.manifests import CONTAINER, LABEL_QUEUE

_USER_FAULTS = {
    ExitCode.WRONG_CALL: ("WrongCall", "the trainer was called wrongly"),
    ExitCode.BAD_DATA: ("BadData", "the dataset cannot be trained"),
    ExitCode.BAD_CONFIGURATION: ("BadConfiguration", "the configuration cannot be used"),
}
_IMAGE_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
)
HOPELESS_IMAGE_REASONS = ("InvalidImageName", "ErrImageNeverPull")
"""No amount of waiting makes these images come."""


STARTING = "its pod is starting"


class AttemptState(StrEnum):
    WAITING = "Waiting"
    """No pod of it has started."""
    RUNNING = "Running"
    STOPPING = "Stopping"
    """The Job is being deleted."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class Attempt:
    state: AttemptState
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    """When its first container started."""
    finished_at: datetime | None = None


def read_attempt(job: Document, all_pods: Sequence[Document]) -> Attempt:
    """The attempt as Job and pods show it now."""
    pods = pods_of(job, all_pods)
    started = min((start for pod in pods if (start := _started_at(pod))), default=None)
    if done := true_condition(job, "Complete"):
        return Attempt(AttemptState.SUCCEEDED, started_at=started, finished_at=_transition(done))
    if failed := true_condition(job, "Failed"):
        reason, message = _explain_failure(job, failed, pods)
        return Attempt(AttemptState.FAILED, reason, message, started, _transition(failed))
    if is_being_deleted(job):
        return Attempt(AttemptState.STOPPING, started_at=started)
    if any(_is_running(pod) for pod in pods):
        return Attempt(AttemptState.RUNNING, started_at=started)
    reason, message = _explain_waiting(job, pods)
    return Attempt(AttemptState.WAITING, reason, message, started)


def gpu_seconds(job: Document, all_pods: Sequence[Document], gpu_resource: str, now: datetime) -> float:
    """GPUs times the seconds in which the attempt's containers held them."""
    limits = job["spec"]["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {})
    gpus = int(limits.get(gpu_resource, 0))
    if not gpus:
        return 0.0
    return gpus * sum(_container_seconds(pod, now) for pod in pods_of(job, all_pods))


def _explain_failure(job: Document, condition: Document, pods: Sequence[Document]) -> tuple[str, str]:
    reason, message = _explain_pod(pods) or (
        condition.get("reason") or "JobFailed",
        condition.get("message") or "",
    )
    cause = condition.get("reason")
    if cause == "DeadlineExceeded":
        seconds = job["spec"].get("activeDeadlineSeconds")
        return "DeadlineExceeded", f"took longer than limits.activeDeadlineSeconds ({seconds} s)"
    if cause == "BackoffLimitExceeded" and (failed := int(job["status"].get("failed") or 0)) > 1:
        return reason, f"failed {failed} times, the last time: {message}"
    return reason, message


def _explain_pod(pods: Sequence[Document]) -> tuple[str, str] | None:
    """Reason and words of the pod that failed last, if one is still there."""
    for pod in reversed(pods):
        status = pod.get("status") or {}
        if status.get("phase") != "Failed":
            continue
        ended = _container_state(pod).get("terminated") or {}
        if words := parse_last_words(ended.get("message") or ""):
            return words.reason, words.message
        if ended.get("reason") == "OOMKilled":
            return "OOMKilled", "the container needed more memory than resources.memory"
        if status.get("reason"):
            return str(status["reason"]), str(status.get("message") or "")
        if disruption := true_condition(pod, "DisruptionTarget"):
            return str(disruption.get("reason") or "Disrupted"), str(disruption.get("message") or "")
        code = ended.get("exitCode")
        if code in _USER_FAULTS:
            return _USER_FAULTS[ExitCode(code)]
        if code is not None:
            return "Error", f"the trainer ended with exit code {code} and left no words"
    return None


def _explain_waiting(job: Document, pods: Sequence[Document]) -> tuple[str, str]:
    if job["spec"].get("suspend"):
        return "Quota", f"waits for a place in queue {labels_of(job).get(LABEL_QUEUE, '')!r}"
    alive = [pod for pod in pods if (pod.get("status") or {}).get("phase", "Pending") == "Pending"]
    if not alive:
        return "Starting", STARTING
    pod = alive[-1]
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = str(condition.get("message") or "")
            reason = "Volume" if "persistentvolumeclaim" in message.lower() else "Unschedulable"
            return reason, message
    waiting = _container_state(pod).get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in _IMAGE_REASONS:
        return "ImagePull", f"{reason}: {message}" if message else reason
    if reason == "CreateContainerConfigError":
        return ("Volume" if "subPath" in message else "Starting"), message
    return "Starting", STARTING


def _container_state(pod: Document) -> Document:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] == CONTAINER:
            return container.get("state") or {}
    return {}


def _is_running(pod: Document) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and not _container_state(pod).get("terminated")


def _started_at(pod: Document) -> datetime | None:
    state = _container_state(pod)
    begun = state.get("running") or state.get("terminated") or {}
    return parse_time(begun.get("startedAt"))


def _container_seconds(pod: Document, now: datetime) -> float:
    started = _started_at(pod)
    if started is None:
        return 0.0
    ended = parse_time((_container_state(pod).get("terminated") or {}).get("finishedAt")) or now
    return max(0.0, (ended - started).total_seconds())


def _transition(condition: Document) -> datetime | None:
    return parse_time(condition.get("lastTransitionTime"))
