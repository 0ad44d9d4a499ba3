"""A model measured against the truth, image by image: counts and worst cases, whatever the set's size.

The recogniser is judged on true boxes, as in its validation; end to end on found ones. On true boxes every
text has exactly one reading, so there the F1 of lines is the recogniser's word_acc: how much less the end to
end F1 is, is what the detector costs.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rapidfuzz.distance import Levenshtein

from ocr_trainer.confusions import CharacterErrors, DetectorErrors
from ocr_trainer.metrics import Pairing, ReadingTally, Tally, Text

_WORST = 20


def readable(true: Sequence[Text]) -> list[Text]:
    """The true texts that a recogniser is measured on: whose words are known and count."""
    return [text for text in true if not text.ignore and text.text]


@dataclass
class Evaluation:
    """Figures over the images of a set."""

    _tally: Tally = field(default_factory=Tally)
    _readings: ReadingTally = field(default_factory=ReadingTally)
    _detector_errors: DetectorErrors = field(default_factory=DetectorErrors)
    _character_errors: CharacterErrors = field(default_factory=CharacterErrors)
    _worst_images: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    _worst_lines: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def images(self) -> int:
        return self._tally.images

    def add(self, file: str, true: Sequence[Text], found: Sequence[Text], read: Sequence[str]) -> Pairing:
        """Count one image; returns who was paired with whom.

        read: what the recogniser says to each of `readable(true)`.
        """
        for text, reading in zip(readable(true), read, strict=True):
            assert text.text is not None
            self._readings.add(text.text, reading)
            self._character_errors.add(text.text, reading)
        pairing = self._tally.add(true, found)
        self._detector_errors.add(pairing, found)
        self._keep_worst(file, pairing, found)
        return pairing

    def _keep_worst(self, file: str, pairing: Pairing, found: Sequence[Text]) -> None:
        wrong = 0
        for i, j in pairing.pairs:
            true, reading = pairing.cared[i].text, found[j].text or ""
            if true is None or true == reading:
                continue
            wrong += 1
            line = {
                "file": file,
                "polygon": [round(float(value), 2) for value in found[j].polygon.reshape(-1)],
                "truth": true,
                "reading": reading,
            }
            _push(self._worst_lines, Levenshtein.distance(true, reading), f"{file}\0{i:06}", line)
        missed = len(pairing.cared) - len(pairing.pairs)
        false = len(pairing.counted) - len(pairing.pairs)
        if missed + false + wrong:
            image = {"file": file, "lines": len(pairing.cared), "missed": missed, "false": false}
            _push(self._worst_images, missed + false + wrong, file, image | {"misread": wrong})

    def document(self) -> dict[str, Any]:
        """testMetrics.json; shares are rounded to five digits."""
        reading = self._readings.figures()
        end_to_end = self._tally.end_to_end() | {"f1TrueBoxes": reading["word_acc"]}
        return {
            "images": self.images,
            "lines": self._readings.words,
            "detection": _rounded(self._tally.detection()),
            "recognition": _rounded(reading),
            "endToEnd": _rounded(end_to_end),
            "detectorErrors": self._detector_errors.document(),
            "characterErrors": self._character_errors.document(),
            "worstImages": _ranked(self._worst_images),
            "worstLines": _ranked(self._worst_lines),
        }


def _push(heap: list[tuple[int, str, dict[str, Any]]], rank: int, key: str, item: dict[str, Any]) -> None:
    heapq.heappush(heap, (rank, key, item))
    if len(heap) > _WORST:
        heapq.heappop(heap)


def _ranked(heap: list[tuple[int, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [item for _, _, item in sorted(heap, key=lambda kept: (-kept[0], kept[1]))]


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in figures.items()}
