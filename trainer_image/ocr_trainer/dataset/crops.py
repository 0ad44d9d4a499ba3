"""One line of text cut out of a picture and laid flat, with a margin around it.

Training, validation and reading use this one function: a recogniser that was trained on tight crops loses a
quarter of the words when a detector's boxes are a little wider. The margin is stored, so that training can
choose another padding each time.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

MARGIN = 0.35
"""Stored around a line, in its heights, where the picture has it."""
TALLEST = 96
"""Pixels: a taller line is stored smaller, no recogniser looks at more."""
_VERTICAL_RATIO = 1.5
_VERTICAL_RATIO_UNREAD = 2.0
"""Where the text isn't known: a single narrow character must not be turned."""
_NEARLY_VERTICAL_DEGREES = 65.0
_MARGIN_STEPS = np.linspace(1.0, 0.0, 8)


@dataclass(frozen=True)
class Crop:
    image: Image
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 of the line inside `image`."""


def reading_quad(polygon: Points, characters: int | None = None) -> tuple[Points, bool]:
    """(4, 2): the line's corners, clockwise, from where reading begins; the first side runs along it.

    Also whether it is read downwards: a line much taller than wide with more than one character
    (`characters`; None: unknown). Polygons of other than four corners are enclosed in a rectangle.
    """
    quad = polygon if len(polygon) == 4 else cv2.boxPoints(cv2.minAreaRect(polygon.astype(np.float32)))
    quad = np.asarray(quad, dtype=np.float64)
    if _signed_area(quad) < 0:
        quad = quad[::-1]
    sides = np.roll(quad, -1, axis=0) - quad
    lengths = np.linalg.norm(sides, axis=1)
    first, second = lengths[0] + lengths[2], lengths[1] + lengths[3]
    ratio = max(first, second) / max(min(first, second), 1e-6)
    longest = [0, 2] if first >= second else [1, 3]
    limit = _VERTICAL_RATIO_UNREAD if characters is None else _VERTICAL_RATIO
    downwards = False
    if ratio > limit and characters != 1:
        steep = np.degrees(np.arctan2(abs(sides[longest[0]][1]), abs(sides[longest[0]][0])))
        downwards = bool(steep > _NEARLY_VERTICAL_DEGREES)
        start = max(longest, key=lambda i: sides[i][int(downwards)])
    else:
        start = max(range(4), key=lambda i: sides[i][0] / max(lengths[i], 1e-6))
    return np.roll(quad, -start, axis=0), downwards


def line_height(polygon: Points, characters: int | None = None) -> tuple[float, bool]:
    """The line's height across its reading direction, in pixels, and whether it is read downwards."""
    quad, downwards = reading_quad(polygon, characters)
    return float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2, downwards


def rectify(
    image: Image, polygon: Points, *, characters: int | None = None, margin: float = MARGIN
) -> Crop | None:
    """The line laid flat with up to `margin` of its height on each side; None if nothing is left of it."""
    quad, _ = reading_quad(polygon, characters)
    width = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
    height = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    if width < 1 or height < 1:
        return None
    scale = min(1.0, TALLEST / height)
    w, h = max(round(width), 1), max(round(height), 1)
    flat = np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=np.float32)
    to_image = cv2.getPerspectiveTransform(flat, quad.astype(np.float32))
    left, top, right, bottom = (
        round(m) for m in _margins(to_image, w, h, margin * h, image.shape[1], image.shape[0])
    )
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], dtype=np.float64)
    warped = cv2.warpPerspective(
        image,
        to_image @ shift,
        (w + left + right, h + top + bottom),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    box = np.array([left, top, left + w, top + h], dtype=np.float64)
    if scale < 1:
        size = tuple(max(round(warped.shape[i] * scale), 1) for i in (1, 0))
        box *= np.array([size[0] / warped.shape[1], size[1] / warped.shape[0]] * 2)
        warped = cv2.resize(warped, size, interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = (round(float(value)) for value in box)
    return Crop(np.asarray(warped, dtype=np.uint8), (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))


def encode(image: Image) -> bytes:
    """JPEG without colour subsampling: lines are ten pixels high, their colours must not smear."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    encoded: Any = cv2.imencode(".jpg", image, parameters)[1]
    return bytes(encoded.tobytes())


def _signed_area(points: Points) -> float:
    """Positive when clockwise on screen, where y grows downwards."""
    x, y = points[:, 0], points[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _margins(
    to_image: Any, w: int, h: int, wanted: float, image_width: int, image_height: int
) -> tuple[float, float, float, float]:
    """left, top, right, bottom in pixels of the flat line: as much of `wanted` as the picture holds."""
    sides = (
        lambda m: [[-m, 0], [-m, h]],
        lambda m: [[0, -m], [w, -m]],
        lambda m: [[w + m, 0], [w + m, h]],
        lambda m: [[0, h + m], [w, h + m]],
    )

    def largest(corners: Any) -> float:
        for step in _MARGIN_STEPS:
            points = np.array([corners(wanted * step)], dtype=np.float32)
            x, y = cv2.perspectiveTransform(points, to_image)[0].T
            if x.min() >= -0.5 and y.min() >= -0.5 and x.max() <= image_width and y.max() <= image_height:
                return float(wanted * step)
        return 0.0

    left, top, right, bottom = (largest(side) for side in sides)
    return left, top, right, bottom
