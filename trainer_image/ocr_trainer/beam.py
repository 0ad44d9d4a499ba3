"""Reading with a language model: of the readings that a CTC recogniser holds possible, the likeliest text.

Prefix beam search (Hannun et al. 2014, arXiv:1408.2873): a text's probability is the sum over all ways to
spread it over the steps, times what the n-grams say about it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocr_trainer.ngrams import Ngrams

_WEIGHT = 0.3
"""Of the n-grams beside what the recogniser sees."""
_BONUS = 0.9
"""For every character: n-grams alone prefer short texts."""
_BEAMS = 8
_UNLIKELY = 1e-3
"""A character below this probability is not tried in a step."""


def search(
    probabilities: NDArray[np.float32], characters: Sequence[str], blank: int, ngrams: Ngrams
) -> tuple[str, float]:
    """The best text of a line and the recogniser's own probability of it.

    probabilities: (steps, characters and blank).
    """
    place = {character: index for index, character in enumerate(characters) if index != blank}
    beams = {"": (1.0, 0.0)}  # how likely the steps so far spell the text, ending in a blank or in its last
    language = {"": 0.0}
    for step in probabilities.tolist():
        tried = [(character, index) for character, index in place.items() if step[index] > _UNLIKELY]
        grown: dict[str, tuple[float, float]] = {}
        for text, (blanked, lettered) in beams.items():
            both = blanked + lettered
            before = grown.get(text, (0.0, 0.0))
            again = lettered * step[place[text[-1]]] if text else 0.0
            grown[text] = before[0] + both * step[blank], before[1] + again
            for character, index in tried:
                # The same character twice needs a blank between.
                add = (blanked if text.endswith(character) else both) * step[index]
                if not add:
                    continue
                longer = text + character
                before = grown.get(longer, (0.0, 0.0))
                grown[longer] = before[0], before[1] + add
                if longer not in language:
                    language[longer] = language[text] + _WEIGHT * ngrams.next(text, character) + _BONUS
        beams = _best(grown, language)
    best = max(beams, key=lambda text: _log(sum(beams[text])) + language[text] + _WEIGHT * ngrams.end(text))
    return best, sum(beams[best])


def _best(
    grown: dict[str, tuple[float, float]], language: dict[str, float]
) -> dict[str, tuple[float, float]]:
    order = sorted(grown, key=lambda text: _log(sum(grown[text])) + language[text], reverse=True)
    return {text: grown[text] for text in order[:_BEAMS]}


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf


class BeamPostprocessor:
    """In the place of a CTC recogniser's greedy postprocessor; needs nothing of it but its dictionary."""

    def __init__(self, dictionary: Any, ngrams: Ngrams) -> None:
        self._characters, self._blank = list(dictionary.dict), int(dictionary.padding_idx)
        self._ngrams = ngrams

    def __call__(self, outputs: Any, data_samples: list[Any]) -> list[Any]:
        from mmengine.structures import LabelData

        for line, sample in zip(outputs.float().cpu().numpy(), data_samples, strict=True):
            text, probability = search(line, self._characters, self._blank, self._ngrams)
            # As greedy reading does, a score for every character: here all have the same.
            score = probability ** (1 / max(len(text), 1))
            sample.pred_text = LabelData(item=text, score=[score] * len(text))
        return data_samples
