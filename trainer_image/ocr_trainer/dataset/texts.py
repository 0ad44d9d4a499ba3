"""The text of an annotation, under whatever key a tool put it, and whether anybody cares about it."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_TEXT_KEYS = (
    "utf8_string", "transcription", "text", "textAttribute", "rec_string", "description", "caption", "value",
    "label",
)  # fmt: skip
_ATTRIBUTE_KEYS = (*_TEXT_KEYS, "ocr", "content", "word", "string")
_COULD_BE_CATEGORY = ("value", "label")
_NO_TEXT_KEYS = frozenset({
    "id", "image_id", "category_id", "bbox", "segmentation", "area", "iscrowd", "points", "mask", "polys",
    "bezier_pts", "rec", "attributes", "rotation", "angle", "ignore", "keypoints", "num_keypoints",
})  # fmt: skip
_ILLEGIBLE_CATEGORIES = frozenset(["###", "ignore", "ignored", "illegible", "dontcare", "don't care"])
LONGEST_TEXT = 198
"""Characters: the decoders have 200 positions, two of them for begin and end."""
_ASCII_95 = [chr(code) for code in range(32, 127)]
"""The table of `rec` in ABCNet's family; 95 is unknown, 96 pads."""


@dataclass(frozen=True)
class TextRules:
    """How one annotation file's texts are read."""

    text_key: str = ""
    """The configured key, dotted for one inside `attributes`; empty: look for it."""
    category_names: frozenset[str] = frozenset()
    dot_is_illegible: bool = False

    def read(self, annotation: dict[str, Any]) -> str:
        """The text as it stands in the annotation; empty if there is none."""
        if self.text_key:
            value: Any = annotation
            for part in self.text_key.split("."):
                value = attributes(value).get(part) if part != "attributes" else value
                if value is None:
                    value = ""
                    break
            return _as_text(value)
        own = self._first(annotation, _TEXT_KEYS)
        return own or self._first(attributes(annotation, own=False), _ATTRIBUTE_KEYS) or _from_rec(annotation)

    def is_ignored(self, annotation: dict[str, Any], text: str, category: str) -> bool:
        """Whether the detector shall neither be praised nor blamed for it."""
        flags = attributes(annotation)
        if text == "###" or (text == "." and self.dot_is_illegible):
            return True
        if any(_is_true(flags.get(flag)) for flag in ("ignore", "illegible", "illegibility", "difficult")):
            return True
        if "legible" in flags and not _is_true(flags["legible"]):
            return True
        if flags.get("legibility") not in (None, "", "legible"):
            return True
        if category.lower() in _ILLEGIBLE_CATEGORIES:
            return True
        return not text and _is_true(annotation.get("iscrowd"))

    def _first(self, values: dict[str, Any], keys: Iterable[str]) -> str:
        for key in keys:
            text = _as_text(values.get(key))
            if text and not (key in _COULD_BE_CATEGORY and text in self.category_names):
                return text
        return ""


def clean(text: str) -> str:
    """One line in normal form C: no controls, nothing invisible, single blanks.

    Not NFKC: full-width characters and ligatures stay what people annotated (see `dictionary`).
    """
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"\s+", " ", text)
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return re.sub(r" +", " ", text).strip()


def attributes(annotation: Any, *, own: bool = True) -> dict[str, Any]:
    """The annotation's attributes, a dictionary or a list of {name or key, value}; own: its keys, too."""
    if not isinstance(annotation, dict):
        return {}
    inner = annotation.get("attributes")
    if isinstance(inner, list):
        inner = {
            str(a.get("name", a.get("key"))): a.get("value")
            for a in inner
            if isinstance(a, dict) and ("name" in a or "key" in a)
        }
    found = dict(inner) if isinstance(inner, dict) else {}
    return {**found, **annotation} if own else found


def category_of(annotation: dict[str, Any], names: dict[str, str]) -> str:
    """The category's name: ids differ from file to file. The id where it has none."""
    identifier = identifier_of(annotation.get("category_id"))
    return names.get(identifier) or identifier


def identifier_of(value: Any) -> str:
    """Ids as text: 7, 7.0 and "7" are one."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def keys_seen(annotation: dict[str, Any]) -> set[str]:
    """The keys that could have held a text, for the message that none does."""
    own = {key for key in annotation if key not in _NO_TEXT_KEYS}
    return own | {f"attributes.{key}" for key in attributes(annotation, own=False)}


def _as_text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Label Studio
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _from_rec(annotation: dict[str, Any]) -> str:
    codes = annotation.get("rec")
    if not isinstance(codes, list) or not all(isinstance(code, int) for code in codes):
        return ""
    return "".join(_ASCII_95[code] for code in codes if 0 <= code < len(_ASCII_95))


def _is_true(value: Any) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in ("1", "true", "yes"))
