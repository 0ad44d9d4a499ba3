"""Our figures are mmocr's on the same predictions: detection and recognition."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_trainer.metrics import Tally, Text, recognition_figures
from ocr_trainer.training.parts import register

Points = NDArray[np.float64]


@pytest.fixture(scope="module", autouse=True)
def _parts() -> None:
    register()


def draw_image(rng: np.random.Generator, crowded: bool) -> tuple[list[Text], list[Points]]:
    """A page's true texts, some of them don't-care, and what a middling detector finds there.

    Boxes are moved, grown, turned, split, missed and invented; on a crowded page they overlap each other.
    """
    true: list[Text] = []
    found: list[Points] = []
    columns, pitch = (4, 14) if crowded else (3, 40)
    for row in range(rng.integers(0, 8)):
        for column in range(columns):
            x, y = 10 + column * (60 if crowded else 180), 10 + row * pitch
            width, height = rng.uniform(50, 140), rng.uniform(12, 26)
            box = turned(x, y, width, height, rng.normal(0, 2))
            true.append(Text(box, "x", ignore=bool(rng.random() < 0.15)))
            luck = rng.random()
            if luck < 0.7:
                shift = rng.normal(0, height / 6, 2)
                found.append(
                    turned(x + shift[0], y + shift[1], width * rng.uniform(0.7, 1.3),
                           height * rng.uniform(0.7, 1.4), rng.normal(0, 2))
                )  # fmt: skip
            elif luck < 0.85:
                found += [
                    turned(x, y, width * 0.55, height, 0),
                    turned(x + width * 0.4, y, width * 0.6, height, 0),
                ]
    for _ in range(rng.integers(0, 4)):
        found.append(turned(*rng.uniform(0, 500, 2), *rng.uniform(8, 120, 2), rng.normal(0, 10)))
    order = rng.permutation(len(found))
    return true, [found[i] for i in order]


def turned(x: float, y: float, width: float, height: float, degrees: float) -> Points:
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    angle = np.radians(degrees)
    return corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + (x, y)


def mmocrs_hmean(images: list[tuple[list[Text], list[Points]]], strategy: str) -> dict[str, float]:
    from mmocr.evaluation.metrics import HmeanIOUMetric

    metric = HmeanIOUMetric(strategy=strategy)
    for true, found in images:
        sample = {
            "pred_instances": {
                "polygons": [polygon.reshape(-1) for polygon in found],
                "scores": np.full(len(found), 0.95, np.float32),
            },
            "gt_instances": {
                "polygons": [text.polygon.reshape(-1) for text in true],
                "ignored": np.array([text.ignore for text in true], bool),
            },
        }
        metric.process([], [sample])
    figures = metric.evaluate(len(images))
    return {name.removeprefix("icdar/"): float(value) for name, value in figures.items()}


def our_hmean(images: list[tuple[list[Text], list[Points]]]) -> dict[str, float]:
    tally = Tally()
    for true, found in images:
        tally.add(true, [Text(polygon) for polygon in found])
    return tally.detection()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("crowded", [False, True])
def test_detection_agrees_where_mmocr_finds_the_most_pairs(seed: int, crowded: bool) -> None:
    rng = np.random.default_rng((seed, crowded))
    images = [draw_image(rng, crowded) for _ in range(25)]
    ours, theirs = our_hmean(images), mmocrs_hmean(images, "max_matching")
    assert 0.3 < ours["hmean"] < 1
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_detection_agrees_with_mmocrs_default_where_lines_do_not_overlap() -> None:
    rng = np.random.default_rng(9)
    images = [draw_image(rng, crowded=False) for _ in range(25)]
    assert our_hmean(images) == pytest.approx(mmocrs_hmean(images, "vanilla"), abs=1e-9)


def test_mmocrs_default_takes_the_first_pair_and_may_miss_another() -> None:
    """Why ours differs there: A overlaps both found texts, B only the one that A is given first."""
    a, b = turned(0, 0, 100, 20, 0), turned(30, 0, 100, 20, 0)
    first, second = turned(15, 0, 100, 20, 0), turned(-10, 0, 100, 20, 0)
    images = [([Text(a), Text(b)], [first, second])]
    assert our_hmean(images)["hmean"] == mmocrs_hmean(images, "max_matching")["hmean"] == 1
    assert mmocrs_hmean(images, "vanilla")["hmean"] == 0.5


def draw_texts(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """Texts and how they were read: letters swapped, dropped, doubled, in another case, symbols lost."""
    alphabet = list("abcXYZ0189 .,:-$%/()ÄßИ漢字#^")
    pairs = []
    for _ in range(count):
        true = "".join(rng.choice(alphabet, rng.integers(1, 20)))
        read = list(true)
        for place in range(len(read)):
            luck = rng.random()
            if luck < 0.03:
                read[place] = str(rng.choice(alphabet))
            elif luck < 0.05:
                read[place] = ""
            elif luck < 0.07:
                read[place] *= 2
            elif luck < 0.09:
                read[place] = read[place].swapcase()
        pairs.append((true, "" if rng.random() < 0.02 else "".join(read)))
    return pairs


@pytest.mark.parametrize("seed", range(4))
def test_recognition_agrees_in_all_five_figures(seed: int) -> None:
    from mmocr.evaluation.metrics import CharMetric, WordMetric

    pairs = draw_texts(np.random.default_rng(seed), 300)
    samples: list[dict[str, Any]] = [
        {"gt_text": {"item": true}, "pred_text": {"item": read}} for true, read in pairs
    ]
    theirs: dict[str, float] = {}
    for metric in (WordMetric(["exact", "ignore_case", "ignore_case_symbol"]), CharMetric()):
        metric.process([], samples)
        figures = metric.evaluate(len(samples))
        theirs |= {name.removeprefix("recog/"): float(value) for name, value in figures.items()}
    ours = recognition_figures(pairs)
    assert ours == pytest.approx(theirs, abs=5.1e-5)  # mmocr rounds to four digits
    assert len(set(theirs.values())) == 5 and all(0.1 < value < 1 for value in theirs.values())
