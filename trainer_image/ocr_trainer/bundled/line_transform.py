"""How a line's picture is resized for the recogniser: as high as it was trained, its width in steps.

A file of the bundle, imported by the configuration beside it; mmocr's own RescaleToHeight knows no squeeze.
"""

import math
from typing import Any

import cv2
from mmcv.transforms.base import BaseTransform
from mmocr.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeLine(BaseTransform):  # type: ignore[misc]
    """height, step, widest: pixels. The width is `squeeze` times what the line's shape asks for.

    trim: what is cut off left and right, and above and below, in shares of the line's height.
    """

    def __init__(
        self, height: int, step: int, widest: int, squeeze: float, trim: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self._height, self._step, self._widest, self._squeeze = height, step, widest, squeeze
        self._trim = trim

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        line = results["img"]
        x, y = (round(share * line.shape[0]) for share in self._trim)
        if line.shape[1] > max(line.shape[0], 2 * x + 1):
            line = line[y : line.shape[0] - y, x : line.shape[1] - x]
        height, width = line.shape[:2]
        steps = max(1, math.ceil(width / height * self._height * self._squeeze / self._step))
        size = min(steps * self._step, self._widest), self._height
        smooth = cv2.INTER_AREA if height > self._height else cv2.INTER_LINEAR
        results["img"] = cv2.resize(line, size, interpolation=smooth)
        results["img_shape"] = results["img"].shape[:2]
        results["valid_ratio"] = 1.0
        return results
