"""What our presets change of mmocr's defaults, because documents suffer from them, and the harm."""

import json
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_trainer.dataset.crops import Crop
from ocr_trainer.line_shape import LineShape
from ocr_trainer.presets import preset_names, preset_path
from ocr_trainer.training.parts import register

DETECTORS, RECOGNISERS = preset_names("detection"), preset_names("recognition")


@pytest.fixture(scope="module", autouse=True)
def _parts() -> None:
    register()


def model_of(kind: str, preset: str) -> Any:
    from mmengine.config import Config

    return Config.fromfile(str(preset_path(kind, preset))).model


def build(settings: Any) -> Any:
    from mmocr.registry import MODELS

    return MODELS.build(settings)


@pytest.mark.parametrize("preset", DETECTORS)
def test_a_long_thin_line_is_found(preset: str) -> None:
    """700 x 6 pixels of certain text: a line of small print across a page."""
    import torch
    from mmocr.structures import TextDetDataSample

    page = torch.zeros(320, 960)
    page[100:106, 100:800] = 0.9

    def found(postprocessor: dict[str, Any]) -> int:
        sample = build(postprocessor).get_text_instances(page, TextDetDataSample())
        return len(sample.pred_instances.polygons)

    ours = model_of("detection", preset).det_head.postprocessor
    assert found(ours) == 1
    assert found({"type": "DBPostprocessor", "text_repr_type": "quad"}) == 0


@pytest.mark.parametrize("preset", DETECTORS)
def test_a_digit_of_six_pixels_is_taught(preset: str) -> None:
    import torch
    from mmengine.structures import InstanceData
    from mmocr.structures import TextDetDataSample

    def targets(loss: dict[str, Any]) -> tuple[bool, bool]:
        """Whether the digit is text in the target, and whether its place counts at all."""
        instances = InstanceData()
        instances.polygons = [np.array([20, 20, 26, 20, 26, 30, 20, 30], np.float32)]
        instances.bboxes, instances.labels = torch.zeros(1, 4), torch.zeros(1).long()
        instances.ignored = torch.zeros(1).bool()
        sample = TextDetDataSample(gt_instances=instances)
        sample.set_metainfo({"img_shape": (64, 64)})
        text, counts, *_ = build(loss).get_targets([sample])
        return bool(text[0, 25, 23]), bool(counts[0, 25, 23])

    ours = model_of("detection", preset).det_head.module_loss
    assert targets(ours) == (True, True)
    assert targets({"type": "DBModuleLoss"}) == (False, False)


@pytest.mark.parametrize("preset", DETECTORS)
def test_the_threshold_lies_where_texts_and_stains_part(preset: str) -> None:
    """Texts score .67, stains .63: mmocr's tenths keep both or lose both."""
    from mmengine.config import Config
    from mmocr.registry import METRICS

    boxes = [np.array([0, y, 90, y, 90, y + 10, 0, y + 10], float) for y in range(0, 400, 20)]
    texts, scores = boxes[:10], np.array([0.67] * 10 + [0.63] * 10, np.float32)
    page = {
        "pred_instances": {"polygons": boxes, "scores": scores},
        "gt_instances": {"polygons": texts, "ignored": np.zeros(10, bool)},
    }

    def best(evaluator: dict[str, Any]) -> dict[str, float]:
        metric = METRICS.build(evaluator)
        metric.process([], [page])
        return {name.removeprefix("icdar/"): float(v) for name, v in metric.evaluate(1).items()}

    ours = best(Config.fromfile(str(preset_path("detection", preset))).val_evaluator)
    assert (ours["hmean"], ours["threshold"]) == (1, 0.65)
    assert best({"type": "HmeanIOUMetric"})["hmean"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("preset", ["dbnet_r18_tiny"])
def test_a_lone_digit_weighs_as_a_line_does(preset: str) -> None:
    """It has a twenty-fifth of the line's pixels; what can't be read counts for nothing."""
    import torch
    from mmengine.structures import InstanceData
    from mmocr.structures import TextDetDataSample

    line, digit, unreadable = [10, 10, 210, 10, 210, 24, 10, 24], [230, 10, 238, 10, 238, 24, 230, 24], [
        10, 40, 18, 40, 18, 54, 10, 54
    ]  # fmt: skip

    def weights(loss: dict[str, Any]) -> list[float]:
        """In the line, in the digit, right beside it, where nothing is, in what can't be read."""
        instances = InstanceData()
        instances.polygons = [np.array(text, np.float32) for text in (line, digit, unreadable)]
        instances.bboxes, instances.labels = torch.zeros(3, 4), torch.zeros(3).long()
        instances.ignored = torch.tensor([False, False, True])
        sample = TextDetDataSample(gt_instances=instances)
        sample.set_metainfo({"img_shape": (64, 256)})
        _, counts, *_ = build(loss).get_targets([sample])
        return [float(counts[0, y, x]) for y, x in ((17, 110), (17, 234), (17, 240), (60, 200), (47, 14))]

    ours = model_of("detection", preset).det_head.module_loss
    inside, *rest = weights(ours)
    assert inside == 1
    assert rest == [pytest.approx((1500 / 112) ** 0.5), pytest.approx((1500 / 112) ** 0.5), 1, 0]
    assert weights(ours | {"type": "FastDBModuleLoss"}) == [1, 1, 1, 1, 0]


def with_dictionary(preset: str, folder: Path, characters: str) -> Any:
    (folder / "dictionary.txt").write_text("\n".join(characters))
    decoder = model_of("recognition", preset).decoder
    decoder.dictionary.dict_file = str(folder / "dictionary.txt")
    return decoder


CTC = [name for name in RECOGNISERS if "crnn" in name or "svtr" in name]


@pytest.mark.parametrize("preset", CTC)
def test_one_line_too_narrow_for_its_text_does_not_spoil_the_batch(tmp_path: Path, preset: str) -> None:
    """Three equal characters need five steps; there are three."""
    import torch
    from mmengine.structures import LabelData
    from mmocr.structures import TextRecogDataSample

    decoder = with_dictionary(preset, tmp_path, "AB")

    def loss(settings: dict[str, Any]) -> float:
        module = build({**settings, "dictionary": decoder.dictionary})
        samples = [TextRecogDataSample(gt_text=LabelData(item="AAA"))]
        return float(module(torch.zeros(1, 3, 3), module.get_targets(samples))["loss_ctc"])

    assert np.isfinite(loss(decoder.module_loss))
    assert np.isinf(loss({"type": "CTCModuleLoss"}))


@pytest.mark.parametrize("preset", RECOGNISERS)
def test_nothing_is_read_that_is_no_character(tmp_path: Path, preset: str) -> None:
    """mmocr's class for unknown characters comes out as a text of five: <UKN>."""
    from mmocr.registry import TASK_UTILS

    settings = with_dictionary(preset, tmp_path, "AB").dictionary
    ours, stock = TASK_UTILS.build(settings), TASK_UTILS.build(settings | {"with_unknown": True})
    assert ours.unknown_idx is None
    assert stock.idx2str([stock.unknown_idx]) == "<UKN>"


@pytest.mark.parametrize("preset", RECOGNISERS)
def test_capitals_are_taught_as_capitals(tmp_path: Path, preset: str) -> None:
    from mmengine.structures import LabelData
    from mmocr.structures import TextRecogDataSample

    decoder = with_dictionary(preset, tmp_path, "Aa")

    def taught(settings: dict[str, Any]) -> list[int]:
        module = build({**settings, "dictionary": decoder.dictionary})
        sample = TextRecogDataSample(gt_text=LabelData(item="Aa"))
        indexes: list[int] = module.get_targets([sample])[0].gt_text.indexes.tolist()
        return indexes

    assert taught(decoder.module_loss)[:2] == [0, 1]
    assert taught(decoder.module_loss | {"letter_case": "lower"})[:2] == [1, 1]


TEXT = (60, 40, 260, 60)
"""A line's box inside its stored crop: 200 x 20 pixels with room around."""


def margins(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Of the picture's width and height: what is white left, top, right and bottom of the dark text."""
    rows, columns = np.nonzero(picture.mean(-1) < 128)
    height, width = picture.shape[:2]
    right, bottom = width - 1 - columns.max(), height - 1 - rows.max()
    return np.array([columns.min() / width, rows.min() / height, right / width, bottom / height])


@pytest.mark.parametrize("preset", RECOGNISERS)
def test_training_shows_lines_cut_as_inexactly_as_a_detector_cuts_them(tmp_path: Path, preset: str) -> None:
    """A recogniser that only ever saw exact boxes loses a quarter of the words behind a detector."""
    from mmengine.config import Config

    from ocr_trainer.training.lines import LineDataset, LineKey

    stored = np.full((100, 320, 3), 255, np.uint8)
    x0, y0, x1, y1 = TEXT
    stored[y0:y1, x0:x1] = 0
    label = {"text": "A", "box": TEXT, "width": 320, "height": 100}
    with lmdb.open(str(tmp_path / "lines"), map_size=1 << 20) as file, file.begin(write=True) as transaction:
        transaction.put(b"num-samples", b"1")
        transaction.put(b"image-%09d" % 1, cv2.imencode(".png", stored)[1].tobytes())
        transaction.put(b"label-%09d" % 1, json.dumps(label).encode())
    reading = Config.fromfile(str(preset_path("recognition", preset))).reading.to_dict()
    shape = LineShape(**reading)
    width = shape.bucket(x1 - x0, y1 - y0)
    lines = LineDataset(str(tmp_path / "lines"), reading, training=True)
    shown = np.array([
        margins(lines[LineKey(0, width, seed)]["inputs"].numpy().transpose(1, 2, 0)) for seed in range(300)
    ])  # fmt: skip
    least, most = np.percentile(shown, 2, axis=0), np.percentile(shown, 98, axis=0)
    assert (most > least + 0.02).all()

    for error in (-1, 0, 1):  # of a twentieth of the line's height on every side
        box = (x0 - error, y0 - error, x1 + error, y1 + error)
        found = margins(shape.resize(shape.cut(Crop(stored, box)), width))
        assert (least <= found + 1e-9).all() and (found <= most + 1e-9).all()
