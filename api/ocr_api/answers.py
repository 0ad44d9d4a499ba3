"""The flat JSON objects that the legacy paths answer: `code`, `msg`, then the fields, in this order."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from ocr_contract.legacy import TestStatus, TrainStatus, Word


def _example(**fields: Any) -> ConfigDict:
    example: dict[str, Any] = {"code": 0, "msg": "ok"} | fields
    return ConfigDict(json_schema_extra={"examples": [example]})


class Answer(BaseModel):
    """code: 0 where all is fine, else the HTTP status. msg: a sentence for people."""

    code: int = 0
    msg: str = "ok"


class ErrorAnswer(Answer):
    """What every error looks like."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": 404, "msg": "there is no project 'receipts'"}]}
    )


class TrainAnswer(Answer):
    """state: active (queued or running), suspended, succeeded or failed."""

    model_config = _example(projectID="receipts", trainID="2026-11-25", revision=0, state="active")

    projectID: str
    trainID: str
    revision: int
    state: str


class TestAnswer(Answer):
    """state: active (queued or running), suspended, succeeded or failed."""

    __test__ = False
    model_config = _example(projectID="receipts", testID="t1", state="active")

    projectID: str
    testID: str
    state: str


class TrainStatusAnswer(TrainStatus, Answer):
    """status.json and which run it is about."""

    model_config = _example(
        status=Word.RECOGNISER_TRAINING.value, det_totalEpoch=50, TotalTrainDetImageList=274,
        TotalTrainRecImageList=4932, detimageProgress=274, det_epoch=50, det_loss=0.5657, precision=0.9992,
        recall=0.9996, hmean=0.9994, rec_totalEpoch=20, recimageProgress=1280, rec_epoch=3, rec_loss=0.41,
        word_acc=0.0, word_acc_ignore_case=0.0, word_acc_ignore_case_symbol=0.0, char_recall=0.0,
        char_precision=0.0, projectID="receipts", trainID="2026-11-25",
    )  # fmt: skip

    projectID: str
    trainID: str


class TestStatusAnswer(TestStatus, Answer):
    """status_test.json and which test it is about."""

    __test__ = False
    model_config = _example(
        status=Word.RECOGNISER_VALIDATING.value,
        testImage=3,
        totalTestImage=15,
        projectID="receipts",
        testID="t1",
    )

    projectID: str
    testID: str


class EpochAnswer(Answer):
    """The model that is being trained, or was trained last."""

    model_config = _example(projectID="receipts", trainID="2026-11-25", epoch=3, totalEpoch=20, loss=0.41)

    projectID: str
    trainID: str
    epoch: int
    totalEpoch: int
    loss: float


class FileAnswer(Answer):
    """size: bytes; 0 where the file doesn't exist."""

    model_config = _example(exists=True, file="pthModel.zip", size=184034112)

    exists: bool
    file: str
    size: int
