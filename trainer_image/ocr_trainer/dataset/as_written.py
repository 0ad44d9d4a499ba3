"""An annotation's outline as its file has it, sound or broken: who is told of a fault wants to see it.

More is read here than in `outlines`, which wants polygons that train: two points are a line worth seeing, and
of several polygons each is shown, not the rectangle around them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ocr_trainer.dataset import outlines
from ocr_trainer.dataset.outlines import Points

Rings = tuple[tuple[float, ...], ...]
"""x, y, x, y, ... of each polygon."""

_MOST_POINTS = 100
_FEWEST_POINTS = 4
"""Of a polygon that is thinned out."""
_FARTHEST = 1e6
"""Pixels: pictures end at 65,000; what lies beyond is a slip of the keyboard, and no number to draw."""


def drawn(annotation: dict[str, Any], fit: Callable[[Points], Points]) -> Rings:
    """Its polygons; boxes and masks as four corners. Empty if there is nothing to draw.

    fit: from the annotation file's pixels to the picture's.
    """
    placed = []
    for points in _polygons(annotation):
        moved = fit(points)
        moved = moved[(np.abs(moved) < _FARTHEST).all(axis=1)]  # never true of what is no number
        if len(moved) > 1:
            placed.append(moved.round(2))
    return tuple(tuple(points.ravel().tolist()) for points in _thinned(placed))


def _polygons(annotation: dict[str, Any]) -> list[Points]:
    parts = _parts(annotation.get("segmentation"))
    whole = outlines.read(annotation)
    if whole is None:
        broken = [points for points in map(_any_points, parts) if points is not None]
        return broken or _flat_box(annotation.get("bbox"))
    if len(parts) < 2:
        return [whole]
    sound = [points for part in parts if (points := outlines.read({"segmentation": part})) is not None]
    return sound if len(sound) > 1 else [whole]


def _parts(segmentation: Any) -> list[Any]:
    """A list's polygons, each as it stands; the list may be one itself."""
    if not isinstance(segmentation, list) or not segmentation:
        return []
    try:
        shape = np.shape(segmentation)
    except ValueError:  # polygons of different lengths
        return segmentation
    return [segmentation] if len(shape) == 1 or shape[1:] == (2,) else segmentation


def _any_points(values: Any) -> Points | None:
    """(N, 2) of whatever numbers there are; an odd one at the end has no partner."""
    try:
        numbers = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers[: len(numbers) // 2 * 2].reshape(-1, 2)


def _flat_box(box: Any) -> list[Points]:
    """The corners of a box that has no area."""
    if not isinstance(box, list) or len(box) not in (4, 5):
        return []
    try:
        x, y, w, h = (float(value) for value in box[:4])
    except (TypeError, ValueError, OverflowError):
        return []
    return [np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])]


def _thinned(polygons: list[Points]) -> list[Points]:
    """At most `_MOST_POINTS` in all: every so manieth of long polygons, the first of very many."""
    if sum(map(len, polygons)) <= _MOST_POINTS:
        return polygons
    kept = polygons[: _MOST_POINTS // _FEWEST_POINTS]
    room = _MOST_POINTS // len(kept)
    return [points[:: -(-len(points) // room)] for points in kept]
