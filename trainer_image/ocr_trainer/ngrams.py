"""What the data's texts are like, character by character: a language model that decides between readings.

A recogniser sees strokes; that O follows T and 0 follows a decimal point it learns only as far as it sees
them side by side. Counts of up to five characters in a row, of the training texts alone, know it. They are
counted when the recogniser is trained, travel beside its weights, and need nothing but Python.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocr_contract.atomic import replace_bytes

FILE_NAME = "ngrams.json"
"""Beside a recogniser's weights, in a run's work/recognition and in a bundle."""
_ORDER = 5
_MOST_TEXTS = 50_000
"""Counted; more would make the table large and the readings no better."""
_MOST_KNOWN = 200_000
"""Answers kept: some 40 MB, however long a test is."""
_BEGIN, _END = "\x02", "\x03"


class Ngrams:
    """Probability of the next character, smoothed as Witten and Bell (1991) do: the longest context that was
    seen counts as much as it showed few different followers, shorter ones share the rest."""

    def __init__(self, order: int, counts: Mapping[str, int]) -> None:
        self._order, self._counts = order, counts
        self._total: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        for gram, count in counts.items():
            self._total[gram[:-1]] += count
            self._kinds[gram[:-1]] += 1
        self._unseen = 1 / (self._kinds[""] + 1)
        self._known: dict[tuple[str, str], float] = {}

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Ngrams":
        """Counted over texts; over every n-th where they are many."""
        counts: Counter[str] = Counter()
        for text in texts[:: -(-len(texts) // _MOST_TEXTS) or 1]:
            marked = f"{_BEGIN}{text}{_END}"
            for end in range(2, len(marked) + 1):
                for begin in range(max(0, end - _ORDER), end):
                    counts[marked[begin:end]] += 1
        return cls(_ORDER, counts)

    @classmethod
    def load(cls, path: Path) -> "Ngrams":
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["order"], content["counts"])

    def save(self, path: Path) -> None:
        """Equal texts give equal bytes."""
        content = {"order": self._order, "counts": dict(sorted(self._counts.items()))}
        replace_bytes(path, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())

    def next(self, text: str, character: str) -> float:
        """Logarithm of the probability that `character` follows the text so far."""
        return self._log((_BEGIN + text)[1 - self._order :], character)

    def end(self, text: str) -> float:
        """Logarithm of the probability that the text ends here."""
        return self.next(text, _END)

    def _log(self, context: str, character: str) -> float:
        key = context, character
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[key] = math.log(self._probability(context, character))
        return known

    def _probability(self, context: str, character: str) -> float:
        shorter = self._probability(context[1:], character) if context else self._unseen
        total = self._total.get(context, 0)
        if not total:
            return shorter
        kinds = self._kinds[context]
        return (self._counts.get(context + character, 0) + kinds * shorter) / (total + kinds)
