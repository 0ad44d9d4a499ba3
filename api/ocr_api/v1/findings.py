"""findings.jsonl, a page at a time: the file may hold a line for each of a million annotations."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ocr_api.files import Volume
from ocr_api.v1.documents import ApiModel


class Finding(ApiModel):
    severity: str = Field(examples=["error"])
    kind: str = Field(examples=["missing-image"])
    image: str = Field(default="", examples=["receipts/017.jpg"])
    annotation: str = Field(default="", description="The annotation's id, where it is about one")
    what: str = Field(default="", description="What is wrong")
    done: str = Field(default="", description="What was done about it")
    polygon: list[list[FiniteFloat]] = Field(
        default=[],
        description="The annotation's outline as its file has it, before any repair: x, y, x, y, ... of each "
        "polygon, in pixels of the picture turned upright by its EXIF orientation; it may lie outside",
        examples=[[[120.0, 40.0, 310.0, 66.5, 310.0, 40.0, 120.0, 66.5]]],
    )


_TEXTS = Finding.model_fields.keys() - {"polygon"}
_POLYGON: TypeAdapter[list[list[float]]] = TypeAdapter(list[list[FiniteFloat]])


class Findings(ApiModel):
    items: list[Finding]
    checked: bool = Field(default=True, description="False: the images have not been checked yet")
    next: int | None = Field(default=None, description="Send it as `after` for the next page")


def read_findings(
    volume: Volume, path: str, wanted: Mapping[str, str | None], image: str | None, after: int, limit: int
) -> Findings | None:
    """Those behind line `after` that fit; None where there is no file.

    wanted: members that must be equal, None: any. image: part of the image's name.
    """
    exact = {name: value for name, value in wanted.items() if value is not None}
    items: list[Finding] = []
    with volume.reading(path) as file:
        if file is None:
            return None
        for number, line in enumerate(file, start=1):
            if number <= after:
                continue
            record = _record(line)
            if record is None or any(record.get(name) != value for name, value in exact.items()):
                continue
            if image is not None and image.lower() not in record.get("image", "").lower():
                continue
            items.append(Finding.model_validate(record | {"polygon": _polygon(record["polygon"])}))
            if len(items) == limit:
                return Findings(items=items, next=number)
    return Findings(items=items)


def _record(line: bytes) -> dict[str, Any] | None:
    """The line's texts; its polygon, too, if that can be drawn."""
    try:
        record: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"severity", "kind"} <= set(record):
        return None
    texts = {name: _text(value) for name, value in record.items() if name in _TEXTS}
    return texts | {"polygon": record.get("polygon")}


def _text(value: Any) -> str:
    """With halves of surrogate pairs, which an annotation file may hold and no answer can, as `?`."""
    return str(value).encode(errors="replace").decode()


def _polygon(value: Any) -> list[list[float]]:
    try:
        return _POLYGON.validate_python(value)
    except ValidationError:
        return []
