"""The flat JSON objects that the legacy paths answer: `code`, `msg`, then the fields, in this order.

Those of `/status` are the contract's (`ocr_contract.legacy_answers`): the operator posts them, too.
"""

from pydantic import ConfigDict

from ocr_contract.legacy_answers import Answer, example_answer


class ErrorAnswer(Answer):
    """What every error looks like."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": 404, "msg": "there is no project 'receipts'"}]}
    )


class TrainAnswer(Answer):
    """state: active (queued or running), suspended, succeeded or failed."""

    model_config = example_answer(projectID="receipts", trainID="2026-11-25", revision=0, state="active")

    projectID: str
    trainID: str
    revision: int
    state: str


class TestAnswer(Answer):
    """state: active (queued or running), suspended, succeeded or failed."""

    __test__ = False
    model_config = example_answer(projectID="receipts", testID="t1", state="active")

    projectID: str
    testID: str
    state: str


class EpochAnswer(Answer):
    """The model that is being trained, or was trained last."""

    model_config = example_answer(
        projectID="receipts", trainID="2026-11-25", epoch=3, totalEpoch=20, loss=0.41
    )

    projectID: str
    trainID: str
    epoch: int
    totalEpoch: int
    loss: float


class FileAnswer(Answer):
    """size: bytes; 0 where the file doesn't exist."""

    model_config = example_answer(exists=True, file="pthModel.zip", size=184034112)

    exists: bool
    file: str
    size: int
