"""Precision, recall and F1 by hand-counted tables."""

import numpy as np
import pytest

from ocr_trainer.metrics import Tally, Text, match


def box(x: float, y: float = 0, width: float = 10, height: float = 10) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=float)


def read(x: float, text: str | None = None, ignore: bool = False) -> Text:
    return Text(box(x), text, ignore)


@pytest.mark.parametrize(
    ("true", "found", "precision", "recall"),
    [
        pytest.param([0, 20], [0, 20], 1, 1, id="all found"),
        pytest.param([0, 20], [0], 1, 0.5, id="one missed"),
        pytest.param([0], [0, 20], 0.5, 1, id="one too many"),
        pytest.param([0], [3], 1, 1, id="IoU .54"),
        pytest.param([0], [4], 0, 0, id="IoU .43"),
        pytest.param([0], [0, 1], 0.5, 1, id="found twice counts once"),
        pytest.param([0], [], 0, 0, id="nothing found"),
        pytest.param([], [0], 0, 0, id="nothing there"),
        pytest.param([], [], 0, 0, id="nothing at all"),
    ],
)
def test_detection(true: list[float], found: list[float], precision: float, recall: float) -> None:
    tally = Tally()
    tally.add([read(x) for x in true], [read(x) for x in found])
    total = precision + recall
    hmean = 2 * precision * recall / total if total else 0
    assert tally.detection() == pytest.approx({"precision": precision, "recall": recall, "hmean": hmean})


def test_as_many_pairs_as_can_be() -> None:
    # The first true one overlaps both found ones; taking its best would leave the second without a partner.
    true, found = [box(0), box(-2.5)], [box(0.5), box(3)]
    assert sorted(match(true, found)) == [(0, 1), (1, 0)]


def test_ignored_regions_count_neither_way() -> None:
    tally = Tally()
    tally.add([read(0), Text(box(50, width=100), None, True)], [read(0), read(60), read(80), read(300)])
    assert tally.detection() == pytest.approx({"precision": 0.5, "recall": 1, "hmean": 2 / 3})


@pytest.mark.parametrize(
    ("true", "found", "f1", "ignoring_case"),
    [
        pytest.param([(0, "Ab"), (20, "c")], [(0, "Ab"), (20, "c")], 1, 1, id="all right"),
        pytest.param([(0, "Ab")], [(0, "AB")], 0, 1, id="case"),
        pytest.param([(0, "Ab")], [(0, "A b")], 0, 0, id="a blank is a character"),
        pytest.param([(0, "a")], [(40, "a")], 0, 0, id="right text, wrong place"),
        pytest.param([(0, "a"), (20, "b")], [(0, "a"), (20, "x")], 0.5, 0.5, id="half"),
        pytest.param([(0, "a"), (20, None)], [(0, "a"), (20, "x")], 1, 1, id="unknown text doesn't count"),
    ],
)  # fmt: skip
def test_end_to_end(
    true: list[tuple[float, str | None]], found: list[tuple[float, str]], f1: float, ignoring_case: float
) -> None:
    tally = Tally()
    tally.add([read(x, text) for x, text in true], [read(x, text) for x, text in found])
    figures = tally.end_to_end()
    assert (figures["f1"], figures["f1IgnoreCase"]) == pytest.approx((f1, ignoring_case))


def test_images_are_counted_together_not_averaged() -> None:
    tally = Tally()
    tally.add([read(0, "a")], [read(0, "a")])
    tally.add([read(0, "a"), read(20, "b"), read(40, "c")], [])
    assert tally.images == 2
    assert tally.end_to_end() == pytest.approx(
        {"precision": 1, "recall": 0.25, "f1": 0.4, "f1IgnoreCase": 0.4}
    )


def test_a_crossing_outline_is_no_crash() -> None:
    bow_tie = np.array([[0.0, 0], [10, 10], [10, 0], [0, 10]])
    assert match([bow_tie], [bow_tie]) == [(0, 0)]
