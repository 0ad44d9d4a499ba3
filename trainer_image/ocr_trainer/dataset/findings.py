"""What was found wrong with images and annotations, one line each, for the person who can put it right."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

_EXAMPLES = 5


class Severity(StrEnum):
    ERROR = "error"
    """It could not be used at all."""
    REPAIRED = "repaired"
    """It is used, after something was put right."""
    IGNORED = "ignored"
    """It is left out, and nothing is lost by that."""


@dataclass(frozen=True)
class Finding:
    severity: Severity
    kind: str
    """A word to count by, e.g. `unreadable-image`."""
    image: str
    what: str
    done: str
    annotation: str = ""
    """The annotation's id, where there is one."""


class FindingsFile:
    """findings.jsonl while it is written, and the counts."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self.by_severity: Counter[Severity] = Counter()
        self.by_kind: Counter[tuple[Severity, str]] = Counter()
        self.examples: dict[tuple[Severity, str], list[str]] = defaultdict(list)
        """A few images or annotations of each kind, with what is wrong."""

    def add(self, *findings: Finding) -> None:
        for finding in findings:
            self._file.write(json.dumps(asdict(finding), ensure_ascii=False) + "\n")
            self.by_severity[finding.severity] += 1
            self.by_kind[finding.severity, finding.kind] += 1
            examples = self.examples[finding.severity, finding.kind]
            if len(examples) < _EXAMPLES:
                examples.append(f"{finding.image or finding.annotation} {finding.what}".strip())

    def lines(self) -> Iterator[str]:
        """One readable line for each kind of finding, with a few examples."""
        for (severity, kind), count in sorted(self.by_kind.items()):
            yield f"{severity}: {count} {kind}, e.g. {'; '.join(self.examples[severity, kind])}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
