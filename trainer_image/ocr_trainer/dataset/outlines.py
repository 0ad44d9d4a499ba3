"""An annotation's outline as one sound polygon in the upright picture's pixels, whatever form it came in."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from shapely import Polygon, box, make_valid

from ocr_trainer.dataset import rle
from ocr_trainer.dataset.crops import signed_area
from ocr_trainer.dataset.texts import attributes

Points = npt.NDArray[np.float64]

_SMALLEST_SIDE = 2.0
_SMALLEST_AREA = 4.0
_BEZIER_SAMPLES = 8


@dataclass(frozen=True)
class Outline:
    """A polygon that can be used, and what had to be done to it."""

    points: Points
    repairs: tuple[str, ...] = ()


def read(annotation: dict[str, Any]) -> Points | None:
    """(N, 2) as annotated, by the first form that works; None if there is no usable outline."""
    for form in (_from_segmentation, _from_points, _from_bezier, _from_bbox):
        points: Points | None = form(annotation)
        if points is not None and np.isfinite(points).all():
            return points
    return None


def sound(points: Points, width: int, height: int) -> Outline | None:
    """Without crossings, clockwise, inside the picture; None if nothing that could be seen is left."""
    if _is_plain(points, width, height):  # nearly all; shapely would take ten times as long
        return Outline(points if signed_area(points.tolist()) > 0 else np.ascontiguousarray(points[::-1]))
    repairs = []
    shape = original = Polygon(points)
    if not shape.is_valid:
        # Four corners in the wrong order are the commonest bow tie: the whole quadrilateral was meant.
        shape = shape.convex_hull if len(points) == 4 else _largest(make_valid(shape))
        if shape.geom_type != "Polygon":
            return None
        repairs.append("crossing sides untangled")
    picture = box(0, 0, width, height)
    if not shape.is_empty and not picture.contains(shape):
        before = shape.area
        shape = _largest(shape.intersection(picture))
        if before - shape.area > 0.01 * before:
            repairs.append("cut off at the picture's edge")
    if shape.is_empty or shape.area < _SMALLEST_AREA:
        return None
    if shape is not original:
        points = np.array(shape.exterior.coords[:-1], dtype=np.float64)
    if len(points) > 4:
        points = cv2.approxPolyDP(points.astype(np.float32), 0.1, True)[:, 0].astype(np.float64)
    if len(points) < 3 or min(cv2.minAreaRect(points.astype(np.float32))[1]) < _SMALLEST_SIDE:
        return None
    if not Polygon(points).exterior.is_ccw:  # y grows downwards: counter-clockwise to shapely is clockwise
        points = points[::-1]
    return Outline(np.ascontiguousarray(points), tuple(repairs))


def _is_plain(points: Points, width: int, height: int) -> bool:
    """Whether it is a convex quadrilateral inside the picture and large enough to be seen."""
    if len(points) != 4:
        return False
    quad = points.tolist()
    if not all(0 <= x <= width and 0 <= y <= height for x, y in quad):
        return False
    turns = [
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
        for a, b, c in ((quad[i - 2], quad[i - 1], quad[i]) for i in range(4))
    ]
    if not (all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)):
        return False
    if abs(signed_area(quad)) < _SMALLEST_AREA:
        return False
    return bool(min(cv2.minAreaRect(points.astype(np.float32))[1]) >= _SMALLEST_SIDE)


def _largest(shape: Any) -> Polygon:
    """The largest polygon of whatever shapely left."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if part.geom_type == "Polygon"]
    nested = [p for part in getattr(shape, "geoms", []) for p in getattr(part, "geoms", [])]
    parts += [part for part in nested if part.geom_type == "Polygon"]
    return max(parts, key=lambda part: part.area, default=Polygon())


def _pairs(values: Any) -> Points | None:
    """(N, 2) with N >= 3 from [x, y, x, y, ...] or [[x, y], ...]."""
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if points.ndim == 1 and points.size >= 6 and points.size % 2 == 0:
        points = points.reshape(-1, 2)
    return points if points.ndim == 2 and points.shape[1] == 2 and len(points) >= 3 else None


def _from_segmentation(annotation: dict[str, Any]) -> Points | None:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        mask = rle.decode(segmentation)
        return _around_mask(mask) if mask is not None else None
    if not isinstance(segmentation, list) or not segmentation:
        return None
    whole = _pairs(segmentation)
    if whole is not None:
        return whole
    parts = [part for part in map(_pairs, segmentation) if part is not None]
    if len(parts) <= 1:
        return parts[0] if parts else None
    together = np.concatenate(parts).astype(np.float32)
    return np.asarray(cv2.boxPoints(cv2.minAreaRect(together)), dtype=np.float64)


def _around_mask(mask: npt.NDArray[np.uint8]) -> Points | None:
    contours = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    return np.asarray(cv2.boxPoints(cv2.minAreaRect(largest)), dtype=np.float64)


def _from_points(annotation: dict[str, Any]) -> Points | None:
    for key in ("points", "mask", "polys"):
        points = _pairs(annotation.get(key))
        if points is not None:
            return points
    return None


def _from_bezier(annotation: dict[str, Any]) -> Points | None:
    """Two cubic curves of four control points each: the upper side, then the lower one backwards."""
    control = _pairs(annotation.get("bezier_pts"))
    if control is None or len(control) != 8:
        return None
    t = np.linspace(0, 1, _BEZIER_SAMPLES)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return np.asarray(np.concatenate([weights @ control[:4], weights @ control[4:]]), dtype=np.float64)


def _from_bbox(annotation: dict[str, Any]) -> Points | None:
    """x, y, width, height, turned clockwise by a fifth number's or an attribute's degrees."""
    try:
        numbers = np.asarray(annotation.get("bbox"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if numbers.shape not in ((4,), (5,)) or min(numbers[2:4]) <= 0:
        return None
    x, y, w, h = numbers[:4]
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    given = attributes(annotation)
    angle = (
        numbers[4]
        if len(numbers) == 5
        else next((given[k] for k in ("rotation", "angle") if given.get(k)), 0)
    )
    try:
        turn = np.radians(float(angle))
    except (TypeError, ValueError, OverflowError):
        turn = 0.0
    if not turn:
        return corners
    centre = np.array([x + w / 2, y + h / 2])
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray((corners - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre, dtype=np.float64)
