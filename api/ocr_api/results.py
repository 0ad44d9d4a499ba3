"""A test's images, worst first: an index of lines.jsonl, which may have tens of thousands of long lines.

The index holds where each image's line begins, its name, and its place in each order; what an answer shows is
read from the file. It is made when first asked for and again when another file has taken the name.
"""

import os
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from operator import add
from typing import BinaryIO, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr_api.files import Volume
from ocr_contract.volume import SCORE_BINS

MOST_IMAGES = 200_000
"""Of all indexes that are kept, some 200 bytes each; the one used last is kept whatever its size."""
_MOST_LINE_BYTES = 16 * 1024 * 1024
_READ_BYTES = 1024 * 1024
"""At once, when an index is made: several lines."""
_LINES = b',"lines":['
"""Where the long part of a line begins: within JSON's strings a quote has a backslash before it."""


class Sort(StrEnum):
    WORST = "worst"
    UNCERTAIN = "uncertain"
    NAME = "name"


class TestedImage(BaseModel):
    """What became of one image of a test."""

    __test__ = False
    model_config = ConfigDict(extra="ignore")

    file: str = Field(
        description="Its path within the folder: so `files` and `pictures` name it, too",
        examples=["receipts/017.jpg"],
    )
    width: int | None = Field(default=None, description="Pixels of the upright picture")
    height: int | None = None
    error: str | None = Field(default=None, description="Why it could not be read", examples=["is cut off"])
    known: bool = Field(description="Somebody has said what is in it, so it was measured")
    score: float | None = Field(description="The recogniser's lowest score of a found line")
    right: int = Field(ge=0, description="Lines found and read right")
    misread: int = Field(ge=0, description="Lines found and read wrong")
    missed: int = Field(ge=0, description="True lines that were not found")
    false: int = Field(ge=0, description="Found lines where there is none")


class Scores(BaseModel):
    """Lines found, by the recogniser's score: 20 bins of equal width over 0 to 1."""

    right: list[int]
    wrong: list[int] = Field(description="Misread, or where there is no line")
    unknown: list[int] = Field(description="Nobody has said what they are")


class Totals(BaseModel):
    images: int = 0
    right: int = 0
    misread: int = 0
    missed: int = 0
    false: int = 0


class _Head(TestedImage):
    scores: dict[str, list[int]] = Field(default={})

    @property
    def by_badness(self) -> tuple[bool, int, bool, float, str]:
        """Pictures that can't be read come first; of images without errors those that nobody has checked."""
        wrong = self.misread + self.missed + self.false
        return self.error is None, -wrong, self.known, self.by_doubt[1], self.file

    @property
    def by_doubt(self) -> tuple[bool, float, str]:
        return self.score is None, 2.0 if self.score is None else self.score, self.file


class Index(NamedTuple):
    files: list[str]
    places: "array[int]"
    """Where each image's line begins."""
    orders: "dict[Sort, array[int]]"
    """Positions in `files`."""
    totals: Totals
    scores: Scores


class Results:
    """Indexes of the files that were asked for last."""

    def __init__(self, volume: Volume, most_images: int = MOST_IMAGES) -> None:
        self._volume, self._most_images = volume, most_images
        self._kept: OrderedDict[str, tuple[tuple[int, int, int], Index]] = OrderedDict()
        """By path: the file's version and its index."""
        self._lock = threading.Lock()
        self._making = threading.Lock()
        """One is made at a time: a page asks for the same one several times at once."""

    @contextmanager
    def reading(self, path: str) -> Iterator[tuple[Index, BinaryIO] | None]:
        """The index and the very file that it is of; None where there is no file."""
        with self._volume.reading(path) as file:
            yield None if file is None else (self._index(path, file), file)

    def _index(self, path: str, file: BinaryIO) -> Index:
        found = os.fstat(file.fileno())
        version = (found.st_ino, found.st_size, found.st_mtime_ns)
        if (known := self._known(path, version)) is not None:
            return known
        with self._making:
            if (known := self._known(path, version)) is not None:
                return known
            index = index_of(file)
            self._keep(path, version, index)
        return index

    def _known(self, path: str, version: tuple[int, int, int]) -> Index | None:
        with self._lock:
            if path not in self._kept or self._kept[path][0] != version:
                return None
            self._kept.move_to_end(path)
            return self._kept[path][1]

    def _keep(self, path: str, version: tuple[int, int, int], index: Index) -> None:
        with self._lock:
            self._kept[path] = (version, index)
            self._kept.move_to_end(path)
            images = sum(len(kept.files) for _, kept in self._kept.values())
            while images > self._most_images and len(self._kept) > 1:
                _, (_, dropped) = self._kept.popitem(last=False)
                images -= len(dropped.files)


def index_of(file: BinaryIO) -> Index:
    """Read the file from its beginning; lines that are no image's are left out."""
    files: list[str] = []
    places = array("q")
    badness, doubt = [], []
    totals = dict.fromkeys(Totals.model_fields, 0)
    scores = {name: [0] * SCORE_BINS for name in Scores.model_fields}
    for place, head in _heads(file):
        files.append(head.file)
        places.append(place)
        badness.append(head.by_badness)
        doubt.append(head.by_doubt)
        _count(head, totals, scores)
    orders = {
        sort: array("L", sorted(range(len(files)), key=keys.__getitem__))
        for sort, keys in ((Sort.WORST, badness), (Sort.UNCERTAIN, doubt), (Sort.NAME, files))
    }
    return Index(files, places, orders, Totals(**totals), Scores(**scores))


def find(index: Index, sort: Sort, part: str) -> Sequence[int]:
    """Positions in `files` of the images in this order, those whose name holds `part` only."""
    order, part = index.orders[sort], part.casefold()
    return [n for n in order if part in index.files[n].casefold()] if part else order


def position_of(index: Index, name: str) -> int | None:
    """The image's position in `files`."""
    by_name = index.orders[Sort.NAME]
    at = bisect_left(by_name, name, key=index.files.__getitem__)
    if at == len(by_name) or index.files[by_name[at]] != name:
        return None
    return by_name[at]


def line_at(file: BinaryIO, place: int) -> bytes:
    """The whole line."""
    file.seek(place)
    return file.readline(_MOST_LINE_BYTES)


def image_at(file: BinaryIO, place: int) -> TestedImage | None:
    """What the line says of the image itself."""
    return _head(line_at(file, place))


def images_in(file: BinaryIO) -> Iterator[TestedImage]:
    """What each line says of its image; lines that are no image's are left out."""
    return (head for _, head in _heads(file))


def _heads(file: BinaryIO) -> Iterator[tuple[int, _Head]]:
    return ((place, head) for place, line in _lines(file) if (head := _head(line)) is not None)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line and where it begins; the parts of one that is too long are no lines of images."""
    place = 0
    with open(file.fileno(), "rb", buffering=_READ_BYTES, closefd=False) as whole:
        whole.seek(0)
        while line := whole.readline(_MOST_LINE_BYTES):
            yield place, line
            place += len(line)


def _head(line: bytes) -> _Head | None:
    cut = line.find(_LINES)
    try:
        return _Head.model_validate_json(line if cut < 0 else line[:cut] + b"}")
    except ValidationError:
        return None


def _count(head: _Head, totals: dict[str, int], scores: dict[str, list[int]]) -> None:
    totals["images"] += 1
    totals["right"] += head.right
    totals["misread"] += head.misread
    totals["missed"] += head.missed
    totals["false"] += head.false
    for name, counts in head.scores.items():
        if name in scores and len(counts) == SCORE_BINS:
            scores[name] = list(map(add, scores[name], counts))
