"""Reading pictures with a trained model: find the lines, cut them as in training, read them in batches.

Whole in itself: two configurations, two checkpoints and a dictionary, as they lie in pthModel.zip, are all
that is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_trainer.dataset.crops import rectify
from ocr_trainer.line_shape import Image, LineShape

Points = NDArray[np.float64]

_PIXELS_IN_BATCH = 1 << 19
"""Of one batch of lines: 512 lines of 32 x 32, 34 of 32 x 480."""


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
        self,
        detector: Any,
        recogniser: Any,
        shape: LineShape,
        *,
        long_side: int,
        threshold: float,
        device: str,
    ) -> None:
        """long_side: pixels of a picture's longer side when lines are looked for."""
        self._detector, self._recogniser, self._shape = detector, recogniser, shape
        self._long_side, self._threshold, self._device = long_side, threshold, device

    @classmethod
    def load(
        cls,
        detector_config: Path,
        detector_weights: Path,
        recogniser_config: Path,
        recogniser_weights: Path,
        dictionary: Path,
    ) -> "Pipeline":
        """A pipeline from a training's files. The detector's threshold comes with its best checkpoint."""
        from ocr_trainer import compat
        from ocr_trainer.machine import let_waiting_threads_sleep, this_machine

        let_waiting_threads_sleep()
        compat.install()
        from mmengine.config import Config

        from ocr_trainer.training.configuration import set_dictionary
        from ocr_trainer.training.stage import use_threads

        machine = this_machine()
        use_threads(machine)
        detection, recognition = Config.fromfile(detector_config), Config.fromfile(recogniser_config)
        set_dictionary(recognition, dictionary.resolve())
        detector, meta = _load_model(detection, detector_weights, machine.device)
        recogniser, _ = _load_model(recognition, recogniser_weights, machine.device)
        return cls(
            detector,
            recogniser,
            LineShape(**recognition.reading),
            long_side=detection.long_side,
            threshold=meta.get("metrics", {}).get("threshold", detection.score_threshold),
            device=machine.device,
        )

    def detect_all(self, images: Sequence[Image]) -> list[list[Detection]]:
        """The lines in several pictures, which are looked at together."""
        import torch
        from mmocr.structures import TextDetDataSample

        inputs, samples = [], []
        for image in images:
            height, width = image.shape[:2]
            scale = self._long_side / max(height, width)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            small = cv2.resize(image, size, interpolation=smooth)
            sample = TextDetDataSample()
            sample.set_metainfo(
                {
                    "img_shape": small.shape[:2],
                    "ori_shape": (height, width),
                    "scale_factor": (size[0] / width, size[1] / height),
                }
            )
            inputs.append(torch.from_numpy(small.transpose(2, 0, 1).copy()))
            samples.append(sample)
        found = self._predict(self._detector, inputs, samples)
        return [
            self._lines(sample.pred_instances, image) for sample, image in zip(found, images, strict=True)
        ]

    def _lines(self, instances: Any, image: Image) -> list[Detection]:
        limits = np.array([image.shape[1], image.shape[0]], np.float64)
        return [
            Detection(np.asarray(polygon, np.float64).reshape(-1, 2).clip(0, limits), float(score))
            for polygon, score in zip(instances.polygons, instances.scores, strict=True)
            if score >= self._threshold
        ]

    def read_all(self, pages: Sequence[tuple[Image, Sequence[Points]]]) -> list[list[Reading]]:
        """What the lines of several pictures say; lines of one width are read together."""
        readings = [[Reading("", 0.0)] * len(polygons) for _, polygons in pages]
        buckets: dict[int, list[tuple[int, int, Image]]] = {}
        for page, (image, polygons) in enumerate(pages):
            for line, polygon in enumerate(polygons):
                crop = rectify(image, polygon)
                if crop is None:
                    continue
                x0, y0, x1, y1 = crop.box
                width = self._shape.bucket(x1 - x0, y1 - y0)
                picture = self._shape.resize(self._shape.cut(crop), width)
                buckets.setdefault(width, []).append((page, line, picture))
        for width, lines in buckets.items():
            size = max(1, _PIXELS_IN_BATCH // (self._shape.height * width))
            for begin in range(0, len(lines), size):
                batch = lines[begin : begin + size]
                read = self._read_batch([picture for _, _, picture in batch])
                for (page, line, _), reading in zip(batch, read, strict=True):
                    readings[page][line] = reading
        return readings

    def _read_batch(self, pictures: Sequence[Image]) -> list[Reading]:
        from ocr_trainer.training.lines import pack

        packed = [pack(picture) for picture in pictures]
        found = self._predict(
            self._recogniser, [p["inputs"] for p in packed], [p["data_samples"] for p in packed]
        )
        return [
            Reading(s.pred_text.item, float(np.mean(s.pred_text.score)) if s.pred_text.item else 0.0)
            for s in found
        ]

    def _predict(self, model: Any, inputs: list[Any], samples: list[Any]) -> list[Any]:
        import torch

        with torch.inference_mode():
            return list(model.test_step({"inputs": inputs, "data_samples": samples}))


def _load_model(config: Any, weights: Path, device: str) -> tuple[Any, dict[str, Any]]:
    """The model, ready to predict, and what its checkpoint says about itself."""
    import torch
    from mmengine.registry import DefaultScope, init_default_scope
    from mmocr.registry import MODELS

    from ocr_trainer.training import detector_parts, recogniser_parts  # noqa: F401  registers them

    if DefaultScope.get_current_instance() is None:
        init_default_scope("mmocr")
    model = MODELS.build(config.model)
    checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval().to(device, memory_format=torch.channels_last), dict(checkpoint["meta"])
