"""The old platform's status documents, built from a project's spec and status alone.

The operator's part says how the run stands, the trainer's part only what its figures are: a report of another
run (its run hash differs) is nobody's progress, and a word of success counts only when the Job has succeeded.
"""

from typing import Final, NamedTuple

from ocr_contract.legacy import TestStatus, TrainStatus, Word, as_document
from ocr_contract.legacy_answers import TestStatusAnswer, TrainStatusAnswer
from ocr_contract.project import Project, RunState
from ocr_contract.status import DatasetReport, DetectionReport, RecognitionReport, TestReport

_WORDS: Final = {word.name: word for word in Word if word not in (Word.SUCCEEDED, Word.FAILED)}
"""What a trainer may say: the Job alone decides how a run ends."""
_ENDS: Final = {RunState.SUCCEEDED: Word.SUCCEEDED, RunState.FAILED: Word.FAILED}

_FIGURES: Final = (
    "word_acc",
    "word_acc_ignore_case",
    "word_acc_ignore_case_symbol",
    "char_recall",
    "char_precision",
)


def train_answer(project: Project) -> TrainStatusAnswer:
    """What `/status` answers about the run that spec asks for; there must be one."""
    assert project.train_id is not None
    return TrainStatusAnswer(
        msg=project.train_message or "ok",
        projectID=project.project_id,
        trainID=project.train_id,
        **as_document(train_status(project)),
    )


def test_answer(project: Project) -> TestStatusAnswer:
    """What `/status` answers about the test that spec asks for; there must be one."""
    assert project.test_id is not None
    return TestStatusAnswer(
        msg=project.test_message or "ok",
        projectID=project.project_id,
        testID=project.test_id,
        **as_document(test_status(project)),
    )


def train_status(project: Project) -> TrainStatus:
    """status.json of the run that spec asks for; only the epochs asked for while it is queued or prepared."""
    trainer = project.train_reports
    dataset = trainer.dataset or DatasetReport()
    detection = trainer.detection or DetectionReport()
    recognition = trainer.recognition or RecognitionReport()
    return TrainStatus(
        status=train_word(project),
        det_totalEpoch=detection.total_epochs or project.epochs("detection"),
        TotalTrainDetImageList=detection.total_images or dataset.train_images,
        TotalTrainRecImageList=recognition.total_images or dataset.train_words,
        detimageProgress=detection.images_seen,
        det_epoch=detection.epoch,
        det_loss=detection.loss or 0.0,
        precision=detection.precision or 0.0,
        recall=detection.recall or 0.0,
        hmean=detection.hmean or 0.0,
        rec_totalEpoch=recognition.total_epochs or project.epochs("recognition"),
        recimageProgress=recognition.images_seen,
        rec_epoch=recognition.epoch,
        rec_loss=recognition.loss or 0.0,
        **{name: getattr(recognition, name) or 0.0 for name in _FIGURES},
    )


def test_status(project: Project) -> TestStatus:
    """status_test.json of the test that spec asks for."""
    report = project.test_reports.test or TestReport()
    word = test_word(project)
    return TestStatus(status=word, testImage=report.images_done, totalTestImage=report.total_images)


def train_word(project: Project) -> str:
    """The status word alone of the run that spec asks for."""
    if project.train_state in _ENDS:
        return _ENDS[project.train_state].value
    trainer = project.train_reports
    for report in (trainer.recognition, trainer.detection):
        if report is not None and report.state in _WORDS:
            return _WORDS[report.state].value
    return Word.DETECTOR_TRAINING.value


def test_word(project: Project) -> str:
    """The status word alone of the test that spec asks for."""
    return _ENDS.get(project.test_state or RunState.ACTIVE, Word.RECOGNISER_VALIDATING).value


class Epoch(NamedTuple):
    epoch: int
    total: int
    loss: float


def current_epoch(status: TrainStatus) -> Epoch:
    """/getEpoch: of the model that is being trained, or was trained last."""
    if status.rec_epoch:
        return Epoch(status.rec_epoch, status.rec_totalEpoch, status.rec_loss)
    return Epoch(status.det_epoch, status.det_totalEpoch, status.det_loss)
