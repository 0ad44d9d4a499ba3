"""Why a stage does not move yet, in the cluster's own words where it has any.

Job and pod are looked at, and nothing else: why a volume is not mounted or a pod not created stands in Events
alone, which are not watched. There the sentence says what is certain and which command names the cause.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocr_operator.documents import Document, condition_of, labels_of, name_of, parse_time
from ocr_operator.failure import explain_pod
from ocr_operator.manifests import LABEL_QUEUE
from ocr_operator.pods import container_state, disruption_of, is_pending

STARTING = "Starting"
QUOTA = "Quota"
NAME_TAKEN = "NameTaken"
SLOW_SECONDS = 60.0
"""A start that takes longer wants an explanation."""
_HOPELESS_IMAGES = ("InvalidImageName", "ErrImageNeverPull")
"""No amount of waiting makes these images come."""
_IMAGE_REASONS = (
    *_HOPELESS_IMAGES,
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
_CONTAINER_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_VOLUME_WORDS = ("persistentvolume", "persistent volume", "volume node affinity", "pvc(s)")


@dataclass(frozen=True)
class Waiting:
    """Why nothing moves."""

    reason: str
    message: str
    look_again: float | None = None
    """Seconds until the same sight is told in other words."""
    hopeless: bool = False
    """No waiting helps."""


IS_STARTING = Waiting(STARTING, "its pod is starting")


def explain_waiting(job: Document, pods: Sequence[Document], now: datetime) -> Waiting:
    """What an unfinished Job, none of whose pods runs, waits for."""
    if job["spec"].get("suspend"):
        return Waiting(QUOTA, _suspended(job))
    pending = [pod for pod in pods if is_pending(pod)]
    if pending:
        return _pending(pending[-1], now)
    if pods:
        return _between_tries(pods)
    return _without_pod(job, now)


def begun_at(job: Document) -> datetime | None:
    """Since when the Job's pods may be there: time in a queue does not count."""
    started = parse_time((job.get("status") or {}).get("startTime"))
    return started or parse_time(job["metadata"].get("creationTimestamp"))


def _suspended(job: Document) -> str:
    queue = labels_of(job).get(LABEL_QUEUE)
    if queue:
        return f"waits for a place in queue {queue!r}"
    return f"Job {name_of(job)} is suspended; set its spec.suspend to false to let it start"


def _without_pod(job: Document, now: datetime) -> Waiting:
    left = _time_left(begun_at(job), now)
    if left > 0:
        return Waiting(STARTING, IS_STARTING.message, look_again=left)
    return Waiting(
        "PodNotCreated",
        "Kubernetes has created no pod, which a ResourceQuota or an admission rule may forbid; "
        f"kubectl describe job {name_of(job)} says why",
    )


def _between_tries(pods: Sequence[Document]) -> Waiting:
    newest = pods[-1]
    if disrupted := disruption_of(newest):
        reason, message = disrupted
        return Waiting(reason, f"pod {name_of(newest)} was taken away ({message}); another one follows")
    if found := explain_pod(pods):
        return Waiting("Retrying", f"it is tried again; the last try ended with {found[0]}: {found[1]}")
    return IS_STARTING


def _pending(pod: Document, now: datetime) -> Waiting:
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled is None:
        return IS_STARTING
    if scheduled["status"] == "False":
        return _unscheduled(scheduled)
    waiting = container_state(pod).get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in _IMAGE_REASONS:
        return Waiting("ImagePull", _image(reason, message), hopeless=reason in _HOPELESS_IMAGES)
    if reason in _CONTAINER_REASONS:
        kind = "Volume" if "subPath" in message or "volume" in message else "Container"
        return Waiting(kind, f"{reason}: {message}")
    return _slow_start(pod, parse_time(scheduled.get("lastTransitionTime")), now)


def _unscheduled(condition: Document) -> Waiting:
    message = str(condition.get("message") or "")
    if condition.get("reason") == "SchedulingGated":
        return Waiting(QUOTA, message)
    words = message.lower()
    volume = any(word in words for word in _VOLUME_WORDS) and "insufficient" not in words
    return Waiting("Volume" if volume else "Unschedulable", message)


def _image(reason: str, message: str) -> str:
    """The kubelet alternates between a pull's error and its back-off: both are told by the error."""
    if reason == "ImagePullBackOff" and ": ErrImagePull: " in message:
        return "ErrImagePull: " + message.split(": ErrImagePull: ", 1)[1]
    return f"{reason}: {message}" if message else reason


def _slow_start(pod: Document, scheduled: datetime | None, now: datetime) -> Waiting:
    left = _time_left(scheduled, now)
    if left > 0:
        return Waiting(STARTING, IS_STARTING.message, look_again=left)
    name, node = name_of(pod), (pod.get("spec") or {}).get("nodeName")
    sandbox = condition_of(pod, "PodReadyToStartContainers")
    if sandbox is not None and sandbox["status"] == "False":
        return Waiting(
            "VolumeOrNetwork",
            f"on node {node} the volumes of pod {name} are not mounted, or its network is not set up; "
            f"kubectl describe pod {name} says which",
        )
    return Waiting(STARTING, f"its pod is starting: node {node} is most likely still pulling the image")


def _time_left(since: datetime | None, now: datetime) -> float:
    """Seconds until a start that began then is slow."""
    return SLOW_SECONDS - (now - since).total_seconds() if since else SLOW_SECONDS
