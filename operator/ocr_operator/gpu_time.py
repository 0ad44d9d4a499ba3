"""How long a stage has held its GPUs: added up over tries, attempts and suspensions.

Pods vanish while their stage goes on, so time is written down when it can be told for good: when a container
has ended, when its pod was asked to end, when the stage is stopped. `gpuCountedUntil` says up to when; of a
stage's pods one works at a time, so nothing before that moment is ever counted again. While a container
simply works nothing is written.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ocr_contract.status import StageStatus
from ocr_operator.documents import Document, parse_time
from ocr_operator.lost_nodes import is_lost
from ocr_operator.pods import ended_at, is_over, started_at


def count_gpu_seconds(
    status: StageStatus, pods: Sequence[Document], gpu_resource: str, now: datetime, *, stopped: bool = False
) -> StageStatus:
    """The status with the time of the stage's pods that can be told; stopped: all of it, up to now."""
    seconds, counted = status.gpu_seconds, status.gpu_counted_until
    for start, end, gpus in sorted(_spans(pods, gpu_resource, now, stopped)):
        begin = max(start, counted) if counted else start
        seconds += gpus * max(0.0, (end - begin).total_seconds())
        counted = max(end, counted) if counted else end
    return status.model_copy(update={"gpu_seconds": seconds, "gpu_counted_until": counted})


def _spans(
    pods: Sequence[Document], gpu_resource: str, now: datetime, stopped: bool
) -> list[tuple[datetime, datetime, int]]:
    return [
        (start, end, gpus)
        for pod in pods
        if (gpus := _gpus(pod, gpu_resource))
        and (start := started_at(pod))
        and (end := _told_end(pod, now, stopped))
        and end >= start
    ]


def _gpus(pod: Document, gpu_resource: str) -> int:
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    return int(limits.get(gpu_resource, 0))


def _told_end(pod: Document, now: datetime, stopped: bool) -> datetime | None:
    """Up to when the pod has certainly held its GPUs; None: it holds them, and nothing has changed that."""
    if (ended := ended_at(pod)) is not None:
        return ended
    deleted = parse_time(pod["metadata"].get("deletionTimestamp"))
    if deleted is not None and (is_over(pod) or is_lost(pod, now)):
        return min(deleted, now)
    if stopped and not is_over(pod):
        return now
    if deleted is None:
        return None
    grace = timedelta(seconds=pod["metadata"].get("deletionGracePeriodSeconds") or 0)
    return deleted - grace
