"""What `/status` answers, to the letter: by the facade when asked, by the operator as its status report."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from ocr_contract.legacy import TestStatus, TrainStatus, Word


def example_answer(**fields: Any) -> ConfigDict:
    """The model configuration by which an answer's OpenAPI schema shows one."""
    example: dict[str, Any] = {"code": 0, "msg": "ok"} | fields
    return ConfigDict(json_schema_extra={"examples": [example]})


class Answer(BaseModel):
    """code: 0 where all is fine, else the HTTP status. msg: a sentence for people."""

    code: int = 0
    msg: str = "ok"


class TrainStatusAnswer(TrainStatus, Answer):
    """status.json and which run it is about."""

    model_config = example_answer(
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
    model_config = example_answer(
        status=Word.RECOGNISER_VALIDATING.value,
        testImage=3,
        totalTestImage=15,
        projectID="receipts",
        testID="t1",
    )

    projectID: str
    testID: str
