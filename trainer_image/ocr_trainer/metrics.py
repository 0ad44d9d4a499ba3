"""How good a reading is: texts found, texts found and read right.

A found text and a true one are a pair if they overlap by more than half of their union (IoU > .5), each in
one pair at most, as many pairs as can be. Found texts that lie mostly on a region nobody cares about count
neither way, nor do, for reading, those that pair with a text whose words aren't known. These are the figures
of mmocr's HmeanIOUMetric with strategy `max_matching`; its default `vanilla` pairs each true text with the
first found one that fits, which on overlapping texts may leave a pair out and so say less.

The recogniser's five figures are mmocr's (WordMetric, CharMetric), rewritten without torch.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from shapely import STRtree, area, intersection, make_valid, polygons

PAIR_IOU = 0.5
IGNORED_SHARE = 0.5
"""A found text of which more than this lies on a don't-care region is left out of account."""
_SYMBOLS = re.compile("[^A-Z^a-z^0-9^\u4e00-\u9fa5]")
"""What mmocr's metrics call symbols: all but Latin letters, digits, Chinese characters and, by slip, `^`."""


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

    def add(self, true: Sequence[Text], found: Sequence[Text]) -> "Pairing":
        """Count one image; returns who was paired with whom."""
        pairing = pair(true, found)
        cared, pairs, counted = pairing.cared, pairing.pairs, pairing.counted
        self.images += 1
        self._detection.true += len(cared)
        self._detection.found += len(counted)
        self._detection.hits += len(pairs)
        unknown = sum(cared[i].text is None for i, _ in pairs)
        readable = sum(t.text is not None for t in cared)
        for counts, same in ((self._exact, _same), (self._ignoring_case, _same_ignoring_case)):
            counts.true += readable
            counts.found += len(counted) - unknown
            counts.hits += sum(same(cared[i].text, found[j].text) for i, j in pairs)
        return pairing

    def detection(self) -> dict[str, float]:
        """precision, recall, hmean"""
        precision, recall, hmean = self._detection.figures()
        return {"precision": precision, "recall": recall, "hmean": hmean}

    def end_to_end(self) -> dict[str, float]:
        """precision, recall and f1 of texts that are found and read right; f1IgnoreCase"""
        precision, recall, f1 = self._exact.figures()
        ignoring = self._ignoring_case.figures()[2]
        return {"precision": precision, "recall": recall, "f1": f1, "f1IgnoreCase": ignoring}


@dataclass(frozen=True)
class Pairing:
    """Who was found, in one image."""

    cared: list[Text]
    """The true texts that count."""
    pairs: list[tuple[int, int]]
    """Indexes into `cared` and into the found texts."""
    counted: list[int]
    """Indexes of the found texts that count: all but those on don't-care regions."""


def pair(true: Sequence[Text], found: Sequence[Text]) -> Pairing:
    """Pair one image's true texts with what was found, don't-care regions left out."""
    cared = [text for text in true if not text.ignore]
    overlooked = _on_ignored([t.polygon for t in true if t.ignore], [f.polygon for f in found])
    counted = [j for j in range(len(found)) if not overlooked[j]]
    pairs = match([t.polygon for t in cared], [found[j].polygon for j in counted])
    return Pairing(cared, [(i, counted[j]) for i, j in pairs], counted)


@dataclass
class ReadingTally:
    """Counts over read texts, for the recogniser's five figures."""

    words: int = 0
    _same: int = 0
    _same_letters: int = 0
    _same_plain: int = 0
    _true_characters: int = 0
    _read_characters: int = 0
    _common: int = 0

    def add(self, true: str, read: str) -> None:
        """Count one text."""
        self.words += 1
        self._same += true == read
        true, read = true.lower(), read.lower()
        self._same_letters += true == read
        true, read = _SYMBOLS.sub("", true), _SYMBOLS.sub("", read)
        self._same_plain += true == read
        self._true_characters += len(true)
        self._read_characters += len(read)
        self._common += len(true) if true == read else _common_characters(true, read)

    def figures(self) -> dict[str, float]:
        """word_acc: the same text; ignoring case; ignoring case and symbols. char_recall, char_precision: of
        the true and of the read characters (without case and symbols), those in common blocks."""
        return {
            "word_acc": _share(self._same, self.words),
            "word_acc_ignore_case": _share(self._same_letters, self.words),
            "word_acc_ignore_case_symbol": _share(self._same_plain, self.words),
            "char_recall": _share(self._common, self._true_characters),
            "char_precision": _share(self._common, self._read_characters),
        }


def recognition_figures(pairs: Iterable[tuple[str, str]]) -> dict[str, float]:
    """The five figures over pairs of true and read text, 0 to 1, by mmocr's own definitions."""
    tally = ReadingTally()
    for true, read in pairs:
        tally.add(true, read)
    return tally.figures()


def _common_characters(true: str, read: str) -> int:
    """mmocr asks difflib in this order, and the order matters."""
    return sum(block.size for block in SequenceMatcher(None, read, true).get_matching_blocks())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def match(
    true: Sequence[npt.NDArray[np.float64]], found: Sequence[npt.NDArray[np.float64]]
) -> list[tuple[int, int]]:
    """Pairs (true, found): the most pairs there can be at IoU > .5, of those the best overlapping."""
    if not true or not found:
        return []
    iou = ious(shapes(true), shapes(found))
    # A pair counts 1 and its overlap breaks ties, so that the number of pairs comes first.
    worth = np.where(iou > PAIR_IOU, len(true) + iou, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if iou[i, j] > PAIR_IOU]


def _on_ignored(
    ignored: Sequence[npt.NDArray[np.float64]], found: Sequence[npt.NDArray[np.float64]]
) -> npt.NDArray[np.bool_]:
    if not ignored or not found:
        return np.zeros(len(found), dtype=bool)
    outlines = shapes(found)
    common = area(intersection(outlines[:, None], shapes(ignored)[None, :]))
    own = np.maximum(area(outlines), 1e-9)
    return np.asarray((common / own[:, None]).max(axis=1) > IGNORED_SHARE)


def ious(left: npt.NDArray[np.object_], right: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """(left, right): intersection over union of shapely's polygons; most of a page's are far apart."""
    common = np.zeros((len(left), len(right)))
    if common.size:
        i, j = STRtree(right).query(left, predicate="intersects")
        common[i, j] = area(intersection(left[i], right[j]))
    union = area(left)[:, None] + area(right)[None, :] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def shapes(outlines: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.object_]:
    """Outlines as shapely's polygons, crossing sides untangled."""
    return np.array([make_valid(polygons(np.asarray(outline))) for outline in outlines], dtype=object)


def _same(true: str | None, found: str | None) -> bool:
    return true is not None and true == found


def _same_ignoring_case(true: str | None, found: str | None) -> bool:
    return true is not None and found is not None and true.casefold() == found.casefold()
