"""How a line of text becomes a picture for the recogniser: the one rule for training and testing alike."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_trainer.dataset.crops import Crop

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class LineShape:
    """`reading` of a recogniser's configuration.

    A picture is `height` pixels high and as wide as `squeeze` times the line's aspect asks for, rounded up to
    a multiple of `step`, `widest` at most: lines of one width make a batch without padding.
    """

    height: int
    step: int
    widest: int
    squeeze: float
    pad_x: float
    """Kept left and right of the text, in its heights."""
    pad_y: float

    def bucket(self, text_width: float, text_height: float) -> int:
        """The picture's width in pixels for a text of that size."""
        return int(self.buckets(np.array(text_width), np.array(text_height)))

    def buckets(
        self,
        text_widths: NDArray[Any],
        text_heights: NDArray[Any],
        stretch: float | NDArray[np.float64] = 1.0,
    ) -> NDArray[np.int64]:
        """The same for many texts at once."""
        pads = 2 * self.pad_x * text_heights
        aspects = (text_widths + pads) / np.maximum(text_heights * (1 + 2 * self.pad_y), 1.0)
        return self._widths(aspects * stretch)

    def width_of(self, line: Image) -> int:
        """The picture's width for a line that is cut out already, its padding included."""
        height, width = line.shape[:2]
        return int(self._widths(np.array(width / height)))

    def _widths(self, aspects: NDArray[np.float64]) -> NDArray[np.int64]:
        steps = np.ceil(aspects * self.height * self.squeeze / self.step)
        return np.asarray(np.minimum(np.maximum(steps, 1) * self.step, self.widest), np.int64)

    def cut(self, crop: Crop, shares: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)) -> Image:
        """The line with its padding; `shares`: of the padding left, top, right, bottom (< 0: cuts in)."""
        x0, y0, x1, y1 = crop.box
        text_height = y1 - y0
        height, width = crop.image.shape[:2]
        left = max(0, min(round(x0 - shares[0] * self.pad_x * text_height), width - 2))
        top = max(0, min(round(y0 - shares[1] * self.pad_y * text_height), height - 2))
        right = min(width, round(x1 + shares[2] * self.pad_x * text_height))
        bottom = min(height, round(y1 + shares[3] * self.pad_y * text_height))
        return crop.image[top : max(bottom, top + 2), left : max(right, left + 2)]

    def resize(self, line: Image, width: int) -> Image:
        """(height, width, 3)"""
        smooth = cv2.INTER_AREA if line.shape[0] > self.height else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(line, (width, self.height), interpolation=smooth), np.uint8)


def lines_in_batch(batch_size: int, median_width: float, width: int) -> int:
    """How many lines of `width` make a batch of about as many pixels as `batch_size` of the median width.

    Never fewer than four where `batch_size` allows it: batch norm needs them.
    """
    return max(min(4, batch_size), int(batch_size * median_width / width))
