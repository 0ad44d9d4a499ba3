"""The old platform's words and file shapes, to the letter (they are a contract, misspellings included).

This is the one table of Chinese words; code elsewhere names its members.
"""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class Word(StrEnum):
    """The status words, in the order in which a run meets them."""

    DETECTOR_TRAINING = "训练检测模型中"
    DETECTOR_TRAINED = "检测模型训练完毕"
    DETECTOR_VALIDATING = "验证检测模型中"
    DETECTOR_VALIDATED = "检测模型验证完毕"
    RECOGNISER_TRAINING = "训练识别模型中"
    RECOGNISER_TRAINED = "识别模型训练完毕"
    RECOGNISER_VALIDATING = "验证识别模型中"
    RECOGNISER_VALIDATED = "识别模型识别完毕"
    SUCCEEDED = "成功"
    FAILED = "失败"


class TrainStatus(BaseModel):
    """status.json. The field names, their case and their order are the platform's."""

    model_config = ConfigDict(extra="ignore")

    status: str = Word.DETECTOR_TRAINING.value
    det_totalEpoch: int = 0
    TotalTrainDetImageList: int = 0
    TotalTrainRecImageList: int = 0
    detimageProgress: int = 0
    det_epoch: int = 0
    det_loss: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    hmean: float = 0.0
    rec_totalEpoch: int = 0
    recimageProgress: int = 0
    rec_epoch: int = 0
    rec_loss: float = 0.0
    word_acc: float = 0.0
    word_acc_ignore_case: float = 0.0
    word_acc_ignore_case_symbol: float = 0.0
    char_recall: float = 0.0
    char_precision: float = 0.0


class TestStatus(BaseModel):
    """status_test.json. While a test runs the word is the recogniser's validation."""

    __test__ = False
    model_config = ConfigDict(extra="ignore")

    status: str = Word.RECOGNISER_VALIDATING.value
    testImage: int = 0
    totalTestImage: int = 0


def as_document(status: TrainStatus | TestStatus) -> dict[str, Any]:
    """The JSON object for the file or the answer."""
    return status.model_dump()
