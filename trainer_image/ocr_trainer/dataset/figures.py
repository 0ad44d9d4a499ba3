"""What a person wants to know of a data set before a GPU is spent on it."""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.dataset import likeness, pictures
from ocr_trainer.dataset.check import CheckedImage
from ocr_trainer.dataset.findings import Finding, Kind
from ocr_trainer.dataset.folder import Role

_NAMED_AT_MOST = 50


@dataclass
class Figures:
    """Counts while images go by."""

    characters: dict[Role, Counter[str]] = field(default_factory=lambda: {role: Counter() for role in Role})
    longest: int = 0
    """Characters of the training's longest text."""
    _heights: "array[float]" = field(default_factory=lambda: array("f"))
    _vertical: int = 0
    _looks: dict[Role, list[bytes]] = field(default_factory=lambda: {role: [] for role in Role})
    _paths: dict[Role, list[str]] = field(default_factory=lambda: {role: [] for role in Role})

    def add(self, role: Role, image: CheckedImage) -> None:
        if role is Role.TEST:
            return
        self._looks[role].append(image.look)
        self._paths[role].append(image.path)
        self._heights.extend(image.heights)
        self._vertical += image.vertical
        for text in image.texts:
            self.characters[role].update(text)
        if role is Role.TRAIN:
            self.longest = max(self.longest, max(map(len, image.texts), default=0))

    def unseen_characters(self) -> list[str]:
        """Those of the validation that training never shows."""
        return sorted(self.characters[Role.VALIDATION].keys() - self.characters[Role.TRAIN].keys())

    def unseen_finding(self, dictionary: list[str]) -> Iterator[Finding]:
        unseen, counts = self.unseen_characters(), self.characters[Role.VALIDATION]
        if not unseen:
            return
        shown, times = " ".join(unseen[:_NAMED_AT_MOST]), sum(counts[c] for c in unseen)
        what = f"validation has {len(unseen)} characters that training never shows ({shown}), {times} times"
        known = len(set(unseen) & set(dictionary))
        done = "each counts as an error" + (f", but for the {known} in the dictionary" if known else "")
        yield Finding(Kind.UNSEEN_CHARACTERS, "", what, done)

    def near_duplicates(self, root: Path) -> Iterator[Finding]:
        """Validation images that look like a training image."""
        pairs = likeness.alike(self._looks[Role.TRAIN], self._looks[Role.VALIDATION])
        for validation, training, correlation in pairs:
            path, other = self._paths[Role.VALIDATION][validation], self._paths[Role.TRAIN][training]
            both = [pictures.read((root / one).read_bytes()).pixels for one in (path, other)]
            if not likeness.alike_closely(*both):
                continue
            what = f"looks like the training's {other} ({correlation:.2f} of 1)"
            yield Finding(Kind.NEAR_DUPLICATE, path, what, "kept; it makes the validation's figures too good")

    def text_sizes(self) -> dict[str, Any]:
        """Heights of the texts in pixels and the share of those read downwards, for dataset.json."""
        if not self._heights:
            return {}
        low, middle, high = np.percentile(np.frombuffer(self._heights, np.float32), (1, 50, 99))
        return {
            "smallestTextHeight": round(float(low), 1),
            "medianTextHeight": round(float(middle), 1),
            "largestTextHeight": round(float(high), 1),
            "verticalShare": round(self._vertical / len(self._heights), 4),
        }


def in_words(summary: dict[str, Any]) -> list[str]:
    """dataset.json's figures as sentences for the log and the terminal."""
    return [
        f"Training: {summary['trainImages']} images, {summary['trainWords']} lines; validation: "
        f"{summary['validationImages']} images, {summary['validationWords']} lines; "
        f"test: {summary['testImages']} images",
        f"Characters: {summary['characters']} in the dictionary, the longest text has "
        f"{summary['longestText']}",
        f"Text heights in pixels: one in a hundred under {summary['smallestTextHeight']}, half under "
        f"{summary['medianTextHeight']}, one in a hundred over {summary['largestTextHeight']}; "
        f"{summary['verticalShare']:.1%} read downwards",
        f"Validation: {summary['unseenCharacters']} characters that training never shows, "
        f"{summary['nearDuplicates']} images that look like a training image",
    ]
