"""Pods that a silent node keeps: asked to end, long past their grace period, and still there.

Without the kubelet's word Kubernetes keeps such a pod for ever, the Job makes no other one, and a deleted Job
does not go away. After `limits.nodeLostSeconds` the pod is deleted by force. Should the node come back, its
container ends at the next look into the owner file: no checkpoint is harmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocr_contract.resource import LABEL_STAGE
from ocr_operator.documents import Document, labels_of, name_of, parse_time
from ocr_operator.pods import is_over

SLACK_SECONDS = 30.0
"""A kubelet that lives has said its word so long after the grace period."""
NODE_LOST = "NodeLost"


@dataclass(frozen=True)
class LostPods:
    """What must be done about them, and what is to be said."""

    message: str | None = None
    """None: none is lost."""
    force: tuple[str, ...] = ()
    """Names of the pods whose time is over."""
    requeue_after: float | None = None


def is_lost(pod: Document, now: datetime) -> bool:
    """Whether its node should have ended it by now."""
    seconds = _overdue(pod, now)
    return seconds is not None and seconds >= SLACK_SECONDS


def find_lost_pods(pods: Sequence[Document], node_lost_seconds: float, now: datetime) -> LostPods:
    """Of the project's pods, whatever Job made them: the Job may be gone already."""
    ours = [pod for pod in pods if LABEL_STAGE in labels_of(pod)]
    overdue = {name_of(pod): (pod, late) for pod in ours if (late := _overdue(pod, now)) is not None}
    limits = (SLACK_SECONDS, node_lost_seconds)
    delays = [limit - late for _, late in overdue.values() for limit in limits if late < limit]
    lost = {name: (pod, late) for name, (pod, late) in sorted(overdue.items()) if late >= SLACK_SECONDS}
    return LostPods(
        message="; ".join(_tell(pod, late, node_lost_seconds) for pod, late in lost.values()) or None,
        force=tuple(name for name, (_, late) in lost.items() if late >= node_lost_seconds),
        requeue_after=min(delays, default=None),
    )


def _overdue(pod: Document, now: datetime) -> float | None:
    """Seconds since the end of the grace period, which the deletion's time already holds."""
    deleted = parse_time(pod["metadata"].get("deletionTimestamp"))
    return None if deleted is None or is_over(pod) else (now - deleted).total_seconds()


def _tell(pod: Document, late: float, node_lost_seconds: float) -> str:
    node = (pod.get("spec") or {}).get("nodeName") or "(none)"
    begin = f"node {node} does not answer for pod {name_of(pod)}, which should have ended"
    if late >= node_lost_seconds:
        return (
            f"{begin}: the pod is deleted by force after limits.nodeLostSeconds ({node_lost_seconds:.0f} s)"
        )
    return f"{begin}; it is deleted by force after limits.nodeLostSeconds ({node_lost_seconds:.0f} s)"
