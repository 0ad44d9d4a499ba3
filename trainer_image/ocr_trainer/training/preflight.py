"""Tries a run's settings out before hours are spent on them.

Both trainings' settings are looked at when the first begins: a misspelt override of the recogniser must not
be found out when the detector is done. What overrides make is also built, and shown one drawn page or line:
mmocr notices most misfits (channels, sizes, lists that are too short) only when data arrive.
"""

import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmocr.registry import MODELS, TRANSFORMS

from ocr_contract.spec import Train, Training
from ocr_contract.stages import Stage
from ocr_trainer.errors import TrainerError
from ocr_trainer.line_shape import LineShape
from ocr_trainer.machine import Machine
from ocr_trainer.presets import preset_path
from ocr_trainer.training.configuration import TrainingData, build_config
from ocr_trainer.training.lines import pack
from ocr_trainer.training.overrides import fails_at_once

_PAGE = (480, 360)
"""Height and width of the drawn page."""


def check_settings(train: Train, pages: TrainingData, lines: int, machine: Machine) -> None:
    """BadConfiguration if one of the two trainings could not be run as asked for.

    pages: the detector's data; lines: how many the recogniser has.
    """
    trainings: list[tuple[Stage, Training, TrainingData]] = [
        (Stage.DETECTION, train.detection, pages),
        (Stage.RECOGNITION, train.recognition, replace(pages, items=lines)),
    ]
    for stage, training, data in trainings:
        preset = preset_path(stage, training.preset)
        config = build_config(stage, preset, training, data, machine, Path("unused"))
        if training.overrides:  # the presets themselves are known to work
            _try_out(config, stage, _try_detector if stage is Stage.DETECTION else _try_recogniser)


def _try_out(config: Config, stage: Stage, attempt: Callable[[Config], None]) -> None:
    try:
        with torch.no_grad():
            attempt(config)
    except TrainerError:
        raise
    except Exception as error:  # whatever mmocr, torch or OpenCV raises for values that they don't expect
        what = " ".join(str(error).split()) or _line(error)
        raise fails_at_once(stage, what) from error


def _line(error: Exception) -> str:
    """Where it was raised: mmocr's assertions often say nothing else."""
    return traceback.extract_tb(error.__traceback__)[-1].line or type(error).__name__


def _try_detector(config: Config) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = _draw_page(Path(folder) / "page.png")
        shown = [_through(config.train_dataloader.dataset.pipeline, page, seed) for seed in (0, 1)]
        validated = [_through(config.val_dataloader.dataset.pipeline, page, 0)]
    _run(MODELS.build(config.model), shown, validated)


def _try_recogniser(config: Config) -> None:
    shape = LineShape(**config.reading)
    model = MODELS.build(config.model)
    for width in sorted({shape.bucket(1, 10), shape.widest}):  # the narrowest and the widest
        picture = np.full((shape.height, width, 3), 255, np.uint8)
        lines = [pack(picture, model.decoder.dictionary.dict[0]) for _ in range(2)]
        _run(model, lines, lines)


def _run(model: Any, shown: list[dict[str, Any]], validated: list[dict[str, Any]]) -> None:
    model.train()
    model(**model.data_preprocessor(pseudo_collate(shown), True), mode="loss")
    model.eval()
    model(**model.data_preprocessor(pseudo_collate(validated), False), mode="predict")


def _draw_page(path: Path) -> dict[str, Any]:
    """A white page with three dark bars for lines, and what a data set says about it."""
    image = np.full((*_PAGE, 3), 255, np.uint8)
    boxes = [(40, top, 300, top + 24) for top in (60, 200, 340)]
    for x0, y0, x1, y1 in boxes:
        cv2.rectangle(image, (x0, y0), (x1, y1), (30, 30, 30), -1)
    cv2.imwrite(str(path), image)
    instances = [
        {"polygon": [x0, y0, x1, y0, x1, y1, x0, y1], "bbox": [x0, y0, x1, y1]}
        | {"bbox_label": 0, "ignore": False}
        for x0, y0, x1, y1 in boxes
    ]
    return {"img_path": str(path), "height": _PAGE[0], "width": _PAGE[1], "instances": instances}


def _through(pipeline: list[Any], page: dict[str, Any], seed: int) -> dict[str, Any]:
    results: Any = {**page, "generator": np.random.default_rng(seed), "sample_idx": 0}
    for step in pipeline:
        results = TRANSFORMS.build(step)(results)
        if results is None:
            raise ValueError(f"{step.type} drops pages")
    return dict(results)
