"""COCO files as they come: lists or dictionaries, numbers or strings for ids, keys in any order.

Of an annotation only the image's id, its own id and its category are looked at here, and its place in the
file is kept: `texts` and `outlines` understand the rest, when its image's turn comes.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ocr_trainer.dataset.findings import Finding, Kind
from ocr_trainer.dataset.json_stream import Member, PlacedItems, encoding_of, read_members
from ocr_trainer.dataset.texts import identifier_of
from ocr_trainer.errors import BadData

_IMAGE_KEYS = ("images", "imgs")
_ANNOTATION_KEYS = ("annotations", "anns")
_CATEGORY_KEYS = ("categories", "cats")
_NAME_KEYS = ("file_name", "filename", "path", "coco_url", "name")
_NOBODYS, _ORPHAN = -1, -2

Places = npt.NDArray[np.int64]
"""(N, 3): number in the file, first byte and length of each annotation."""

NO_PLACES: Places = np.empty((0, 3), np.int64)


@dataclass(slots=True)
class ImageEntry:
    """One picture as an annotation file describes it."""

    file_name: str
    width: float | None = None
    height: float | None = None
    number: int = _NOBODYS
    """In its file; -1: it isn't used, or nobody looked for texts in it."""


@dataclass
class AnnotationFile:
    """A COCO file, read but for its annotations' insides."""

    path: Path
    name: str
    """Relative to the run's folder."""
    entries: list[ImageEntry] = field(default_factory=list)
    categories: dict[str, str] = field(default_factory=dict)
    """Names by id."""
    category_counts: Counter[str] = field(default_factory=Counter)
    """Annotations by category id."""
    keyed: bool = False
    """Dictionaries instead of lists: COCO-Text and TextOCR, where the text `.` means illegible."""
    encoding: str = "utf-8"
    findings: list[Finding] = field(default_factory=list)
    not_valid: list[str] = field(default_factory=list)
    """Names of images that the file marks as not to be used."""
    orphans: Places = field(default_factory=lambda: NO_PLACES)
    repeated_ids: Places = field(default_factory=lambda: NO_PLACES)
    _places: Places = field(default_factory=lambda: NO_PLACES)
    _bounds: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))

    def places(self, entry: ImageEntry) -> Places:
        """Where the image's annotations lie, in the file's order."""
        if entry.number == _NOBODYS:
            return self._places[:0]
        return self._places[self._bounds[entry.number] : self._bounds[entry.number + 1]]

    @property
    def annotations(self) -> int:
        """How many belong to an image."""
        return len(self._places)

    def reader(self) -> "AnnotationReader":
        return AnnotationReader(self.path, self.encoding, self.keyed)


class AnnotationReader:
    """Reads annotations from their places; one for each process."""

    def __init__(self, path: Path, encoding: str, keyed: bool) -> None:
        self._items = PlacedItems(path, encoding, keyed)

    def read(self, places: Places) -> Iterator[dict[str, Any]]:
        """The annotations; one without an id gets its number in the file, `#7`."""
        for number, start, length in places.tolist():
            annotation = self._items.read(start, length)
            annotation.setdefault("id", f"#{number + 1}")
            yield annotation

    def close(self) -> None:
        self._items.close()


def read(path: Path, name: str, advance: Callable[[int], None]) -> AnnotationFile | None:
    """Read the file; None if it isn't COCO: our own and other tools' JSON files lie about, too.

    advance: is told of bytes read. BadData where the file is broken or mixes up its images.
    """
    return _Reading(path, name).read(advance)


class _Reading:
    """A file while it is read: annotations may come before the images that they belong to."""

    def __init__(self, path: Path, name: str) -> None:
        self._file = AnnotationFile(path, name, encoding=encoding_of(path)[0])
        self._entries: dict[str, ImageEntry] = {}
        """By id; those of images that aren't used hold no number."""
        self._by_name: dict[str, ImageEntry] = {}
        self._unnamed: set[str] = set()
        self._image_ids: dict[str, int] = {}
        """The order in which annotations first name an image's id."""
        self._owners, self._starts, self._lengths, self._id_hashes = (array("q") for _ in range(4))

    def read(self, advance: Callable[[int], None]) -> AnnotationFile | None:
        found: set[str] = set()
        collections = {*_IMAGE_KEYS, *_ANNOTATION_KEYS, *_CATEGORY_KEYS}
        for member in read_members(self._file.path, self._file.name, collections, advance):
            if not member.item:
                if isinstance(member.value, list | dict):
                    found.add(member.collection)
                    if member.collection in _ANNOTATION_KEYS:
                        self._file.keyed = isinstance(member.value, dict)
            elif not isinstance(member.value, dict):
                self._malformed(member)
            elif member.collection in _IMAGE_KEYS:
                self._add_image(member.key, member.value)
            elif member.collection in _ANNOTATION_KEYS:
                self._add_annotation(member)
            else:
                identifier = identifier_of(member.value.get("id")) or member.key
                self._file.categories[identifier] = str(member.value.get("name", ""))
        if found.isdisjoint(_IMAGE_KEYS) or found.isdisjoint(_ANNOTATION_KEYS):
            return None
        self._join()
        return self._file

    def _malformed(self, member: Member) -> None:
        what = f"{self._file.name} holds {member.value!r:.40} among its {member.collection}"
        self._file.findings.append(Finding(Kind.MALFORMED_ENTRY, "", what, "left out"))

    def _add_image(self, key: str, image: dict[str, Any]) -> None:
        findings, name = self._file.findings, self._file.name
        file_name = next((str(image[k]) for k in _NAME_KEYS if image.get(k)), "")
        identifier = identifier_of(image.get("id")) or key or file_name
        if not file_name:
            what = f"{name} gives no file name for the image {identifier}"
            findings.append(Finding(Kind.UNNAMED_IMAGE, "", what, "left out"))
            self._entries.setdefault(identifier, ImageEntry(""))
            return
        if image.get("valid") is False:
            self._file.not_valid.append(file_name)
            findings.append(Finding(Kind.IMAGE_NOT_VALID, file_name, "it is marked as not valid", "left out"))
            self._entries.setdefault(identifier, ImageEntry(file_name))
            return
        known = self._entries.get(identifier)
        if known and known.file_name != file_name:
            raise BadData(
                f"{name} gives the image id {identifier} to {known.file_name or 'an image without a name'} "
                f"and to {file_name}: which texts belong to which image can't be told",
                reason="DuplicateImageId",
            )
        if known or file_name in self._by_name:
            self._entries[identifier] = known or self._by_name[file_name]
            what = f"{name} lists it more than once"
            findings.append(Finding(Kind.IMAGE_LISTED_TWICE, file_name, what, "taken as one"))
            return
        entry = ImageEntry(file_name, _number(image.get("width")), _number(image.get("height")))
        entry.number = len(self._file.entries)
        self._entries[identifier] = self._by_name[file_name] = entry
        self._file.entries.append(entry)

    def _add_annotation(self, member: Member) -> None:
        annotation = member.value
        image_id = identifier_of(annotation.get("image_id"))
        self._owners.append(self._image_ids.setdefault(image_id, len(self._image_ids)))
        self._starts.append(member.start)
        self._lengths.append(member.length)
        identifier = identifier_of(annotation.get("id")) or member.key
        # One without an id is no other's double: its place is its own.
        self._id_hashes.append(hash(identifier or member.start))
        self._file.category_counts[identifier_of(annotation.get("category_id"))] += 1

    def _join(self) -> None:
        """Sort the annotations by their images; set the others apart."""
        file = self._file
        numbers = np.array([self._number_of(image_id) for image_id in self._image_ids], dtype=np.int64)
        owners = numbers[np.array(self._owners, np.int64)] if len(numbers) else np.empty(0, np.int64)
        places = np.stack(
            [np.arange(len(owners)), np.array(self._starts, np.int64), np.array(self._lengths, np.int64)],
            axis=1,
        )
        order = np.argsort(owners, kind="stable")
        file.orphans = places[owners == _ORPHAN]
        used = order[int(np.searchsorted(owners[order], 0)) :]
        file._places = places[used]
        file._bounds = np.searchsorted(owners[used], np.arange(len(file.entries) + 1))
        first_of_its_id = np.unique(np.array(self._id_hashes, np.int64), return_index=True)[1]
        repeated = np.ones(len(owners), bool)
        repeated[first_of_its_id] = False
        file.repeated_ids = places[repeated & (owners >= 0)]

    def _number_of(self, image_id: str) -> int:
        entry = self._entries.get(image_id)
        return entry.number if entry else _ORPHAN


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None
