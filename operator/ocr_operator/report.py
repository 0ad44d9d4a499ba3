"""What people are told about a project: phase, stage, progress, message, conditions, events.

Nothing decided elsewhere depends on a word from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocr_contract.spec import OcrProjectSpec
from ocr_contract.stages import Stage
from ocr_contract.status import ModelStatus, OcrProjectStatus, Phase, StageState
from ocr_operator import conditions, progress
from ocr_operator.conditions import Finding
from ocr_operator.decision import Event, Observed
from ocr_operator.documents import Document
from ocr_operator.run_machine import FAILED, SUCCEEDED, RunStep
from ocr_operator.stage_machine import Waiting

_PHASES = {
    Stage.PREPARE: Phase.PREPARING,
    Stage.DETECTION: Phase.TRAINING,
    Stage.RECOGNITION: Phase.TRAINING,
    Stage.PACKAGE: Phase.PACKAGING,
    Stage.TEST: Phase.TESTING,
}
_NOTHING_TO_DO = "nothing to do: set spec.train or spec.test"


@dataclass(frozen=True)
class Picture:
    """Everything that a report may look at."""

    project: Document
    spec: OcrProjectSpec
    before: OcrProjectStatus
    runs: Sequence[RunStep]
    model: ModelStatus | None
    observed: Observed
    now: datetime

    @property
    def failed(self) -> RunStep | None:
        return next((run for run in self.runs if run.outcome == FAILED), None)

    @property
    def suspended(self) -> RunStep | None:
        return next((run for run in self.runs if run.outcome is None and run.track.suspend), None)

    @property
    def waiting(self) -> Waiting | None:
        """The most telling wait: that a pod is starting is the least news."""
        waits = [run.waiting for run in self.runs if run.outcome is None and run.waiting]
        return min(waits, key=lambda waiting: waiting.reason == "Starting", default=None)

    @property
    def shown(self) -> RunStep | None:
        """The line that the columns speak of: one that moves, else one that could, else the last to end."""

        def interest(run: RunStep) -> tuple[bool, bool, datetime]:
            moves = run.outcome is None and not run.track.suspend and run.blocked is None
            return (
                moves,
                run.outcome is None,
                run.run.finished_at or datetime.min.replace(tzinfo=self.now.tzinfo),
            )

        return max(self.runs, key=interest, default=None)


def describe_project(picture: Picture) -> OcrProjectStatus:
    """The status without the runs' own parts."""
    shown = picture.shown
    trainer = picture.before.trainer
    generation = picture.project["metadata"]["generation"]
    phase = _phase(shown)
    active = shown is not None and shown.outcome is None
    return OcrProjectStatus(
        phase=phase,
        stage=_stage(shown),
        progress=progress.percent(shown.track, shown.run, picture.spec.train, trainer) if shown else None,
        eta_seconds=progress.eta_seconds(shown.track, shown.run, trainer) if shown and active else None,
        message=_message(picture, shown)[:1024],
        observed_generation=generation,
        conditions=conditions.merge(picture.before.conditions, _findings(picture), generation, picture.now),
    )


def invalid_project(
    project: Document, before: OcrProjectStatus, problem: str, now: datetime
) -> OcrProjectStatus:
    """The status of a project whose spec cannot be understood: said plainly, and nothing else touched."""
    generation = project["metadata"]["generation"]
    findings = [
        Finding(conditions.COMPLETE, False, "InvalidSpec"),
        Finding(conditions.FAILED, True, "InvalidSpec", problem),
    ]
    return before.model_copy(
        update={
            "phase": Phase.FAILED,
            "message": problem[:1024],
            "observed_generation": generation,
            "conditions": conditions.merge(before.conditions, findings, generation, now),
        }
    )


def events_between(
    before: OcrProjectStatus, after: OcrProjectStatus, created: Sequence[str]
) -> tuple[Event, ...]:
    """What happened from one status to the next, for `kubectl describe`; nothing twice."""
    events = [Event("JobCreated", f"created Job {name}") for name in created]
    for old, new in ((before.train, after.train), (before.test, after.test)):
        if new is None:
            continue
        known = old.stages if old is not None and (old.id, old.revision) == (new.id, new.revision) else {}
        for stage, status in new.stages.items():
            was = known[stage].state if stage in known else StageState.PENDING
            if status.state is was or (not known and not status.attempts):
                continue
            if status.state is StageState.FAILED:
                events.append(
                    Event("StageFailed", f"{stage}: {status.reason}: {status.message}", warning=True)
                )
            elif status.state is not StageState.PENDING:
                events.append(Event(f"Stage{status.state}", f"{stage} of {new.id}"))
    held = {condition.type for condition in before.conditions if condition.status == "True"}
    for condition in after.conditions:
        if condition.status == "True" and condition.type not in held and condition.type != conditions.WAITING:
            warning = condition.type == conditions.FAILED
            events.append(Event(condition.type, condition.message or condition.reason, warning))
    return tuple(events)


def _phase(shown: RunStep | None) -> Phase:
    if shown is None:
        return Phase.PENDING
    if shown.outcome == FAILED:
        return Phase.FAILED
    if shown.outcome == SUCCEEDED:
        return Phase.SUCCEEDED
    if shown.track.suspend:
        return Phase.SUSPENDED
    if not any(status.started_at for status in shown.run.stages.values()):
        return Phase.PENDING
    return _PHASES[shown.current[0]]


def _stage(shown: RunStep | None) -> str | None:
    if shown is None:
        return None
    if failed := shown.failed_stage:
        return str(failed[0])
    return ",".join(shown.current) or None


def _message(picture: Picture, shown: RunStep | None) -> str:
    if shown is None:
        return _NOTHING_TO_DO
    if failed := shown.failed_stage:
        return f"{failed[0]}: {failed[1].message or failed[1].reason}"
    if shown.outcome == SUCCEEDED:
        return _success(picture, shown)
    if shown.track.suspend:
        return _suspension(shown)
    if shown.waiting:
        return shown.waiting.message
    return ", ".join(progress.describe(stage, shown.track, picture.before.trainer) for stage in shown.current)


def _success(picture: Picture, run: RunStep) -> str:
    if run.track.kind == "test":
        return f"test {run.track.id} is done"
    path = picture.model.path if picture.model else "the volume"
    return f"run {run.track.id} is trained; its model is {path}"


def _suspension(run: RunStep) -> str:
    return f"suspended; set spec.{run.track.kind}.suspend to false to go on"


def _findings(picture: Picture) -> list[Finding]:
    found = [_complete(picture), _failed(picture), _suspended(picture), _waiting(picture)]
    dataset = _dataset(picture)
    return [*found, dataset] if dataset else found


def _complete(picture: Picture) -> Finding:
    if picture.runs and all(run.outcome == SUCCEEDED for run in picture.runs):
        message = "; ".join(_success(picture, run) for run in picture.runs)
        return Finding(conditions.COMPLETE, True, "Succeeded", message)
    return Finding(conditions.COMPLETE, False, "InProgress" if picture.runs else "NothingToDo")


def _failed(picture: Picture) -> Finding:
    run = picture.failed
    if run is None or run.failed_stage is None:
        return Finding(conditions.FAILED, False, "NoFailure")
    stage, status = run.failed_stage
    return Finding(
        conditions.FAILED, True, status.reason or "Failed", f"{stage}: {status.message or status.reason}"
    )


def _suspended(picture: Picture) -> Finding:
    run = picture.suspended
    if run is None:
        return Finding(conditions.SUSPENDED, False, "NotSuspended")
    return Finding(conditions.SUSPENDED, True, "Suspended", _suspension(run))


def _waiting(picture: Picture) -> Finding:
    waiting = picture.waiting
    if waiting is None:
        return Finding(conditions.WAITING, False, "NotWaiting")
    return Finding(conditions.WAITING, True, waiting.reason, waiting.message)


def _dataset(picture: Picture) -> Finding | None:
    run = next((run for run in picture.runs if run.track.kind == "train"), None)
    if run is None:
        return None
    prepare = run.run.stages.get(Stage.PREPARE)
    if prepare is not None and prepare.state is StageState.SUCCEEDED:
        report = picture.before.trainer.dataset
        counted = report is not None and report.run == run.track.hash
        message = (
            f"{report.train_images} images, {report.train_words} words to train" if report and counted else ""
        )
        return Finding(conditions.DATASET_VALID, True, "Checked", message)
    if prepare is not None and prepare.state is StageState.FAILED:
        return Finding(conditions.DATASET_VALID, False, prepare.reason or "Failed", prepare.message or "")
    return Finding(conditions.DATASET_VALID, None, "NotChecked")
