"""How good a reading is: texts found, texts found and read right.

A found text and a true one are a pair if they overlap by more than half of their union (IoU > .5), each in
one pair at most, as many pairs as can be. Found texts that lie mostly on a region nobody cares about count
neither way, nor do, for reading, those that pair with a text whose words aren't known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from shapely import area, intersection, make_valid, polygons

PAIR_IOU = 0.5
IGNORED_SHARE = 0.5
"""A found text of which more than this lies on a don't-care region is left out of account."""


@dataclass(frozen=True)
class Text:
    """A text in a picture, true or found."""

    polygon: npt.NDArray[np.float64]
    """(N, 2)"""
    text: str | None = None
    """None: not known."""
    ignore: bool = False
    """True texts only: nobody cares whether it is found."""


@dataclass
class _Counts:
    true: int = 0
    found: int = 0
    hits: int = 0

    def figures(self) -> tuple[float, float, float]:
        """precision, recall and their harmonic mean 2PR/(P+R); 0 where there is nothing to divide by."""
        precision = self.hits / self.found if self.found else 0.0
        recall = self.hits / self.true if self.true else 0.0
        total = precision + recall
        return precision, recall, 2 * precision * recall / total if total else 0.0


@dataclass
class Tally:
    """Counts over the images of a set."""

    images: int = 0
    _detection: _Counts = field(default_factory=_Counts)
    _exact: _Counts = field(default_factory=_Counts)
    _ignoring_case: _Counts = field(default_factory=_Counts)

    def add(self, true: Sequence[Text], found: Sequence[Text]) -> None:
        """Count one image."""
        self.images += 1
        cared = [text for text in true if not text.ignore]
        pairs = match([t.polygon for t in cared], [f.polygon for f in found])
        paired = {j for _, j in pairs}
        overlooked = _on_ignored([t.polygon for t in true if t.ignore], [f.polygon for f in found])
        counted = [j for j in range(len(found)) if j in paired or not overlooked[j]]
        self._detection.true += len(cared)
        self._detection.found += len(counted)
        self._detection.hits += len(pairs)
        unknown = [(i, j) for i, j in pairs if cared[i].text is None]
        readable = sum(t.text is not None for t in cared)
        for counts, same in ((self._exact, _same), (self._ignoring_case, _same_ignoring_case)):
            counts.true += readable
            counts.found += len(counted) - len(unknown)
            counts.hits += sum(same(cared[i].text, found[j].text) for i, j in pairs)

    def detection(self) -> dict[str, float]:
        """precision, recall, hmean"""
        precision, recall, hmean = self._detection.figures()
        return {"precision": precision, "recall": recall, "hmean": hmean}

    def end_to_end(self) -> dict[str, float]:
        """precision, recall and f1 of texts that are found and read right; f1IgnoreCase"""
        precision, recall, f1 = self._exact.figures()
        ignoring = self._ignoring_case.figures()[2]
        return {"precision": precision, "recall": recall, "f1": f1, "f1IgnoreCase": ignoring}


def match(
    true: Sequence[npt.NDArray[np.float64]], found: Sequence[npt.NDArray[np.float64]]
) -> list[tuple[int, int]]:
    """Pairs (true, found): the most pairs there can be at IoU > .5, of those the best overlapping."""
    if not true or not found:
        return []
    left, right = _shapes(true), _shapes(found)
    common = area(intersection(left[:, None], right[None, :]))
    union = area(left)[:, None] + area(right)[None, :] - common
    iou = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    # A pair counts 1 and its overlap breaks ties, so that the number of pairs comes first.
    worth = np.where(iou > PAIR_IOU, len(true) + iou, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if iou[i, j] > PAIR_IOU]


def _on_ignored(
    ignored: Sequence[npt.NDArray[np.float64]], found: Sequence[npt.NDArray[np.float64]]
) -> npt.NDArray[np.bool_]:
    if not ignored or not found:
        return np.zeros(len(found), dtype=bool)
    shapes = _shapes(found)
    common = area(intersection(shapes[:, None], _shapes(ignored)[None, :]))
    own = np.maximum(area(shapes), 1e-9)
    return np.asarray((common / own[:, None]).max(axis=1) > IGNORED_SHARE)


def _shapes(outlines: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.object_]:
    return np.array([make_valid(polygons(np.asarray(outline))) for outline in outlines], dtype=object)


def _same(true: str | None, found: str | None) -> bool:
    return true is not None and true == found


def _same_ignoring_case(true: str | None, found: str | None) -> bool:
    return true is not None and found is not None and true.casefold() == found.casefold()
