"""The project's model: which run's it is, and whether a test may use it.

A model is a file in its run's folder. The same run trained again under a raised revision writes into the same
folder, so its package replaces the file whether or not it passes its gates. The status says so plainly
(`overwrittenBy`) and keeps the figures: they are still what the next run is compared with. Tests then wait
rather than measure a model that nobody let in.
"""

from collections.abc import Sequence
from pathlib import Path

from ocr_contract.spec import Gates, Test, Train
from ocr_contract.stages import Stage
from ocr_contract.status import Condition, Figures, ModelStatus, RunRecord, RunStatus, StageState
from ocr_contract.volume import RunFolder, train_subpath
from ocr_operator import quality
from ocr_operator.quality import NOT_JUDGED, Verdict
from ocr_operator.records import FAILED, has_begun
from ocr_operator.run_machine import RunStep
from ocr_operator.waiting import Waiting


def model_path(project_id: str, train_id: str) -> str:
    """pthModel.zip of the run, relative to the volume's root."""
    return RunFolder(Path(train_subpath(project_id, train_id))).model_zip.as_posix()


def is_of(model: ModelStatus | None, run: RunStatus | RunRecord) -> bool:
    """Whether the model is that very run's."""
    return model is not None and (model.train_id, model.revision) == (run.id, run.revision)


def verdict_on(
    step: RunStep, gates: Gates, figures: Figures, model: ModelStatus | None, known: Condition | None
) -> Verdict | None:
    """What is to be said of the training run's quality; None without gates."""
    run = step.run
    assert isinstance(run, RunStatus), "only a training is judged"
    if not quality.has_gates(gates):
        return None
    if is_of(model, run):
        return quality.kept(known)
    if step.outcome is None:
        return Verdict(None, NOT_JUDGED, f"run {run.id!r} is judged when it has ended")
    if step.outcome == FAILED:
        return Verdict(None, NOT_JUDGED, f"run {run.id!r} failed and is not judged")
    if not has_begun(run):
        return Verdict(None, NOT_JUDGED, f"run {run.id!r} was judged when it ended; name a new run")
    return quality.judge(gates, figures, model)


def next_model(
    before: ModelStatus | None, step: RunStep, verdict: Verdict | None, figures: Figures, path: str
) -> ModelStatus | None:
    """The packaged run's, if its gates let it in; a run that is restored from the records moves nothing."""
    run = step.run
    package = run.stages.get(Stage.PACKAGE)
    if package is None or not package.attempts:
        return before
    measured = figures.model_dump(by_alias=False)
    passed = verdict is None or verdict.passed
    if isinstance(run, RunStatus) and package.state is StageState.SUCCEEDED and passed:
        return ModelStatus(train_id=run.id, revision=run.revision, path=path, **measured)
    if before is not None and before.train_id == run.id and before.revision != run.revision:
        return before.model_copy(update={"overwritten_by": run.revision})
    return before


def tested_run(model: ModelStatus, train: Train | None) -> Train:
    """The run whose model is tested; its settings are known only while the spec still names it."""
    if train is not None and (train.id, train.revision) == (model.train_id, model.revision):
        return train
    return Train(id=model.train_id, revision=model.revision)


def hinder_test(
    test: Test,
    model: ModelStatus | None,
    training: RunStep | None,
    verdict: Verdict | None,
    records: Sequence[RunRecord],
) -> Waiting | None:
    """Why the test can't start, if it can't; the training and its verdict are as they are now."""
    if model is None:
        return Waiting("NoModel", f"test {test.id!r} needs a model, and {_no_model(training, verdict)}")
    again = training is not None and _is_again(model, training.run.id, training.run.revision)
    if again and training is not None and training.outcome is None:
        return Waiting(
            "ModelInTraining", f"run {model.train_id!r} is trained again; its new model will be tested"
        )
    if model.overwritten_by is not None:
        return Waiting("ModelOverwritten", _overwritten(model, verdict if again else None))
    if test.checkpoint == "Last" and any(_took_the_folder(model, record) for record in records):
        return Waiting(
            "ModelOverwritten",
            f"run {model.train_id!r} was trained again, which has overwritten its last checkpoints; "
            "test with checkpoint Best, or train another run",
        )
    return None


def _no_model(training: RunStep | None, verdict: Verdict | None) -> str:
    if training is None:
        return "this project has none yet; train one first: set spec.train"
    run = training.run.id
    if training.outcome is None:
        then = "and has passed its gates" if verdict else ""
        return f"this project has none yet; it starts when a run is packaged {then}".rstrip()
    if training.outcome == FAILED:
        return f"run {run!r} failed and left none; train another one"
    if verdict is not None and verdict.passed is False:
        return (
            f"run {run!r} did not pass its gates: {verdict.message}; change spec.gates or train another run"
        )
    return f"run {run!r} left none; train another one"


def _overwritten(model: ModelStatus, verdict: Verdict | None) -> str:
    why = f" ({verdict.message})" if verdict is not None and verdict.passed is False else ""
    return (
        f"the model of run {model.train_id!r}, revision {model.revision}, was overwritten on the volume by "
        f"revision {model.overwritten_by}, which did not become the project's model{why}; "
        "change spec.gates, raise train.revision or train another run"
    )


def _is_again(model: ModelStatus, run_id: str, revision: int) -> bool:
    return run_id == model.train_id and revision != model.revision


def _took_the_folder(model: ModelStatus, record: RunRecord) -> bool:
    """Whether the same run went on to its trainings under another revision."""
    return _is_again(model, record.id, record.revision) and record.stage != Stage.PREPARE
