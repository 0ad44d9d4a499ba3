"""What waits to be sent about each project, in order. Too much of it: old progress gives way, an end never.

A late progress report says what a newer one says better; an end is what the platform waits for.
"""

from collections import deque
from dataclasses import dataclass

from ocr_operator.store import Key
from ocr_operator.telling.news import Report


@dataclass(frozen=True)
class Letter:
    """A report on its way."""

    report: Report
    written: float
    """When it was put into the outbox."""
    tries: int = 0
    not_before: float = 0.0
    """When it may be tried again."""


class Outbox:
    """Bounded for each project: so many progress reports, and the ends, which are few by nature."""

    def __init__(self, most_progress: int) -> None:
        self._most_progress = most_progress
        self._letters: dict[Key, deque[Letter]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._letters.values()))

    def put(self, letter: Letter) -> Letter | None:
        """Put it last; what comes back was dropped for it."""
        self._letters.setdefault(letter.report.project, deque()).append(letter)
        return self._shorten(letter.report.project)

    def put_back(self, letter: Letter) -> Letter | None:
        """Put it first again: it could not be sent. What comes back was dropped."""
        self._letters.setdefault(letter.report.project, deque()).appendleft(letter)
        return self._shorten(letter.report.project)

    def first(self, project: Key) -> Letter | None:
        """The letter whose turn it is; it stays."""
        letters = self._letters.get(project)
        return letters[0] if letters else None

    def clear(self) -> None:
        self._letters.clear()

    def take(self, project: Key) -> Letter:
        """The letter whose turn it is, out of the box."""
        letters = self._letters[project]
        letter = letters.popleft()
        if not letters:
            del self._letters[project]
        return letter

    def _shorten(self, project: Key) -> Letter | None:
        letters = self._letters[project]
        progress = [letter for letter in letters if not letter.report.is_end]
        if len(progress) <= self._most_progress:
            return None
        letters.remove(progress[0])
        return progress[0]
