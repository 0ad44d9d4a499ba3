"""One image and its annotations, checked: what of it can be used, and a finding for everything else.

A `Checker` reads nothing but its files and writes none, so that many processes each hold one.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.dataset import as_written, crops, likeness, outlines, pictures
from ocr_trainer.dataset.coco import AnnotationFile, AnnotationReader, ImageEntry, Places
from ocr_trainer.dataset.findings import Finding, Kind
from ocr_trainer.dataset.texts import LONGEST_TEXT, TextRules, category_of, clean

_NAMED = 80
"""Characters of a text that a finding quotes."""


@dataclass(frozen=True)
class Source:
    """What an annotation file's entries have in common."""

    path: Path
    encoding: str
    keyed: bool
    rules: TextRules
    categories: dict[str, str]
    left_out: frozenset[str]
    """Categories that don't train."""

    @classmethod
    def of(cls, file: AnnotationFile, rules: TextRules, left_out: frozenset[str]) -> "Source":
        return cls(file.path, file.encoding, file.keyed, rules, file.categories, left_out)

    def reader(self) -> AnnotationReader:
        return AnnotationReader(self.path, self.encoding, self.keyed)


@dataclass(frozen=True, slots=True)
class Task:
    """An image to check."""

    path: str
    """Relative to the run's folder."""
    entry: ImageEntry
    source: int | None
    """Which source annotates it; None: nobody looked for texts in it (a test image without truth)."""
    places: Places
    with_lines: bool
    """Whether lines are cut out for the recogniser."""


@dataclass
class CheckedImage:
    """What is left of an image, ready to be written."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    content_hash: str = ""
    usable: bool = False
    width: int = 0
    height: int = 0
    instances: list[str] = field(default_factory=list)
    """MMOCR's instances as JSON."""
    lines: list[tuple[bytes, bytes]] = field(default_factory=list)
    """JPEG and label (JSON) of each line cut out."""
    texts: list[str] = field(default_factory=list)
    """The lines' texts."""
    heights: list[float] = field(default_factory=list)
    """Pixels: of the texts that the detector shall find."""
    vertical: int = 0
    """How many of them are read downwards."""
    look: bytes = b""
    """What the picture looks like (`likeness`)."""
    rewritten: bytes | None = None
    """The picture made upright and plain, where the file as it is would be read differently by others."""

    @property
    def words(self) -> int:
        return len(self.lines)


class Checker:
    """Reads, checks, repairs and cuts one image after another."""

    def __init__(self, root: Path, sources: list[Source]) -> None:
        self._root, self._sources = root, sources
        self._readers: dict[int, AnnotationReader] = {}

    def check(self, task: Task) -> CheckedImage:
        checked = CheckedImage(task.path)
        try:
            raw = (self._root / task.path).read_bytes()
            picture = pictures.read(raw)
        except OSError as error:
            what = f"can't be opened: {error.strerror}"
            checked.findings.append(Finding(Kind.UNREADABLE_IMAGE, task.path, what, "left out"))
            return checked
        except pictures.UnreadablePicture as error:
            checked.findings.append(Finding(Kind.UNREADABLE_IMAGE, task.path, str(error), "left out"))
            return checked
        checked.content_hash = hashlib.sha256(raw).hexdigest()
        checked.width, checked.height = picture.width, picture.height
        checked.look = likeness.look(picture.pixels)
        try:
            self._add_texts(checked, task, picture)
        except pictures.WrongSize as error:
            checked.findings.append(Finding(Kind.WRONG_SIZE, task.path, str(error), "left out"))
            return checked
        if not picture.plain:
            checked.rewritten = crops.encode(picture.pixels)
            if picture.orientation != 1:
                what = f"EXIF orientation {picture.orientation}"
                checked.findings.append(Finding(Kind.TURNED_IMAGE, task.path, what, "turned upright"))
        checked.usable = True
        return checked

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()

    def _add_texts(self, checked: CheckedImage, task: Task, picture: pictures.Picture) -> None:
        if task.source is None:
            return
        source = self._sources[task.source]
        if task.source not in self._readers:
            self._readers[task.source] = source.reader()
        page = _Page(checked, task, picture, source)
        for annotation in self._readers[task.source].read(task.places):
            page.add(annotation)
        if page.moved:
            what = "annotated at another size or turned"
            checked.findings.append(Finding(Kind.OUTLINES_MOVED, task.path, what, page.moved))


@dataclass
class _Page:
    """An image while its annotations are added."""

    checked: CheckedImage
    task: Task
    picture: pictures.Picture
    source: Source
    moved: str = ""
    """How outlines had to be moved."""
    _seen: set[tuple[bytes, str]] = field(default_factory=set)

    def add(self, annotation: dict[str, Any]) -> None:
        """Check an annotation; WrongSize if the sizes of picture and annotation file don't agree."""
        identifier = str(annotation["id"])

        def note(kind: Kind, what: str, done: str) -> None:
            polygon = self._as_written(annotation)
            self.checked.findings.append(Finding(kind, self.task.path, what, done, identifier, polygon))

        category = category_of(annotation, self.source.categories)
        written = self.source.rules.read(annotation)
        text = clean(written)
        ignore = self.source.rules.is_ignored(annotation, text, category)
        if not ignore and category in self.source.left_out:
            return
        points = outlines.read(annotation)
        if points is None:
            note(Kind.NO_OUTLINE, "neither polygon nor box can be read", "left out")
            return
        points, self.moved = self._fit(points)
        outline = outlines.sound(points, self.picture.width, self.picture.height)
        if outline is None:
            note(Kind.DEGENERATE_OUTLINE, "the outline has no area inside the picture", "left out")
            return
        key = (outline.points.round(1).tobytes(), text)
        if key in self._seen:
            note(Kind.DUPLICATE, "same outline and text as another", "left out")
            return
        self._seen.add(key)
        for repair in outline.repairs:
            note(Kind.OUTLINE, "the outline was not sound", repair)
        if text != written:
            quoted = json.dumps(written[:_NAMED], ensure_ascii=False)
            note(Kind.TEXT, f"{quoted} is not one clean line", f"taken as {text[:_NAMED]!r}")
        self._add_instance(outline.points, "" if ignore else text, ignore)
        if not ignore:
            self._add_line(outline.points, text, note)

    def _fit(self, points: outlines.Points) -> tuple[outlines.Points, str]:
        return pictures.fit_outline(points, self.picture, self.task.entry.width, self.task.entry.height)

    def _as_written(self, annotation: dict[str, Any]) -> as_written.Rings:
        try:
            return as_written.drawn(annotation, lambda points: self._fit(points)[0])
        except pictures.WrongSize:  # nobody can tell where in this picture it lies
            return ()

    def _add_instance(self, points: outlines.Points, text: str, ignore: bool) -> None:
        corners = np.concatenate([points.min(axis=0), points.max(axis=0)])
        instance = {
            "polygon": points.round(2).ravel().tolist(),
            "bbox": corners.round(2).tolist(),
            "bbox_label": 0,
            "ignore": ignore,
            "text": text,
        }
        self.checked.instances.append(json.dumps(instance, ensure_ascii=False))

    def _add_line(self, points: outlines.Points, text: str, note: Callable[[Kind, str, str], None]) -> None:
        height, vertical = crops.line_height(points, len(text) or None)
        self.checked.heights.append(height)
        self.checked.vertical += vertical
        if not text:
            note(Kind.NO_TEXT, "has no text and isn't marked as illegible", "for the detector only")
            return
        if len(text) > LONGEST_TEXT:
            what = f"the text has {len(text)} characters, a recogniser holds {LONGEST_TEXT}"
            note(Kind.TEXT_TOO_LONG, what, "for the detector only")
            return
        if not self.task.with_lines:
            return
        crop = crops.rectify(self.picture.pixels, points, characters=len(text))
        assert crop, "a sound outline is two pixels wide and high"
        rows, columns = crop.image.shape[:2]
        label = {"text": text, "box": list(crop.box), "width": columns, "height": rows}
        self.checked.lines.append((crops.encode(crop.image), json.dumps(label, ensure_ascii=False).encode()))
        self.checked.texts.append(text)
