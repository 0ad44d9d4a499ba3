"""Validation finds the threshold and the length of boxes that are best, and reading applies both."""

from typing import Any

import numpy as np
import pytest

from ocr_trainer.training.parts import register


@pytest.fixture(scope="module", autouse=True)
def _parts() -> None:
    register()


def box(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> Any:
    """(8,): around its centre."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (corners @ turn + (x, y)).reshape(-1)


def page(texts: list[Any], found: list[Any], scores: list[float] | None = None, ignored: int = 0) -> Any:
    """The last `ignored` texts can't be read."""
    flags = np.zeros(len(texts), bool)
    flags[len(texts) - ignored :] = True
    return {
        "pred_instances": {"polygons": found, "scores": np.array(scores or [0.95] * len(found), np.float32)},
        "gt_instances": {"polygons": texts, "ignored": flags},
    }


def evaluate(kind: str, pages: list[Any]) -> dict[str, float]:
    from mmocr.registry import METRICS

    metric = METRICS.build({"type": kind})
    for sample in pages:
        metric.process([], [sample])
    return {k.removeprefix("icdar/"): float(v) for k, v in metric.evaluate(len(pages)).items()}


def extents(polygon: Any) -> tuple[float, float]:
    corners = np.asarray(polygon).reshape(-1, 2)
    return float(np.linalg.norm(corners[1] - corners[0])), float(np.linalg.norm(corners[2] - corners[1]))


@pytest.mark.parametrize("seed", range(5))
def test_without_short_texts_the_figures_are_mmocrs(seed: int) -> None:
    """Lines of six times their height and more, some moved away, some not there, some that can't be read."""
    rng = np.random.default_rng(seed)
    pages = []
    for _ in range(5):
        texts = [
            box(rng.uniform(100, 900), 30 * i, rng.uniform(120, 400), 18, rng.normal(0, 2)) for i in range(30)
        ]
        moved = [text.reshape(-1, 2) + rng.normal(0, 4, 2) for text in texts if rng.random() < 0.8]
        found = [m.reshape(-1) for m in moved] + [box(500, 1000 + 30 * i, 150, 18) for i in range(4)]
        pages.append(page(texts, found, rng.uniform(0.3, 1, len(found)).tolist(), ignored=3))
    ours, theirs = evaluate("CalibratedHmeanMetric", pages), evaluate("HmeanIOUMetric", pages)
    assert 0.3 < theirs["hmean"] < 0.98
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs)
    assert ours["overhang"] == 0


def digits_found_as_squares(degrees: float = 0.0) -> Any:
    """Forty digits of 8 x 16 pixels whose boxes are 16 x 17, and ten lines that are found as they are."""
    at = [(40 + 50 * (i % 10), 40 + 40 * (i // 10)) for i in range(40)]
    lines = [box(500, 300 + 40 * i, 300, 18, degrees) for i in range(10)]
    texts = [box(x, y, 8, 16, degrees) for x, y in at] + lines
    return page(texts, [box(x, y, 17, 17, degrees) for x, y in at] + lines)


@pytest.mark.parametrize("degrees", [0.0, 4.0, -4.0])
def test_boxes_of_digits_are_shortened_until_they_match(degrees: float) -> None:
    sample = digits_found_as_squares(degrees)
    ours, theirs = evaluate("CalibratedHmeanMetric", [sample]), evaluate("HmeanIOUMetric", [sample])
    assert theirs["hmean"] == pytest.approx(0.2)
    assert ours["hmean"] == 1
    assert 0.4 <= ours["overhang"] <= 0.5


def test_boxes_that_match_better_as_they_are_stay_so() -> None:
    """Measured on texts of twice their height, an overhang that would spoil the squares."""
    twos = [(60 * i + 40, 40) for i in range(60)]
    squares = [(60 * i + 40, 80) for i in range(40)]
    texts = [box(x, y, 26, 16) for x, y in twos] + [box(x, y, 16, 16) for x, y in squares]
    found = [box(x, y, 33, 16) for x, y in twos] + [box(x + 5.2, y, 16, 16) for x, y in squares]
    from ocr_trainer.training.box_parts import measure_overhang

    assert measure_overhang(zip(found, texts, strict=True)) > 0.3
    ours = evaluate("CalibratedHmeanMetric", [page(texts, found)])
    assert ours["hmean"] == 1
    assert ours["overhang"] == 0


def test_a_few_short_texts_tell_nothing() -> None:
    sample = page(
        [box(40 * i + 20, 20, 8, 16) for i in range(10)], [box(40 * i + 20, 20, 17, 17) for i in range(10)]
    )
    assert evaluate("CalibratedHmeanMetric", [sample])["overhang"] == 0


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (box(50, 50, 16, 16), (9.6, 16)),
        (box(50, 50, 16, 16, 3), (9.6, 16)),
        (box(50, 50, 200, 16), (200, 16)),
        (box(50, 50, 16, 60), (16, 60)),
        (box(50, 50, 0, 0), (0, 0)),
    ],
)
def test_squares_lose_the_overhang_and_lines_and_columns_nothing(
    found: Any, left: tuple[float, float]
) -> None:
    from ocr_trainer.training.box_parts import shortened

    short = shortened(found, 0.4)
    assert sorted(extents(short)) == pytest.approx(sorted(left), abs=0.01)
    assert short.reshape(-1, 2).mean(0) == pytest.approx([50, 50], abs=0.01)


def test_a_detector_reads_with_the_calibration_of_its_checkpoint() -> None:
    import torch
    from mmengine.config import Config
    from mmocr.registry import MODELS
    from mmocr.structures import TextDetDataSample

    from ocr_trainer.models import set_calibration
    from ocr_trainer.presets import preset_path

    square = torch.zeros(64, 64)
    square[20:30, 20:30] = 0.7

    def found(metrics: dict[str, float]) -> list[tuple[float, float]]:
        config = Config.fromfile(str(preset_path("detection", "dbnet_r18")))
        set_calibration(config, {"metrics": metrics})
        postprocessor = MODELS.build(config.model.det_head.postprocessor)
        sample = postprocessor.get_text_instances(square, TextDetDataSample())
        return [extents(polygon) for polygon in sample.pred_instances.polygons]

    ((width, height),) = found({"threshold": 0.6})
    assert width == pytest.approx(height, abs=1)
    ((narrow, as_high),) = found({"threshold": 0.6, "overhang": 0.4})
    assert sorted((narrow, as_high)) == pytest.approx([0.6 * width, height], abs=0.5)
    assert found({"threshold": 0.8}) == []
