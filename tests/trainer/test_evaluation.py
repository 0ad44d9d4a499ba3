"""What a model card and a test say of errors, by hand-counted cases."""

import numpy as np
import pytest

from ocr_trainer.confusions import CharacterErrors
from ocr_trainer.evaluation import Evaluation, readable
from ocr_trainer.metrics import Text, recognition_figures


def line(
    x: float, text: str | None = None, *, width: float = 40, height: float = 10, ignore: bool = False
) -> Text:
    corners = [[x, 0], [x + width, 0], [x + width, height], [x, height]]
    return Text(np.array(corners, dtype=float), text, ignore)


def test_the_five_figures_of_a_recogniser() -> None:
    figures = recognition_figures([("Total", "Total"), ("RM 5.00", "rm 5.00"), ("A-1", "a1"), ("ab", "xb")])
    assert figures == pytest.approx({
        "word_acc": 1 / 4,
        "word_acc_ignore_case": 2 / 4,
        "word_acc_ignore_case_symbol": 3 / 4,
        "char_recall": 13 / 14,
        "char_precision": 13 / 14,
    })  # fmt: skip
    assert set(recognition_figures([]).values()) == {0.0}


def test_characters_mistaken_left_out_and_put_in_are_counted() -> None:
    errors = CharacterErrors()
    for true, read in (("10", "1O"), ("100", "1O0"), ("ab", "a"), ("ab", "abc"), ("ok", "ok")):
        errors.add(true, read)
    assert errors.document() == [
        {"true": "0", "read": "O", "count": 2},
        {"true": "", "read": "c", "count": 1},
        {"true": "b", "read": "", "count": 1},
    ]
    assert len(errors.document(most=1)) == 1


def test_missed_and_false_lines_are_told_apart() -> None:
    evaluation = Evaluation()
    true = [line(0), line(100), line(200), line(250), line(400, height=30)]
    found = [
        line(0),  # the first
        line(115, width=30),  # three quarters of the second: a pair
        line(200, width=90),  # the third and the fourth as one
        line(600),  # there is nothing
    ]
    evaluation.add("a.jpg", true, found, [])
    document = evaluation.document()
    assert document["detectorErrors"]["missed"] == {
        "not seen": 1, "found in part": 0, "inside a longer box": 2
    }  # fmt: skip
    assert document["detectorErrors"]["false"] == {"on no text": 1, "on text": 1}
    assert document["detectorErrors"]["missedByHeight"] == {
        "9-12": {"missed": 2, "of": 4}, "25-40": {"missed": 1, "of": 1}
    }  # fmt: skip
    assert document["detection"]["recall"] == 0.4


def test_a_line_found_in_pieces_is_no_line_unseen() -> None:
    evaluation = Evaluation()
    evaluation.add("a.jpg", [line(0)], [line(0, width=18), line(22, width=18)], [])
    errors = evaluation.document()["detectorErrors"]
    assert errors["missed"]["found in part"] == 1
    assert errors["false"] == {"on no text": 0, "on text": 2}


def test_nobody_is_blamed_for_regions_that_do_not_count() -> None:
    evaluation = Evaluation()
    true = [line(0, "a"), line(100, ignore=True), line(200)]
    evaluation.add("a.jpg", true, [line(0, "a"), line(105, "?"), line(200, "b")], ["a"])
    document = evaluation.document()
    assert [text.text for text in readable(true)] == ["a"]
    assert document["detection"] == {"precision": 1, "recall": 1, "hmean": 1}
    assert document["endToEnd"]["f1"] == document["endToEnd"]["f1TrueBoxes"] == 1
    assert sum(document["detectorErrors"]["false"].values()) == 0
    assert document["worstImages"] == document["worstLines"] == []


def test_true_boxes_say_what_found_ones_cost() -> None:
    evaluation = Evaluation()
    evaluation.add("a.jpg", [line(0, "ab"), line(100, "cd")], [line(0, "ab")], ["ab", "cd"])
    end_to_end = evaluation.document()["endToEnd"]
    assert (end_to_end["f1"], end_to_end["f1TrueBoxes"]) == (0.66667, 1.0)


def test_the_worst_come_first_and_are_few() -> None:
    evaluation = Evaluation()
    for number in range(30):
        text = "a" * (number + 1)
        evaluation.add(f"{number:02}.jpg", [line(0, text)], [line(0, "")], [""])
    evaluation.add("none.jpg", [line(0, "x"), line(100, "y")], [], ["x", "y"])
    document = evaluation.document()
    worst = document["worstLines"]
    assert len(worst) == len(document["worstImages"]) == 20
    assert worst[0] == {
        "file": "29.jpg", "polygon": [0, 0, 40, 0, 40, 10, 0, 10], "truth": "a" * 30, "reading": ""
    }  # fmt: skip
    assert [item["file"] for item in worst] == [f"{number:02}.jpg" for number in range(29, 9, -1)]
    assert document["worstImages"][0] == {
        "file": "none.jpg", "lines": 2, "missed": 2, "false": 0, "misread": 0
    }  # fmt: skip
