"""Stages that run and say nothing: a training that hangs holds its GPU for days otherwise.

The heartbeat is `updatedAt` of the stage's own report of this very run, or the start of the container that
works now, if that is later: a report of the attempt before says nothing about this one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ocr_contract.stages import Stage
from ocr_contract.status import TrainerStatus

STALLED = "Stalled"


@dataclass(frozen=True)
class Silence:
    """A running stage since its last sign of life."""

    since: datetime
    left: float
    """Seconds until it counts as a stall; 0 and less: it is one."""


def heartbeat(stage: Stage, reports: TrainerStatus) -> datetime | None:
    """The stage's last report, of its run's; the package stage, which only takes minutes, makes none."""
    report = {
        Stage.PREPARE: reports.dataset,
        Stage.DETECTION: reports.detection,
        Stage.RECOGNITION: reports.recognition,
        Stage.TEST: reports.test,
    }.get(stage)
    return report.updated_at if report is not None else None


def listen(
    stage: Stage, beat: datetime | None, running_since: datetime | None, stall_seconds: float, now: datetime
) -> Silence | None:
    """How long the stage has been silent; None: it does not run, or it never reports."""
    if stage is Stage.PACKAGE or running_since is None:
        return None
    since = max(beat, running_since) if beat else running_since
    left = (since + timedelta(seconds=stall_seconds) - now).total_seconds()
    return Silence(since, left)


def tell_stall(stage: Stage, silence: Silence, stall_seconds: float, job: str) -> str:
    """A sentence that stays the same as long as the silence lasts."""
    return (
        f"{stage} has reported nothing since {silence.since:%Y-%m-%dT%H:%M:%SZ}, longer than "
        f"limits.stallSeconds ({stall_seconds:.0f} s); kubectl logs job/{job} shows its last lines"
    )


def tell_given_up(stage: Stage, stall_seconds: float, restarts: int) -> str:
    """Why a stage that stalls again and again has failed."""
    return (
        f"{stage} stalled {restarts + 1} times: it reported nothing for limits.stallSeconds "
        f"({stall_seconds:.0f} s), and limits.retries ({restarts}) restarts did not help; "
        "see the log of its last Job"
    )
