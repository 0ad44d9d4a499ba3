"""Pictures as people upload them, made upright 8-bit colour; what can't be read says why.

Pillow decodes, because it tells a truncated file from a whole one; OpenCV fills the rest with grey.
"""

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

_ORIENTATION_TAG = 0x0112
_PLAIN_FORMATS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "TIFF"})
_PLAIN_MODES = frozenset({"RGB", "L"})
_SIDE = 65_000
"""Pixels: no annotation page shows more, and OpenCV ends there."""

_UPRIGHT: dict[int, Callable[[npt.NDArray[np.float64], int, int], list[npt.NDArray[np.float64]]]] = {
    5: lambda p, _w, _h: [p[:, 1], p[:, 0]],
    6: lambda p, _w, h: [h - p[:, 1], p[:, 0]],
    7: lambda p, w, h: [h - p[:, 1], w - p[:, 0]],
    8: lambda p, w, _h: [p[:, 1], w - p[:, 0]],
}


class UnreadablePicture(Exception):
    """Why a file can't be used as a picture, in words that follow its name."""


class WrongSize(ValueError):
    """The annotation file says another size than the picture's, which no turning or scaling explains."""


@dataclass(frozen=True)
class Picture:
    pixels: npt.NDArray[np.uint8]
    """(height, width, 3), blue first, upright."""
    orientation: int
    """The EXIF orientation that the file had; 1: it was upright."""
    plain: bool
    """Whether every reader sees these very pixels in the file as it is."""

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def read(raw: bytes) -> Picture:
    """Decode, or UnreadablePicture."""
    if not raw:
        raise UnreadablePicture("is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(raw))
            kind = image.format or ""
            if max(image.size) > _SIDE:
                raise UnreadablePicture(f"is too large ({image.width} x {image.height} pixels)")
            image.load()
            orientation = int(image.getexif().get(_ORIENTATION_TAG, 1) or 1)
            plain = kind in _PLAIN_FORMATS and image.mode in _PLAIN_MODES and orientation == 1
            plain = plain and "transparency" not in image.info
            upright = _as_rgb(image if orientation == 1 else ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise UnreadablePicture("is no picture that can be read") from None
    except Image.DecompressionBombError as error:
        raise UnreadablePicture(f"is too large: {error}") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError, struct.error) as error:
        reason = "is cut off" if "truncated" in str(error).lower() else f"can't be decoded: {error}"
        raise UnreadablePicture(reason) from None
    pixels = np.asarray(cv2.cvtColor(np.asarray(upright), cv2.COLOR_RGB2BGR), np.uint8)
    return Picture(pixels, orientation if orientation in range(1, 9) else 1, plain)


def fit_outline(
    points: npt.NDArray[np.float64], picture: Picture, width: float | None, height: float | None
) -> tuple[npt.NDArray[np.float64], str]:
    """Points annotated on a picture of `width` x `height`, moved to the upright one, and what that took.

    WrongSize if the annotated size can't be this picture's.
    """
    real_w, real_h = picture.width, picture.height
    if width is None or height is None or (width, height) == (real_w, real_h):
        return points, ""
    turned = _UPRIGHT.get(picture.orientation)
    if turned and _same_shape(width, height, real_h, real_w):
        scaled = points * [real_h / width, real_w / height]
        return np.stack(turned(scaled, real_h, real_w), axis=1), "turned upright with its picture"
    if _same_shape(width, height, real_w, real_h):
        return points * [real_w / width, real_h / height], f"scaled from {width:g} x {height:g}"
    raise WrongSize(f"the annotation file says {width:g} x {height:g} pixels, it has {real_w} x {real_h}")


def _same_shape(width: float, height: float, real_w: int, real_h: int) -> bool:
    """Equal sides up to one scale, within what rounding to whole pixels can do."""
    scale = real_w / width
    return abs(height * scale - real_h) <= max(1.0 + scale, 0.01 * real_h)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layers = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layers).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
