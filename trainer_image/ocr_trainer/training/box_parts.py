"""Boxes as long as their texts: DB's, less what the network makes short texts too long.

It looks at every fourth pixel. The kernel of a digit of 8 x 16 pixels comes out as a square and, grown by
DB's rule, as a box of 1.7 times the digit's width: found, but no match. How much is measured in validation.
"""

import math
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from mmocr.models.textdet.postprocessors import DBPostprocessor
from mmocr.registry import MODELS
from numpy.typing import NDArray

Points = NDArray[np.float64]

_LONG = math.log(6)
"""Of the ratio of width and height: boxes of such texts are as long as they are."""
_COLUMN = math.log(2)
"""Boxes higher than twice their width are columns, and stay as they are."""
_LEAST_SHARE, _LEAST_BOXES = 0.3, 20
_GREATEST = 0.5


@MODELS.register_module()
class CalibratedDBPostprocessor(DBPostprocessor):  # type: ignore[misc]
    """mmocr's, whose quadrilaterals are shortened by `overhang`: 0 is mmocr's own."""

    def __init__(self, overhang: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.overhang = overhang

    def get_text_instances(self, *arguments: Any, **options: Any) -> Any:
        sample = super().get_text_instances(*arguments, **options)
        found = sample.pred_instances
        if self.overhang and self.text_repr_type == "quad":
            found.polygons = [shortened(p, self.overhang).astype(np.float32) for p in found.polygons]
        return sample


def shortened(polygon: Any, overhang: float) -> Points:
    """(8,): the box, narrower by `overhang` of its shorter side if it is square, by less the longer it is."""
    centre, along, down, width, height = _frame(polygon)
    excess = overhang * _share(width, height) * min(width, height)
    if not excess:
        return np.asarray(polygon, np.float64).reshape(-1)
    half, rise = along * (width - excess) / 2, down * height / 2
    return np.concatenate(
        [centre - half - rise, centre + half - rise, centre + half + rise, centre - half + rise]
    )


def measure_overhang(pairs: Iterable[tuple[Any, Any]]) -> float:
    """The median over boxes and the texts in them (polygons); 0 where too few are short enough to tell."""
    found = []
    for box, text in pairs:
        *_, width, height = _frame(box)
        share = _share(width, height)
        if share >= _LEAST_SHARE:
            found.append((width - _frame(text)[3]) / min(width, height) / share)
    if len(found) < _LEAST_BOXES:
        return 0.0
    return round(min(_GREATEST, max(0.0, float(np.median(found)))), 3)


def _share(width: float, height: float) -> float:
    """How much of the overhang a box of this shape has: 1 a square, 0 a line or a column."""
    if min(width, height) < 1:
        return 0.0
    shape = math.log(width / height)
    return max(0.0, 1 - shape / _LONG if shape > 0 else 1 + shape / _COLUMN)


def _frame(polygon: Any) -> tuple[Points, Points, Points, float, float]:
    """The smallest rectangle: its centre, its axes along and down the text, its extents along them."""
    corners = np.asarray(polygon, np.float32).reshape(-1, 2)
    centre, (width, height), degrees = cv2.minAreaRect(corners)
    angle = math.radians(degrees)
    along = np.array([math.cos(angle), math.sin(angle)])
    down = np.array([-along[1], along[0]])
    if abs(along[0]) < abs(down[0]):
        along, down, width, height = down, along, height, width
    along, down = along * math.copysign(1, along[0]), down * math.copysign(1, down[1])
    return np.array(centre), along, down, float(width), float(height)
