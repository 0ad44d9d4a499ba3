"""Reading pictures with a trained model: find the lines, cut them as in training, read them in batches.

Whole in itself: two configurations, two checkpoints and a dictionary, as they lie in pthModel.zip, are all
that is needed. A pipeline may be used by several threads at once: torch leaves Python's lock alone while it
computes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocr_trainer.dataset.crops import rectify
from ocr_trainer.line_shape import Image, LineShape

Points = NDArray[np.float64]

_LINE_PIXELS = 1 << 19
"""Of one batch of lines: 512 lines of 32 x 32, 34 of 32 x 480."""
_PAGE_PIXELS = {"cpu": 1, "cuda": 1 << 23}
"""Of one batch of pages. A processor is busy with one page as it is, and its caches are small."""


def _go_on() -> None:
    """Nobody wants to stop."""


@dataclass(frozen=True)
class Detection:
    """A line found in a picture."""

    polygon: Points
    """(N, 2), in the picture's pixels."""
    score: float


@dataclass(frozen=True)
class Reading:
    """What a line says; score: its characters' mean, 0 for an empty text."""

    text: str
    score: float


class Pipeline:
    """A detector and a recogniser on the machine's best device."""

    def __init__(
        self, detector: Any, recogniser: Any, shape: LineShape, *, resize: dict[str, Any], device: str
    ) -> None:
        """resize: `scale` and `interpolation` of mmcv.imrescale, as pages are resized in validation."""
        self._detector, self._recogniser, self._shape = detector, recogniser, shape
        self._resize, self.device = resize, device
        self._page_divisor = int(detector.data_preprocessor.pad_size_divisor)

    @classmethod
    def load(
        cls,
        detector_config: Path,
        detector_weights: Path,
        recogniser_config: Path,
        recogniser_weights: Path,
        dictionary: Path,
    ) -> "Pipeline":
        """A pipeline from a training's files or an unpacked bundle's."""
        from ocr_trainer.openmp import load_openmp

        load_openmp()
        from ocr_trainer import compat

        compat.install()
        from ocr_trainer.machine import this_machine
        from ocr_trainer.models import load_detector, load_recogniser
        from ocr_trainer.training.session import use_threads

        machine = this_machine()
        use_threads(machine)
        detector, resize = load_detector(detector_config, detector_weights, machine.device)
        recogniser, reading = load_recogniser(
            recogniser_config, recogniser_weights, dictionary, machine.device
        )
        return cls(detector, recogniser, LineShape(**reading), resize=resize, device=machine.device)

    @classmethod
    def open(cls, bundle: Path) -> "Pipeline":
        """The pipeline of an unpacked pthModel.zip."""
        detection, recognition = bundle / "detection", bundle / "recognition"
        return cls.load(
            detection / "config.py", detection / "best.pth",
            recognition / "config.py", recognition / "best.pth", bundle / "dictionary.txt",
        )  # fmt: skip

    def detect_all(
        self, images: Sequence[Image], *, check: Callable[[], None] = _go_on
    ) -> list[list[Detection]]:
        """The lines in several pictures; those of one size are looked at together.

        check: called between batches; whatever it raises ends the work.
        """
        import mmcv

        small = [mmcv.imrescale(image, **self._resize) for image in images]
        groups: dict[tuple[int, int], list[int]] = {}
        for index, page in enumerate(small):
            groups.setdefault(self._padded(page), []).append(index)
        found: list[list[Detection]] = [[] for _ in images]
        for (height, width), indexes in groups.items():
            size = max(1, _PAGE_PIXELS[self.device] // (height * width))
            for begin in range(0, len(indexes), size):
                check()
                batch = indexes[begin : begin + size]
                lines = self._detect_batch([images[i] for i in batch], [small[i] for i in batch])
                for index, detections in zip(batch, lines, strict=True):
                    found[index] = detections
        return found

    def _padded(self, page: Image) -> tuple[int, int]:
        """Height and width that the model sees: pages that agree in it may be looked at together."""
        height, width = (-(-side // self._page_divisor) * self._page_divisor for side in page.shape[:2])
        return height, width

    def _detect_batch(self, images: Sequence[Image], small: Sequence[Image]) -> list[list[Detection]]:
        import torch
        from mmocr.structures import TextDetDataSample

        inputs, samples = [], []
        for image, page in zip(images, small, strict=True):
            (height, width), (new_height, new_width) = image.shape[:2], page.shape[:2]
            scale_factor = new_width / width, new_height / height
            sample = TextDetDataSample(
                metainfo={
                    "img_shape": page.shape[:2], "ori_shape": (height, width), "scale_factor": scale_factor
                }
            )  # fmt: skip
            inputs.append(torch.from_numpy(page.transpose(2, 0, 1)))
            samples.append(sample)
        found = self._predict(self._detector, inputs, samples)
        return [_lines(sample.pred_instances, image) for sample, image in zip(found, images, strict=True)]

    def read_all(
        self, pages: Sequence[tuple[Image, Sequence[Points]]], *, check: Callable[[], None] = _go_on
    ) -> list[list[Reading]]:
        """What the lines of several pictures say; lines of one width are read together."""
        lines = [self.cut(image, polygon) for image, polygons in pages for polygon in polygons]
        readings = iter(self.read_lines(lines, check=check))
        return [[next(readings) for _ in polygons] for _, polygons in pages]

    def cut(self, image: Image, polygon: Points) -> Image | None:
        """The line with the padding that the recogniser expects; None if nothing of it can be seen."""
        crop = rectify(image, polygon)
        return None if crop is None else self._shape.cut(crop)

    def read_lines(
        self, lines: Sequence[Image | None], *, check: Callable[[], None] = _go_on
    ) -> list[Reading]:
        """What lines that are cut out already say, each by itself whatever is read beside it."""
        readings = [Reading("", 0.0)] * len(lines)
        buckets: dict[int, list[tuple[int, Image]]] = {}
        for index, line in enumerate(lines):
            if line is not None:
                width = self._shape.width_of(line)
                buckets.setdefault(width, []).append((index, self._shape.resize(line, width)))
        for width, pictures in sorted(buckets.items()):
            size = max(1, _LINE_PIXELS // (self._shape.height * width))
            for begin in range(0, len(pictures), size):
                check()
                batch = pictures[begin : begin + size]
                read = self._read_batch(np.stack([picture for _, picture in batch]))
                for (index, _), reading in zip(batch, read, strict=True):
                    readings[index] = reading
        return readings

    def _read_batch(self, pictures: NDArray[np.uint8]) -> list[Reading]:
        """(lines, height, width, 3)"""
        import torch
        from mmocr.structures import TextRecogDataSample

        shape = pictures.shape[1:3]
        samples = [
            TextRecogDataSample(metainfo={"valid_ratio": 1.0, "img_shape": shape, "ori_shape": shape})
            for _ in pictures
        ]
        inputs = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        return [
            Reading(s.pred_text.item, float(np.mean(s.pred_text.score)) if s.pred_text.item else 0.0)
            for s in self._predict(self._recogniser, inputs, samples)
        ]

    def _predict(self, model: Any, inputs: Any, samples: list[Any]) -> list[Any]:
        import torch

        with torch.inference_mode():
            return list(model.test_step({"inputs": inputs, "data_samples": samples}))


def _lines(instances: Any, image: Image) -> list[Detection]:
    limits = np.array([image.shape[1], image.shape[0]], np.float64)
    return [
        Detection(np.asarray(polygon, np.float64).reshape(-1, 2).clip(0, limits), float(score))
        for polygon, score in zip(instances.polygons, instances.scores, strict=True)
    ]
