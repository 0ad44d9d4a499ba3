"""What a stage's pod shows of itself, asked of its plain document."""

from datetime import datetime

from ocr_operator.documents import Document, is_being_deleted, parse_time, true_condition
from ocr_operator.manifests import CONTAINER

_OVER = ("Succeeded", "Failed")
_DISRUPTIONS = {
    "PreemptionByScheduler": "Preempted",
    "EvictionByEvictionAPI": "Evicted",
    "TerminationByKubelet": "Evicted",
    "DeletionByTaintManager": "NodeTainted",
    "DeletionByPodGC": "NodeLost",
    "DeletionByOcrOperator": "NodeLost",
}
"""Reasons of the DisruptionTarget condition, and what we call them."""


def phase_of(pod: Document) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_over(pod: Document) -> bool:
    """Whether its container runs no more and never will."""
    return phase_of(pod) in _OVER


def container_state(pod: Document) -> Document:
    """The trainer's container: waiting, running or terminated."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] == CONTAINER:
            return container.get("state") or {}
    return {}


def is_running(pod: Document) -> bool:
    """Whether its container works, or still has to end."""
    return phase_of(pod) == "Running" and not container_state(pod).get("terminated")


def is_pending(pod: Document) -> bool:
    """Whether its container is still to come."""
    return phase_of(pod) == "Pending" and not is_being_deleted(pod)


def started_at(pod: Document) -> datetime | None:
    """When its container started."""
    state = container_state(pod)
    begun = state.get("running") or state.get("terminated") or {}
    return parse_time(begun.get("startedAt"))


def ended_at(pod: Document) -> datetime | None:
    """When its container ended."""
    return parse_time((container_state(pod).get("terminated") or {}).get("finishedAt"))


def disruption_of(pod: Document) -> tuple[str, str] | None:
    """Why the cluster took the pod away, if it did: a reason and the cluster's words."""
    condition = true_condition(pod, "DisruptionTarget")
    if condition is None:
        return None
    told = str(condition.get("reason") or "Disrupted")
    return _DISRUPTIONS.get(told, told), str(condition.get("message") or "")
