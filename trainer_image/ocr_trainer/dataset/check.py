"""One image and its annotations, checked: what of it can be used, and a finding for everything else.

`check` is pure but for reading the file, so that many run side by side in threads: decoding, warping and
encoding leave Python's lock alone.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_trainer.dataset import crops, outlines, pictures
from ocr_trainer.dataset.coco import ImageEntry
from ocr_trainer.dataset.findings import Finding, Severity
from ocr_trainer.dataset.texts import TextRules, category_of, clean


@dataclass(frozen=True)
class Task:
    """What is to be checked."""

    entry: ImageEntry
    path: str
    """Relative to the run's folder."""
    rules: TextRules
    category_names: dict[str, str]
    textless_categories: frozenset[str]
    """Categories that never carry text while others do: tables, logos; nothing to train on."""
    with_lines: bool
    """Whether lines are cut out for the recogniser."""


@dataclass(frozen=True)
class CheckedText:
    points: outlines.Points
    text: str
    ignore: bool


@dataclass
class CheckedImage:
    path: str
    findings: list[Finding] = field(default_factory=list)
    content_hash: str = ""
    usable: bool = False
    annotated: bool = True
    width: int = 0
    height: int = 0
    texts: list[CheckedText] = field(default_factory=list)
    lines: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)
    """JPEG bytes and label of each line cut out."""
    rewritten: bytes | None = None
    """The picture made upright and plain, where the file as it is would be read differently by others."""

    @property
    def words(self) -> int:
        return len(self.lines)


def check(root: Path, task: Task) -> CheckedImage:
    """Read, check, repair, cut."""
    checked = CheckedImage(task.path, annotated=task.entry.annotations is not None)

    def add(severity: Severity, kind: str, what: str, done: str, annotation: str = "") -> None:
        checked.findings.append(Finding(severity, kind, task.path, what, done, annotation))

    try:
        raw = (root / task.path).read_bytes()
        picture = pictures.read(raw)
    except OSError as error:
        add(Severity.ERROR, "unreadable-image", f"can't be opened: {error.strerror}", "left out")
        return checked
    except pictures.UnreadablePicture as error:
        add(Severity.ERROR, "unreadable-image", str(error), "left out")
        return checked
    checked.content_hash = hashlib.sha256(raw).hexdigest()
    checked.width, checked.height = picture.width, picture.height
    try:
        how = _add_texts(checked, task, picture, add)
    except ValueError as error:
        add(Severity.ERROR, "wrong-size", str(error), "left out")
        return checked
    if how:
        add(Severity.REPAIRED, "outlines-moved", "annotated at another size or turned", how)
    if not picture.plain:
        checked.rewritten = crops.encode(picture.pixels)
        if picture.orientation != 1:
            add(
                Severity.REPAIRED, "turned-image", f"EXIF orientation {picture.orientation}", "turned upright"
            )
    if task.with_lines:
        _cut_lines(checked, picture, add)
    checked.usable = True
    return checked


_Add = Callable[..., None]


def _add_texts(checked: CheckedImage, task: Task, picture: pictures.Picture, add: _Add) -> str:
    """Fill `checked.texts`; returns how outlines had to be moved. ValueError: sizes don't agree."""
    how = ""
    seen: set[tuple[bytes, str]] = set()
    for annotation in task.entry.annotations or ():
        identifier = str(annotation.get("id", ""))
        category = category_of(annotation, task.category_names)
        written = task.rules.read(annotation)
        text = clean(written)
        ignore = task.rules.is_ignored(annotation, text, category)
        if not ignore and category in task.textless_categories:
            what = f"category {category} never has text"
            add(Severity.IGNORED, "textless-category", what, "left out", identifier)
            continue
        points = outlines.read(annotation)
        if points is None:
            add(Severity.ERROR, "no-outline", "neither polygon nor box can be read", "left out", identifier)
            continue
        points, how = pictures.fit_outline(points, picture, task.entry.width, task.entry.height)
        outline = outlines.sound(points, picture.width, picture.height)
        if outline is None:
            what = "the outline has no area inside the picture"
            add(Severity.ERROR, "degenerate-outline", what, "left out", identifier)
            continue
        key = (outline.points.round(1).tobytes(), text)
        if key in seen:
            add(Severity.IGNORED, "duplicate", "same outline and text as another", "left out", identifier)
            continue
        seen.add(key)
        for repair in outline.repairs:
            add(Severity.REPAIRED, "outline", "the outline was not sound", repair, identifier)
        if text != written:
            what = f"{json.dumps(written[:80], ensure_ascii=False)} is not one clean line"
            add(Severity.REPAIRED, "text", what, f"taken as {text[:80]!r}", identifier)
        checked.texts.append(CheckedText(outline.points, "" if ignore else text, ignore))
    return how


def _cut_lines(checked: CheckedImage, picture: pictures.Picture, add: _Add) -> None:
    for text in checked.texts:
        if text.ignore or not text.text:
            continue
        crop = crops.rectify(picture.pixels, text.points, characters=len(text.text))
        if crop is None:
            add(Severity.IGNORED, "line-too-small", f"nothing of {text.text[:80]!r} can be seen", "not read")
            continue
        height, width = crop.image.shape[:2]
        label = {"text": text.text, "box": list(crop.box), "width": width, "height": height}
        checked.lines.append((crops.encode(crop.image), label))
