"""Copies of a page are known whatever was done to them; others of the same kind aren't taken for copies."""

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ocr_trainer.dataset import likeness

RECEIPTS = sorted(Path(__file__).parents[2].glob("examples/receipts/data/*/*.jpg"))[::4]
WORDS = tuple("PAPER STAPLES GLUE INK MARKER ENVELOPE TAPE BINDER PEN RULER STAMP FOLDER CLIP".split())  # noqa: SIM905
Picture = np.ndarray


def receipts() -> list[Picture]:
    return [cv2.imread(str(path)) for path in RECEIPTS]


def jpeg(picture: Picture, quality: int) -> Picture:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)


def found(ours: list[Picture], theirs: list[Picture]) -> list[tuple[int, int]]:
    pairs = likeness.alike([likeness.look(p) for p in ours], [likeness.look(p) for p in theirs])
    return [(v, t) for v, t, _ in pairs if likeness.alike_closely(theirs[v], ours[t])]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: jpeg(p, 30), id="poor quality"),
        pytest.param(
            lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), id="half size"
        ),
        pytest.param(lambda p: cv2.convertScaleAbs(p, alpha=0.8), id="darker"),
        pytest.param(lambda p: (255 * (p / 255.0) ** 1.3).astype(np.uint8), id="more contrast"),
    ],
)
def test_a_copy_is_known(change: Callable[[Picture], Picture]) -> None:
    pages = receipts()[:12]
    assert found(pages, [change(page) for page in pages]) == [(n, n) for n in range(len(pages))]


def test_brightened_copies_are_mostly_known() -> None:
    pages = receipts()
    bright = [cv2.convertScaleAbs(page, alpha=1.05, beta=6) for page in pages]
    assert len(found(pages, bright)) >= 0.9 * len(pages)


def test_different_receipts_are_not_taken_for_copies() -> None:
    pages = receipts()
    assert len(pages) > 30
    assert found(pages[::2], pages[1::2]) == []


def test_forms_filled_in_differently_are_not_copies() -> None:
    def form(number: int) -> Picture:
        page = np.full((360, 480, 3), 240, np.uint8)
        for row in range(10):
            word = " ".join(WORDS[(number * 7 + row * 3 + place * 5) % len(WORDS)] for place in range(3))
            cv2.putText(page, word, (10, 30 + 34 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 1)
        return page

    assert found([form(n) for n in range(6)], [form(n) for n in range(6, 13)]) == []


def test_blank_pages_are_like_no_other() -> None:
    blank = np.full((100, 100, 3), 250, np.uint8)
    assert likeness.look(blank) == b"" and found([blank], [blank]) == []
    assert list(likeness.alike([], [])) == []


def test_many_pictures_are_compared_in_seconds() -> None:
    generator = np.random.default_rng(0)
    looks = [bytes(row) for row in generator.integers(-127, 128, (6000, 1600), np.int8).view(np.uint8)]
    started = time.process_time()
    assert [(v, t) for v, t, _ in likeness.alike(looks, looks[5000:5600])] == [
        (n, 5000 + n) for n in range(600)
    ]
    assert time.process_time() - started < 10
