"""lines.jsonl as the trainer's test stage writes it, from a few words for each image."""

from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.metrics import Text, pair
from ocr_trainer.testing.images import TestImage as Image
from ocr_trainer.testing.lines import line_of
from ocr_trainer.testing.results import Kept

Found = tuple[str, float]
"""What was read, and the recogniser's score."""


def image_line(name: str, *lines: tuple[str | None, Found | None], known: bool = True) -> bytes:
    """One image, its lines below each other: what each says, and what was found of it.

    None: there is no line, or it was missed.
    """
    entry: dict[str, Any] = {"file": name, "width": 400, "height": 300, "instances": []}
    found, true = [], []
    for row, (says, read) in enumerate(lines):
        outline = np.array([[0, 20 * row], [90, 20 * row], [90, 20 * row + 10], [0, 20 * row + 10]], float)
        if says is not None:
            true.append(Text(outline, says))
        if read is not None:
            found.append(Text(outline, read[0]))
            line = {"polygon": outline.ravel().tolist(), "text": read[0], "detectionScore": 0.9}
            entry["instances"].append(line | {"recognitionScore": read[1]})
    kept = Kept(Image(name, Path(name)), entry, found, true if known else None)
    return line_of(kept, pair(true, found) if known else None)


def unreadable_line(name: str, why: str) -> bytes:
    """An image that is none."""
    return line_of(Kept(Image(name, Path(name)), {"file": name, "error": why, "instances": []}, []), None)
