"""What happened from one status to the next, for `kubectl describe`: each transition once, no state twice."""

from collections.abc import Iterator, Sequence

from ocr_contract.status import Condition, OcrProjectStatus, RunStatus, StageState, StageStatus, TestRunStatus
from ocr_operator import conditions
from ocr_operator.decision import Event
from ocr_operator.waiting import QUOTA, STARTING

_CALM = (QUOTA, "NoModel", "ModelInTraining", "TestRuns", "DuplicateProjectID")
"""Waits that are in order; the others are somebody's to look at."""
_ALARMS = (conditions.FAILED, conditions.PROGRESS_STALLED, conditions.NOT_LEARNING)
_ENDINGS = {conditions.SUSPENDED: "Resumed", conditions.PROGRESS_STALLED: "ProgressResumed"}
"""Conditions whose end is news, too."""


def events_between(
    before: OcrProjectStatus, after: OcrProjectStatus, created: Sequence[str], forced: Sequence[str]
) -> tuple[Event, ...]:
    """The events of one reconcile: Jobs it created, pods it deleted by force, and what the status shows."""
    return (
        *(Event("JobCreated", f"created Job {name}") for name in created),
        *(Event("PodDeletedByForce", f"deleted pod {name}, whose node is silent", True) for name in forced),
        *_stage_events(before.train, after.train),
        *_stage_events(before.test, after.test),
        *_condition_events(before.conditions, after.conditions),
        *_model_events(before, after),
    )


def _stage_events(
    old: RunStatus | TestRunStatus | None, new: RunStatus | TestRunStatus | None
) -> Iterator[Event]:
    if new is None:
        return
    known = old.stages if old is not None and (old.id, old.revision) == (new.id, new.revision) else {}
    for stage, status in new.stages.items():
        was = known.get(stage) or StageStatus()
        if status.restarts > was.restarts:
            message = f"{stage} of {new.id} had stalled; restart {status.restarts} follows"
            yield Event("StageRestarted", message, warning=True)
        if status.state is was.state or (not known and not status.attempts):
            continue
        if status.state is StageState.FAILED:
            yield Event("StageFailed", f"{stage}: {status.reason}: {status.message}", warning=True)
        elif status.state is not StageState.PENDING:
            yield Event(f"Stage{status.state}", f"{stage} of {new.id}")


def _condition_events(old: Sequence[Condition], new: Sequence[Condition]) -> Iterator[Event]:
    known = {condition.type: condition for condition in old}
    for condition in new:
        was = known.get(condition.type)
        if condition.type == conditions.WAITING:
            yield from _waiting_event(was, condition)
        elif was is not None and was.status == condition.status and was.reason == condition.reason:
            continue
        elif condition.status == "True":
            if was is None or was.status != "True":
                text = condition.message or condition.reason
                yield Event(condition.type, text, warning=condition.type in _ALARMS)
        elif condition.type == conditions.QUALITY_PASSED and condition.status == "False":
            yield Event(condition.reason, condition.message, warning=True)
        elif condition.type in _ENDINGS and was is not None and was.status == "True":
            yield Event(_ENDINGS[condition.type], f"no longer {condition.type}")


def _waiting_event(was: Condition | None, now: Condition) -> Iterator[Event]:
    """A wait is told when its reason changes; that a pod starts is no news."""
    told = was.reason if was is not None and was.status == "True" else None
    if now.status == "True" and now.reason not in (told, STARTING):
        yield Event(now.reason, now.message, warning=now.reason not in _CALM)


def _model_events(before: OcrProjectStatus, after: OcrProjectStatus) -> Iterator[Event]:
    old, new = before.model, after.model
    if new is not None and (
        old is None or (old.train_id, old.revision) != (new.train_id, new.revision) or old.path != new.path
    ):
        yield Event("ModelChanged", f"the project's model is that of run {new.train_id}: {new.path}")
