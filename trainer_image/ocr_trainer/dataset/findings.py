"""What was found wrong with images and annotations, one line each, for the person who can put it right."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_EXAMPLES = 5


class Severity(StrEnum):
    ERROR = "error"
    """It could not be used at all."""
    REPAIRED = "repaired"
    """It is used, after something was put right."""
    IGNORED = "ignored"
    """It is left out or left as it is; worth knowing, and nothing that was meant for training is lost."""


class Kind(Enum):
    """Every kind of finding there is: a word to count by, and how bad it is."""

    # of an annotation file
    UNNAMED_IMAGE = "unnamed-image", Severity.ERROR
    IMAGE_NOT_VALID = "image-not-valid", Severity.IGNORED
    IMAGE_LISTED_TWICE = "image-listed-twice", Severity.REPAIRED
    MALFORMED_ENTRY = "malformed-entry", Severity.ERROR
    ORPHAN = "orphan", Severity.IGNORED
    ANNOTATION_ID_TWICE = "annotation-id-twice", Severity.REPAIRED
    TEXTLESS_CATEGORY = "textless-category", Severity.IGNORED
    UNCHOSEN_CATEGORY = "unchosen-category", Severity.IGNORED
    # of an image
    MISSING_IMAGE = "missing-image", Severity.ERROR
    AMBIGUOUS_IMAGE = "ambiguous-image", Severity.ERROR
    IMAGE_TAKEN = "image-taken", Severity.ERROR
    UNLISTED_IMAGE = "unlisted-image", Severity.IGNORED
    UNREADABLE_IMAGE = "unreadable-image", Severity.ERROR
    WRONG_SIZE = "wrong-size", Severity.ERROR
    TURNED_IMAGE = "turned-image", Severity.REPAIRED
    OUTLINES_MOVED = "outlines-moved", Severity.REPAIRED
    SAME_PICTURE = "same-picture", Severity.IGNORED
    LEAKED_IMAGE = "leaked-image", Severity.REPAIRED
    NEAR_DUPLICATE = "near-duplicate", Severity.IGNORED
    # of an annotation
    NO_OUTLINE = "no-outline", Severity.ERROR
    DEGENERATE_OUTLINE = "degenerate-outline", Severity.ERROR
    OUTLINE = "outline", Severity.REPAIRED
    DUPLICATE = "duplicate", Severity.IGNORED
    TEXT = "text", Severity.REPAIRED
    NO_TEXT = "no-text", Severity.IGNORED
    TEXT_TOO_LONG = "text-too-long", Severity.ERROR
    # of the whole set
    UNSEEN_CHARACTERS = "unseen-characters", Severity.IGNORED

    def __init__(self, word: str, severity: Severity) -> None:
        self.word = word
        self.severity = severity


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    image: str
    """The image's path or, where it has none, the name that the annotation file gives it."""
    what: str
    done: str
    annotation: str = ""
    """The annotation's id, where there is one."""
    polygon: tuple[tuple[float, ...], ...] = ()
    """The annotation's outline as its file has it, in pixels of the upright picture (`as_written`)."""

    def as_record(self) -> dict[str, Any]:
        """A line of findings.jsonl."""
        record: dict[str, Any] = {
            "severity": self.kind.severity, "kind": self.kind.word, "image": self.image,
            "annotation": self.annotation, "what": self.what, "done": self.done,
        }  # fmt: skip
        return record | {"polygon": self.polygon} if self.polygon else record


class FindingsFile:
    """findings.jsonl while it is written, and the counts."""

    def __init__(self, path: Path) -> None:
        # Annotation files may hold halves of surrogate pairs, which UTF-8 can't: they stay JSON's escapes.
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")
        self.by_kind: Counter[Kind] = Counter()
        self._examples: dict[Kind, list[str]] = defaultdict(list)

    def add(self, *findings: Finding) -> None:
        for finding in findings:
            self._file.write(json.dumps(finding.as_record(), ensure_ascii=False) + "\n")
            self.by_kind[finding.kind] += 1
            examples = self._examples[finding.kind]
            if len(examples) < _EXAMPLES:
                where = finding.image or (f"annotation {finding.annotation}" if finding.annotation else "")
                example = f"{where} {finding.what}".strip()
                examples.append(example.encode(errors="backslashreplace").decode())

    def count(self, severity: Severity) -> int:
        return sum(count for kind, count in self.by_kind.items() if kind.severity is severity)

    def counts(self) -> list[dict[str, str | int]]:
        """How many of each kind, the worst first."""
        return [
            {"severity": kind.severity, "kind": kind.word, "count": count} for kind, count in self._sorted()
        ]

    def lines(self) -> Iterator[str]:
        """One readable line for each kind of finding, with a few examples."""
        for kind, count in self._sorted():
            yield f"{kind.severity}: {count} {kind.word}, e.g. {'; '.join(self._examples[kind])}"

    def _sorted(self) -> list[tuple[Kind, int]]:
        order = list(Severity)
        return sorted(
            self.by_kind.items(), key=lambda item: (order.index(item[0].severity), -item[1], item[0].word)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
