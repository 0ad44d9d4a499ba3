"""Lines drawn with fonts stand in for real ones: same place, same length, the data's own characters."""

import logging
import random

import numpy as np
import pytest

from ocr_trainer.dataset.crops import Crop
from ocr_trainer.training.synthetic import SyntheticLines

TEXTS = ["TOTAL 12.50", "CASH", "GST @6%", "NO. 53, JALAN BESAR", "***", "THANK YOU!"]


def paper(height: int = 30, width: int = 200) -> Crop:
    """A picture with some ink in it and a margin around the text's place."""
    image = np.full((height, width, 3), 230, np.uint8)
    image[8:22, 10:190:6] = 40
    return Crop(image, (8, 6, width - 8, height - 6))


def draw(texts: list[str], count: int) -> list[tuple[str, str, Crop]]:
    """The real text, the one drawn in its place, and its picture."""
    lines = SyntheticLines.like(texts)
    assert lines is not None
    rng = np.random.default_rng(1)
    return [(text, *lines.draw(text, paper(), rng)) for text in texts * count]


def test_a_drawn_text_is_as_long_as_the_real_one_and_holds_no_other_characters() -> None:
    known = set("".join(TEXTS)) | set("0123456789")
    drawn = draw(TEXTS, 50)
    assert all(len(text) == len(real) and set(text) <= known for real, text, _ in drawn)
    assert len({text for _, text, _ in drawn}) > 50


def test_the_picture_keeps_the_size_the_place_and_the_paper_of_the_real_line() -> None:
    for _, _, crop in draw(TEXTS, 10):
        assert crop.image.shape == (30, 200, 3) and crop.box == paper().box
        assert np.quantile(crop.image, 0.9) > 200


def test_what_is_drawn_shows_ink_where_the_text_stands() -> None:
    contrasts = []
    for _, text, crop in draw(["TOTAL 12.50"], 60):
        assert text
        x0, y0, x1, y1 = crop.box
        contrasts.append(float(np.ptp(crop.image[y0:y1, x0:x1].astype(int))))
    assert min(contrasts) > 20 and np.median(contrasts) > 80


def test_data_written_in_capitals_is_drawn_in_small_letters_too() -> None:
    """The annotators wrote capitals whatever the pictures show; so must the drawn lines."""
    capitals = SyntheticLines.like(["TOTAL", "CASH"])
    mixed = SyntheticLines.like(["Total", "CASH", "total"])
    assert capitals and mixed
    assert {capitals.shown("CASH", random.Random(seed)) for seed in range(30)} == {"CASH", "Cash", "cash"}
    assert {mixed.shown("CASH", random.Random(seed)) for seed in range(30)} == {"CASH"}


def test_the_same_generator_draws_the_same_line() -> None:
    first, second = draw(TEXTS, 3), draw(TEXTS, 3)
    assert all(
        a[1] == b[1] and np.array_equal(a[2].image, b[2].image) for a, b in zip(first, second, strict=True)
    )


def test_a_script_without_a_font_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert SyntheticLines.like(["合计金额", "现金"]) is None
    assert "no font at hand" in caplog.text
