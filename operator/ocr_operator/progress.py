"""How far a line of stages is and how long its running stage still takes: for people, not for decisions."""

from ocr_contract.spec import Train
from ocr_contract.stages import Stage
from ocr_contract.status import DetectionReport, RecognitionReport, StageState, TrainerStatus
from ocr_operator.plan import Track
from ocr_operator.run_machine import AnyRun

_FIXED_WEIGHTS = {Stage.PREPARE: 0.03, Stage.PACKAGE: 0.02, Stage.TEST: 0.05}
"""Shares of the whole; what is left is shared by the two trainings after their epochs."""


def percent(track: Track, run: AnyRun, train: Train | None, trainer: TrainerStatus) -> int:
    """0 to 100, 100 only when every stage has succeeded."""
    weights = _weights(track, train)
    done = sum(weight * _fraction(stage, track, run, trainer) for stage, weight in weights.items())
    total = sum(weights.values())
    finished = all(_state(run, stage) is StageState.SUCCEEDED for stage in weights)
    return 100 if finished else min(99, int(100 * done / total))


def eta_seconds(track: Track, run: AnyRun, trainer: TrainerStatus) -> int | None:
    """The slowest running stage's own estimate, rounded so that it does not change with every report."""
    estimates = [
        eta
        for stage in track.stages
        if _state(run, stage) is StageState.RUNNING and (eta := _eta(stage, track, trainer)) is not None
    ]
    if not estimates:
        return None
    worst = max(estimates)
    step = 10 if worst < 600 else 60
    return round(worst / step) * step


def describe(stage: Stage, track: Track, trainer: TrainerStatus) -> str:
    """What the stage is doing, from its own report."""
    report = _training_report(stage, track, trainer)
    if report is not None and report.epoch:
        return f"{stage}: epoch {report.epoch} of {report.total_epochs}"
    if stage is Stage.TEST and trainer.test and trainer.test.run == track.hash:
        return f"test: {trainer.test.images_done} of {trainer.test.total_images} images"
    return f"{stage} runs"


def _weights(track: Track, train: Train | None) -> dict[Stage, float]:
    weights = {stage: _FIXED_WEIGHTS[stage] for stage in track.stages if stage in _FIXED_WEIGHTS}
    if train is not None and track.kind == "train":
        epochs = {Stage.DETECTION: train.detection.epochs, Stage.RECOGNITION: train.recognition.epochs}
        share = (1 - sum(weights.values())) / sum(epochs.values())
        weights |= {stage: share * count for stage, count in epochs.items()}
    return weights


def _fraction(stage: Stage, track: Track, run: AnyRun, trainer: TrainerStatus) -> float:
    if _state(run, stage) is StageState.SUCCEEDED:
        return 1.0
    report = _training_report(stage, track, trainer)
    if report is not None and report.total_epochs:
        within = report.images_seen / report.total_images if report.total_images else 0.0
        epochs = max(0, report.epoch - 1) + min(1.0, within)
        return min(1.0, epochs / report.total_epochs)
    if stage is Stage.TEST and (test := trainer.test) and test.run == track.hash and test.total_images:
        return min(1.0, test.images_done / test.total_images)
    return 0.0


def _training_report(
    stage: Stage, track: Track, trainer: TrainerStatus
) -> DetectionReport | RecognitionReport | None:
    """The stage's report, if it is this run's."""
    report = {Stage.DETECTION: trainer.detection, Stage.RECOGNITION: trainer.recognition}.get(stage)
    return report if report is not None and report.run == track.hash else None


def _eta(stage: Stage, track: Track, trainer: TrainerStatus) -> int | None:
    if stage is Stage.TEST:
        ours = trainer.test is not None and trainer.test.run == track.hash
        return trainer.test.eta_seconds if trainer.test and ours else None
    report = _training_report(stage, track, trainer)
    return report.eta_seconds if report else None


def _state(run: AnyRun, stage: Stage) -> StageState:
    status = run.stages.get(stage)
    return status.state if status else StageState.PENDING
