"""What a model gets wrong, counted: which lines a detector misses, which characters a recogniser mistakes.

Counts tell what to do next: small lines missed ask for larger pages, merged ones for a lower threshold,
characters mistaken for each other for more examples of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from shapely import area, intersection

from ocr_trainer.metrics import Pairing, Text, shapes

_COVERED = 0.5
"""A missed line that a found one covers by this share was seen, but not as a line of its own."""
_MISSED = ("not seen", "found in part", "inside a longer box")
_FALSE = ("on no text", "on text")
_HEIGHTS = (8, 12, 16, 24, 40)
_LENGTHS = (2, 8, 16, 30)


@dataclass
class DetectorErrors:
    """Missed and false lines over the images of a set."""

    _missed: Counter[str] = field(default_factory=Counter)
    _false: Counter[str] = field(default_factory=Counter)
    _by_height: dict[str, list[int]] = field(default_factory=lambda: _classes(_HEIGHTS))
    _by_length: dict[str, list[int]] = field(default_factory=lambda: _classes(_LENGTHS))

    def add(self, pairing: Pairing, found: Sequence[Text]) -> None:
        """Count one image."""
        hit, used = {i for i, _ in pairing.pairs}, {j for _, j in pairing.pairs}
        for index, text in enumerate(pairing.cared):
            classes = [self._by_height[_class_of(height(text.polygon), _HEIGHTS)]]
            if text.text:
                classes.append(self._by_length[_class_of(len(text.text), _LENGTHS)])
            for counts in classes:
                counts[0] += index not in hit
                counts[1] += 1
        missed = [i for i in range(len(pairing.cared)) if i not in hit]
        false = [j for j in pairing.counted if j not in used]
        if missed or false:
            self._tell_apart(pairing, found, missed, false)

    def _tell_apart(
        self, pairing: Pairing, found: Sequence[Text], missed: list[int], false: list[int]
    ) -> None:
        true_shapes = shapes([t.polygon for t in pairing.cared])
        found_shapes = shapes([f.polygon for f in found])
        common = area(intersection(true_shapes[:, None], found_shapes[None, :]))
        of_true = common / np.maximum(area(true_shapes), 1e-9)[:, None]
        of_found = common / np.maximum(area(found_shapes), 1e-9)[None, :]
        for i in missed:
            if of_true[i].max(initial=0.0) > _COVERED:
                self._missed[_MISSED[2]] += 1
            else:
                self._missed[_MISSED[int(of_true[i].sum() > _COVERED)]] += 1
        for j in false:
            self._false[_FALSE[int(of_found[:, j].sum() > _COVERED)]] += 1

    def document(self) -> dict[str, Any]:
        """missed and false by kind; missed of all by height in pixels and by length in characters"""
        return {
            "missed": {kind: self._missed[kind] for kind in _MISSED},
            "false": {kind: self._false[kind] for kind in _FALSE},
            "missedByHeight": _table(self._by_height),
            "missedByLength": _table(self._by_length),
        }


@dataclass
class CharacterErrors:
    """Which characters are read for which, over pairs of true and read text."""

    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, true: str, read: str) -> None:
        """Count one text by its shortest way of edits."""
        for edit in Levenshtein.editops(true, read):
            self._counts[
                true[edit.src_pos] if edit.tag != "insert" else "",
                read[edit.dest_pos] if edit.tag != "delete" else "",
            ] += 1

    def document(self, most: int = 20) -> list[dict[str, Any]]:
        """The most frequent: true is empty for a character too many, read for one left out."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [{"true": true, "read": read, "count": count} for (true, read), count in ranked[:most]]


def height(polygon: npt.NDArray[np.float64]) -> float:
    """Pixels of a line's shorter side."""
    return float(min(cv2.minAreaRect(polygon.astype(np.float32))[1]))


def _classes(limits: Sequence[int]) -> dict[str, list[int]]:
    names = [f"{low}-{high}" for low, high in zip((0, *(n + 1 for n in limits)), limits, strict=False)]
    return {name: [0, 0] for name in (*names, f"{limits[-1] + 1}-")}


def _class_of(value: float, limits: Sequence[int]) -> str:
    position = sum(value > limit for limit in limits)
    return list(_classes(limits))[position]


def _table(classes: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    return {name: {"missed": missed, "of": of} for name, (missed, of) in classes.items() if of}
