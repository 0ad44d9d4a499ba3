"""How far a line of stages is and how long its running stage still takes: for people, not for decisions."""

from ocr_contract.spec import Train
from ocr_contract.stages import Stage
from ocr_contract.status import DetectionReport, RecognitionReport, StageState, TestReport, TrainerStatus
from ocr_operator.plan import Track
from ocr_operator.run_machine import AnyRun, state_of

_FIXED_WEIGHTS = {Stage.PREPARE: 0.03, Stage.PACKAGE: 0.02, Stage.TEST: 0.05}
"""Shares of the whole; what is left is shared by the two trainings after their epochs."""


def percent(track: Track, run: AnyRun, train: Train | None, trainer: TrainerStatus) -> int:
    """0 to 100, 100 only when every stage has succeeded."""
    weights = _weights(track, train)
    done = sum(weight * _fraction(stage, track, run, trainer) for stage, weight in weights.items())
    total = sum(weights.values())
    finished = all(state_of(run, stage) is StageState.SUCCEEDED for stage in weights)
    return 100 if finished else min(99, int(100 * done / total))


def eta_seconds(track: Track, run: AnyRun, trainer: TrainerStatus) -> int | None:
    """The slowest running stage's own estimate, rounded so that it does not change with every report."""
    estimates = [
        eta
        for stage in track.stages
        if state_of(run, stage) is StageState.RUNNING and (eta := _eta(stage, track, trainer)) is not None
    ]
    if not estimates:
        return None
    worst = max(estimates)
    step = 10 if worst < 600 else 60
    return round(worst / step) * step


def describe(stage: Stage, track: Track, trainer: TrainerStatus) -> str:
    """What the stage is doing, from its own report."""
    report = training_report(stage, track, trainer)
    if report is not None and report.epoch:
        return f"{stage}: epoch {report.epoch} of {report.total_epochs}"
    if test := _test_report(stage, track, trainer):
        return f"test: {test.images_done} of {test.total_images} images"
    return f"{stage} runs"


def _weights(track: Track, train: Train | None) -> dict[Stage, float]:
    weights = {stage: _FIXED_WEIGHTS[stage] for stage in track.stages if stage in _FIXED_WEIGHTS}
    if train is not None and track.kind == "train":
        epochs = {Stage.DETECTION: train.detection.epochs, Stage.RECOGNITION: train.recognition.epochs}
        share = (1 - sum(weights.values())) / sum(epochs.values())
        weights |= {stage: share * count for stage, count in epochs.items()}
    return weights


def _fraction(stage: Stage, track: Track, run: AnyRun, trainer: TrainerStatus) -> float:
    if state_of(run, stage) is StageState.SUCCEEDED:
        return 1.0
    report = training_report(stage, track, trainer)
    if report is not None and report.total_epochs:
        within = report.images_seen / report.total_images if report.total_images else 0.0
        epochs = max(0, report.epoch - 1) + min(1.0, within)
        return min(1.0, epochs / report.total_epochs)
    if (test := _test_report(stage, track, trainer)) and test.total_images:
        return min(1.0, test.images_done / test.total_images)
    return 0.0


def training_report(
    stage: Stage, track: Track, trainer: TrainerStatus
) -> DetectionReport | RecognitionReport | None:
    """The stage's report, if it trains and the report is this run's."""
    if stage not in (Stage.DETECTION, Stage.RECOGNITION):
        return None
    reports = trainer.of_run(track.hash)
    return reports.detection if stage is Stage.DETECTION else reports.recognition


def _test_report(stage: Stage, track: Track, trainer: TrainerStatus) -> TestReport | None:
    return trainer.of_run(track.hash).test if stage is Stage.TEST else None


def _eta(stage: Stage, track: Track, trainer: TrainerStatus) -> int | None:
    report = training_report(stage, track, trainer) or _test_report(stage, track, trainer)
    return report.eta_seconds if report else None
