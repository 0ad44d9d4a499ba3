"""COCO's run-length masks, as lists of counts or as its packed strings."""

from typing import Any

import numpy as np
import numpy.typing as npt


def decode(segmentation: dict[str, Any]) -> npt.NDArray[np.uint8] | None:
    """(height, width) of 0 and 1; None if counts and size don't agree."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if isinstance(counts, str):
        counts = _unpack(counts)
    if not (isinstance(size, list) and len(size) == 2 and isinstance(counts, list)):
        return None
    try:
        height, width = int(size[0]), int(size[1])
        runs = np.asarray(counts, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return None
    if runs.ndim != 1 or (runs < 0).any() or runs.sum() != height * width or height < 1:
        return None
    values = np.arange(len(runs)) % 2
    return np.repeat(values, runs).astype(np.uint8).reshape(width, height).T.copy()


def _unpack(packed: str) -> list[int] | None:
    """pycocotools' packing: five bits a character, little end first, every count but the first three a
    difference to the last but one."""
    counts: list[int] = []
    position = 0
    while position < len(packed):
        value, shift, more = 0, 0, True
        while more:
            if position >= len(packed):
                return None
            code = ord(packed[position]) - 48
            if not 0 <= code < 64:
                return None
            value |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            position += 1
            shift += 5
            if not more and code & 0x10:
                value |= -1 << shift
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
    return counts
