"""What people are told about a project: phase, stage, progress, message, conditions.

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
from ocr_operator.documents import Document, name_of
from ocr_operator.lost_nodes import NODE_LOST, LostPods
from ocr_operator.project_model import model_path
from ocr_operator.quality import Verdict
from ocr_operator.records import FAILED, SUCCEEDED
from ocr_operator.run_machine import RunStep
from ocr_operator.waiting import STARTING, Waiting

_PHASES = {
    Stage.PREPARE: Phase.PREPARING,
    Stage.DETECTION: Phase.TRAINING,
    Stage.RECOGNITION: Phase.TRAINING,
    Stage.PACKAGE: Phase.PACKAGING,
    Stage.TEST: Phase.TESTING,
}
_SETTLED = (conditions.DATASET_VALID, conditions.QUALITY_PASSED)
"""Conditions that tell of what has been, and stay true whatever the spec says now."""
_NOTHING_TO_DO = "nothing to do: set spec.train or spec.test"


@dataclass(frozen=True)
class Picture:
    """Everything that a report may look at."""

    project: Document
    spec: OcrProjectSpec
    before: OcrProjectStatus
    runs: Sequence[RunStep]
    verdict: Verdict | None
    """On the training run's quality."""
    model: ModelStatus | None
    lost: LostPods
    now: datetime

    @property
    def failed(self) -> RunStep | None:
        return next((run for run in self.runs if run.outcome == FAILED), None)

    @property
    def suspended(self) -> RunStep | None:
        return next((run for run in self.runs if run.outcome is None and run.track.suspend), None)

    @property
    def waiting(self) -> Waiting | None:
        """The most telling wait: a silent node is the most urgent news, a pod that starts the least."""
        if self.lost.message:
            return Waiting(NODE_LOST, self.lost.message)
        waits = [run.waiting for run in self.runs if run.outcome is None and run.waiting]
        return min(waits, key=lambda waiting: waiting.reason == STARTING, default=None)

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
            "conditions": [
                *conditions.merge(before.conditions, findings, generation, now),
                *(condition for condition in before.conditions if condition.type in _SETTLED),
            ],
        }
    )


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
    if picture.lost.message:
        return picture.lost.message
    if shown.waiting:
        return shown.waiting.message
    if shown.stalls:
        return "; ".join(shown.stalls)
    return ", ".join(progress.describe(stage, shown.track, picture.before.trainer) for stage in shown.current)


def _success(picture: Picture, run: RunStep) -> str:
    if run.track.kind == "test":
        return f"test {run.track.id} is done"
    verdict, model = picture.verdict, picture.model
    if verdict is not None and verdict.passed is False:
        stays = f"stays run {model.train_id}'s" if model else "is still missing"
        return (
            f"run {run.track.id} is trained but did not pass its gates: {verdict.message}; "
            f"the project's model {stays}"
        )
    path = model_path(picture.spec.project_id or name_of(picture.project), run.track.id)
    return f"run {run.track.id} is trained; its model is {path}"


def _suspension(run: RunStep) -> str:
    return f"suspended; set spec.{run.track.kind}.suspend to false to go on"


def _findings(picture: Picture) -> list[Finding]:
    found = [
        _complete(picture),
        _failed(picture),
        _suspended(picture),
        _waiting(picture),
        _stalled(picture),
        _not_learning(picture),
    ]
    return [*found, *(finding for finding in (_dataset(picture), _quality(picture)) if finding)]


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


def _stalled(picture: Picture) -> Finding:
    stalls = [stall for run in picture.runs for stall in run.stalls]
    if not stalls:
        return Finding(conditions.PROGRESS_STALLED, False, "NoStall")
    return Finding(conditions.PROGRESS_STALLED, True, "NoHeartbeat", "; ".join(stalls))


def _not_learning(picture: Picture) -> Finding:
    doubts = [
        f"{stage}: {report.not_learning}"
        for run in picture.runs
        for stage in run.running
        if (report := progress.training_report(stage, run.track, picture.before.trainer))
        and report.not_learning
    ]
    if not doubts:
        return Finding(conditions.NOT_LEARNING, False, "NoSign")
    return Finding(conditions.NOT_LEARNING, True, "FiguresStandStill", "; ".join(doubts))


def _quality(picture: Picture) -> Finding | None:
    verdict = picture.verdict
    if verdict is None:
        return None
    return Finding(conditions.QUALITY_PASSED, verdict.passed, verdict.reason, verdict.message)


def _dataset(picture: Picture) -> Finding | None:
    run = next((run for run in picture.runs if run.track.kind == "train"), None)
    if run is None:
        return None
    prepare = run.run.stages.get(Stage.PREPARE)
    if prepare is not None and prepare.state is StageState.SUCCEEDED:
        report = picture.before.trainer.of_run(run.track.hash).dataset
        message = f"{report.train_images} images, {report.train_words} words to train" if report else ""
        return Finding(conditions.DATASET_VALID, True, "Checked", message)
    if prepare is not None and prepare.state is StageState.FAILED:
        return Finding(conditions.DATASET_VALID, False, prepare.reason or "Failed", prepare.message or "")
    return Finding(conditions.DATASET_VALID, None, "NotChecked")
