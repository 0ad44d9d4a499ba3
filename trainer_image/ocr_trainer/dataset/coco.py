"""COCO files as they come: lists or dictionaries, numbers or strings for ids, several files to merge.

Nothing of an annotation's inside is understood here; `texts` and `outlines` do that.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_trainer.dataset.findings import Finding, Severity
from ocr_trainer.errors import BadData

_IMAGE_KEYS = ("images", "imgs")
_ANNOTATION_KEYS = ("annotations", "anns")
_NAME_KEYS = ("file_name", "filename", "path", "coco_url", "name")


@dataclass
class ImageEntry:
    """One picture as an annotation file describes it."""

    file_name: str
    width: float | None = None
    height: float | None = None
    annotations: list[dict[str, Any]] | None = None
    """None: nobody looked for texts in it (a test image without truth); empty: there are none."""


@dataclass
class AnnotationFile:
    """A parsed COCO file."""

    name: str
    """Relative to the run's folder."""
    entries: list[ImageEntry]
    category_names: dict[str, str]
    from_textocr: bool
    """Dictionaries instead of lists: COCO-Text and TextOCR, where the text `.` means illegible."""
    findings: list[Finding] = field(default_factory=list)


def read_json(path: Path, name: str) -> Any:
    """The document, or BadData that names file, line and column."""
    raw = path.read_bytes()
    try:
        return json.loads(raw.decode(json.detect_encoding(raw)))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadData(
            f"{name} is not UTF-8 text: a wrong byte stands in line {line}", reason="BrokenAnnotations"
        ) from error
    except json.JSONDecodeError as error:
        raise BadData(
            f"{name} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            reason="BrokenAnnotations",
        ) from error
    except RecursionError as error:
        raise BadData(f"{name} is nested too deeply to be COCO", reason="BrokenAnnotations") from error


def is_coco(document: Any) -> bool:
    """Whether it has COCO's two lists; our own and other tools' JSON files lie about, too."""
    return (
        isinstance(document, dict)
        and any(isinstance(document.get(key), list | dict) for key in _IMAGE_KEYS)
        and any(isinstance(document.get(key), list | dict) for key in _ANNOTATION_KEYS)
    )


def parse(document: dict[str, Any], name: str) -> AnnotationFile:
    """Join annotations to images by id; findings say what didn't join."""
    images_in, annotations_in = _first(document, _IMAGE_KEYS), _first(document, _ANNOTATION_KEYS)
    parsed = AnnotationFile(name, [], _category_names(document), isinstance(annotations_in, dict))
    by_id: dict[str, ImageEntry] = {}
    by_name: dict[str, ImageEntry] = {}
    for key, image in _items(images_in):
        file_name = next((str(image[k]) for k in _NAME_KEYS if image.get(k)), "")
        identifier = str(image.get("id", key or file_name))
        if not file_name:
            what = f"{name} gives no file name for it"
            parsed.findings.append(
                Finding(Severity.ERROR, "unnamed-image", f"image {identifier}", what, "left out")
            )
            continue
        if image.get("valid") is False:
            what = "it is marked as not valid"
            parsed.findings.append(Finding(Severity.IGNORED, "image-not-valid", file_name, what, "left out"))
            by_id[identifier] = ImageEntry(file_name)  # so that its annotations are no orphans
            continue
        _add_image(parsed, by_id, by_name, identifier, file_name, image)
    for key, annotation in _items(annotations_in):
        annotation.setdefault("id", key)
        entry = by_id.get(str(annotation.get("image_id")))
        if entry is None:
            what = f"image_id {annotation.get('image_id')!r} is no image of {name}"
            identifier = str(annotation["id"])
            parsed.findings.append(Finding(Severity.IGNORED, "orphan", "", what, "left out", identifier))
        elif entry.annotations is not None:
            entry.annotations.append(annotation)
    return parsed


def _add_image(
    parsed: AnnotationFile,
    by_id: dict[str, ImageEntry],
    by_name: dict[str, ImageEntry],
    identifier: str,
    file_name: str,
    image: dict[str, Any],
) -> None:
    known = by_id.get(identifier)
    if known and known.file_name != file_name:
        raise BadData(
            f"{parsed.name} gives the image id {identifier} to {known.file_name} and to {file_name}: "
            "which texts belong to which image can't be told",
            reason="DuplicateImageId",
        )
    if known or file_name in by_name:
        by_id[identifier] = known or by_name[file_name]
        what = f"{parsed.name} lists it more than once"
        parsed.findings.append(
            Finding(Severity.REPAIRED, "image-listed-twice", file_name, what, "taken as one")
        )
        return
    entry = ImageEntry(file_name, _number(image.get("width")), _number(image.get("height")), [])
    by_id[identifier] = by_name[file_name] = entry
    parsed.entries.append(entry)


def _first(document: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next(document[key] for key in keys if isinstance(document.get(key), list | dict))


def _items(collection: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, item) of a dictionary, ("", item) of a list; whatever isn't an object is no item."""
    pairs = collection.items() if isinstance(collection, dict) else (("", item) for item in collection)
    return ((str(key), item) for key, item in pairs if isinstance(item, dict))


def _category_names(document: dict[str, Any]) -> dict[str, str]:
    categories = document.get("categories", document.get("cats"))
    if not isinstance(categories, list | dict):
        return {}
    return {str(c.get("id", key)): str(c.get("name", "")) for key, c in _items(categories)}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number > 0 else None
