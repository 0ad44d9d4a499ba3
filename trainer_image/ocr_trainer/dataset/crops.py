"""One line of text cut out of a picture and laid flat, with a margin around it.

Training, validation and reading use this one function: a recogniser that was trained on tight crops loses a
quarter of the words when a detector's boxes are a little wider. The margin is stored, so that training can
choose another padding each time.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

MARGIN = 0.6
"""Stored around a line, in its heights, where the picture has it."""
TALLEST = 96
"""Pixels: a taller line is stored smaller, no recogniser looks at more."""
_VERTICAL_RATIO = 1.5
_VERTICAL_RATIO_UNREAD = 2.0
"""Where the text isn't known: a single narrow character must not be turned."""
_NEARLY_VERTICAL_DEGREES = 65.0
_TILT = 0.6
"""Of its height that a line's end may be off its level and still be cut out upright: a found box is often
tilted by chance, which costs more letters than a real tilt this small."""
_MARGIN_STEPS = tuple(step / 7 for step in range(7, -1, -1))


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
    points = polygon if len(polygon) == 4 else cv2.boxPoints(cv2.minAreaRect(polygon.astype(np.float32)))
    # Plain floats: for four corners numpy's calls cost ten times what they compute.
    quad: list[list[float]] = points.tolist()
    if signed_area(quad) < 0:
        quad.reverse()
    sides = [(quad[i - 3][0] - quad[i][0], quad[i - 3][1] - quad[i][1]) for i in range(4)]
    lengths = [math.hypot(*side) for side in sides]
    first, second = lengths[0] + lengths[2], lengths[1] + lengths[3]
    ratio = max(first, second) / max(min(first, second), 1e-6)
    longest = (0, 2) if first >= second else (1, 3)
    limit = _VERTICAL_RATIO_UNREAD if characters is None else _VERTICAL_RATIO
    downwards = False
    if ratio > limit and characters != 1:
        x, y = sides[longest[0]]
        downwards = math.degrees(math.atan2(abs(y), abs(x))) > _NEARLY_VERTICAL_DEGREES
        start = max(longest, key=lambda i: sides[i][int(downwards)])
    else:
        start = max(range(4), key=lambda i: sides[i][0] / max(lengths[i], 1e-6))
    return np.array(quad[start:] + quad[:start], dtype=np.float64), downwards


def signed_area(quad: list[list[float]]) -> float:
    """Positive when clockwise on screen, where y grows downwards."""
    return sum(quad[i - 1][0] * quad[i][1] - quad[i - 1][1] * quad[i][0] for i in range(len(quad))) / 2


def line_height(polygon: Points, characters: int | None = None) -> tuple[float, bool]:
    """The line's height across its reading direction, in pixels, and whether it is read downwards."""
    quad, downwards = reading_quad(polygon, characters)
    return float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2, downwards


def rectify(
    image: Image, polygon: Points, *, characters: int | None = None, margin: float = MARGIN
) -> Crop | None:
    """The line laid flat with up to `margin` of its height on each side; None if nothing is left of it."""
    quad = _upright(reading_quad(polygon, characters)[0])
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


def _upright(quad: Points) -> Points:
    """The rectangle around a line that lies almost level; others as they are."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.tolist()
    room = _TILT * min(y3 - y0, y2 - y1)
    if max(abs(y1 - y0), abs(y2 - y3), abs(x3 - x0), abs(x2 - x1)) > room:
        return quad
    left, right, top, bottom = min(x0, x3), max(x1, x2), min(y0, y1), max(y2, y3)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def encode(image: Image) -> bytes:
    """JPEG without colour subsampling: lines are ten pixels high, their colours must not smear."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    encoded: Any = cv2.imencode(".jpg", image, parameters)[1]
    return bytes(encoded.tobytes())


def _margins(
    to_image: Any, w: int, h: int, wanted: float, image_width: int, image_height: int
) -> tuple[float, float, float, float]:
    """left, top, right, bottom in pixels of the flat line: as much of `wanted` as the picture holds."""
    sides: tuple[Callable[[float], list[list[float]]], ...] = (
        lambda m: [[-m, 0], [-m, h]],
        lambda m: [[0, -m], [w, -m]],
        lambda m: [[w + m, 0], [w + m, h]],
        lambda m: [[0, h + m], [w, h + m]],
    )

    def fits(corners: list[list[float]]) -> bool:
        points = cv2.perspectiveTransform(np.array([corners], dtype=np.float32), to_image)[0].tolist()
        return all(-0.5 <= x <= image_width and -0.5 <= y <= image_height for x, y in points)

    def largest(corners: Callable[[float], list[list[float]]]) -> float:
        return next((wanted * step for step in _MARGIN_STEPS if fits(corners(wanted * step))), 0.0)

    if fits([corner for side in sides for corner in side(wanted)]):  # most lines lie well inside
        return wanted, wanted, wanted, wanted
    left, top, right, bottom = (largest(side) for side in sides)
    return left, top, right, bottom
