"""The old platform's words and keys, written out once more: a slip in either place is seen."""

from ocr_contract.legacy import TestStatus, TrainStatus, Word, as_document

LAST_RUN_OF_THE_OLD_SERVICE = {
    "status": "成功",
    "det_totalEpoch": 50,
    "TotalTrainDetImageList": 274,
    "TotalTrainRecImageList": 4932,
    "detimageProgress": 274,
    "det_epoch": 50,
    "det_loss": 0.5657,
    "precision": 0.9992,
    "recall": 0.9996,
    "hmean": 0.9994,
    "rec_totalEpoch": 20,
    "recimageProgress": 4932,
    "rec_epoch": 20,
    "rec_loss": 0.0,
    "word_acc": 1.0,
    "word_acc_ignore_case": 1.0,
    "word_acc_ignore_case_symbol": 1.0,
    "char_recall": 1.0,
    "char_precision": 1.0,
}
WORDS = [
    "训练检测模型中",
    "检测模型训练完毕",
    "验证检测模型中",
    "检测模型验证完毕",
    "训练识别模型中",
    "识别模型训练完毕",
    "验证识别模型中",
    "识别模型识别完毕",
    "成功",
    "失败",
]


def test_status_json_has_the_old_keys_in_the_old_order() -> None:
    document = as_document(TrainStatus.model_validate(LAST_RUN_OF_THE_OLD_SERVICE))
    assert list(document.items()) == list(LAST_RUN_OF_THE_OLD_SERVICE.items())


def test_status_test_json_has_the_old_keys() -> None:
    assert as_document(TestStatus()) == {"status": "验证识别模型中", "testImage": 0, "totalTestImage": 0}


def test_the_words_are_the_old_ones_in_the_order_in_which_a_run_meets_them() -> None:
    assert [word.value for word in Word] == WORDS
