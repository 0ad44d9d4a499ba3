"""The characters that a recogniser knows, and what becomes of all others: the one policy, in one place.

- The dictionary is the characters of the training texts, those of `train.dataset.characters`, and the blank,
  sorted by code point. Texts are in normal form C; full-width characters are characters of their own (people
  annotate what they see, and NFKC would make `１` and `1`, `㎡` and `m2` the same).
- A character of the validation that isn't in it can't be read: each counts as an error in the metrics and is
  reported. It is not added: nothing would teach it, and the figure would hide that.
- There is no "unknown" class: a model that may answer "something" teaches nobody anything.
- With `recognition.initFrom` = another run, that run's dictionary is taken as it is, order included, for the
  classifier's weights mean its lines. It must hold every character that this training needs. (A .pth file
  carries its characters itself; the recogniser's training compares them.)
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ocr_trainer.errors import BadConfiguration, BadData

_NAMED_AT_MOST = 50
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def configured(characters: str) -> set[str]:
    """The visible characters of `train.dataset.characters`."""
    normal = unicodedata.normalize("NFC", characters)
    return {c for c in normal if unicodedata.category(c) not in _INVISIBLE and not (c.isspace() and c != " ")}


def build(characters: Iterable[str]) -> list[str]:
    """Sorted by code point, the blank among them."""
    return sorted({*characters, " "})


def fit(characters: Iterable[str], reused: list[str], run: str) -> list[str]:
    """The dictionary of the run whose weights are reused; BadData if it misses any of the characters."""
    missing = sorted(set(characters) - set(reused))
    if missing:
        shown = " ".join(missing[:_NAMED_AT_MOST])
        raise BadData(
            f"run {run!r}, whose weights train.recognition.initFrom names, doesn't know {len(missing)} of "
            f"this data set's characters ({shown}): leave initFrom out, or train that run anew with them in "
            "train.dataset.characters",
            reason="DictionaryMisfit",
        )
    return reused


def read(path: Path, run: str) -> list[str]:
    """The dictionary of another run; BadConfiguration if it has none."""
    try:
        return read_characters(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadConfiguration(
            f"train.recognition.initFrom: run {run!r} has no dictionary (work/dataset/dictionary.txt): "
            "it was never prepared, or its folder is gone",
        ) from error


def read_characters(path: Path) -> list[str]:
    """The dictionary's characters in order; a line that holds one blank is the blank."""
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def write(path: Path, characters: list[str]) -> str:
    """One character a line; returns the file's SHA-256."""
    data = "\n".join(characters).encode() + b"\n"
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def counted(
    characters: list[str], training: Mapping[str, int], validation: Mapping[str, int]
) -> list[dict[str, Any]]:
    """How often each character occurs, the commonest first; the validation's own are marked as not known.

    training, validation: how often each occurs in the texts.
    """
    known = set(characters)
    counts: list[dict[str, Any]] = [
        {"character": c, "training": training.get(c, 0), "validation": validation.get(c, 0)}
        | ({} if c in known else {"known": False})
        for c in known | validation.keys()
    ]
    return sorted(counts, key=lambda count: (-count["training"] - count["validation"], count["character"]))


def write_counts(path: Path, counts: list[dict[str, Any]]) -> None:
    """One character a line: what people read and search."""
    lines = ",\n".join(json.dumps(count, ensure_ascii=False) for count in counts)
    path.write_text(f'{{"characters": [\n{lines}\n]}}\n', encoding="utf-8")
