"""lines.jsonl: what became of every line of every image, for people who look at them one by one.

A line says what an image is and how it went before it says which lines it has, so that a reader who sorts
tens of thousands of images parses the short part only. Who belongs to whom is the measurement's own answer:
the counts here add up to its figures.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ocr_contract.volume import SCORE_BINS
from ocr_trainer.metrics import Pairing, Text
from ocr_trainer.testing.results import Kept, polygon_of

COUNTED = ("right", "misread", "missed", "false")
_OF_THE_PICTURE = ("width", "height", "error")
_JUDGED = {"right": "right", "misread": "wrong", "false": "wrong", "found": "unknown"}
"""What a found line's score is counted under; one on a region that nobody cares about isn't."""


def line_of(kept: Kept, pairing: Pairing | None) -> bytes:
    """The image's line. pairing: by which it was measured, None where its truth isn't known."""
    found = kept.entry["instances"]
    lines = list(_measured(found, pairing) if pairing is not None else _found(found))
    counts: Counter[str] = Counter(line["kind"] for line in lines)
    judged = [line for line in lines if line["kind"] in _JUDGED]
    score = min((line["recognitionScore"] for line in judged), default=None)
    entry: dict[str, Any] = {"file": kept.image.place}
    entry |= {name: value for name, value in kept.entry.items() if name in _OF_THE_PICTURE}
    entry |= {"known": pairing is not None, "score": score}
    entry |= {kind: counts[kind] for kind in COUNTED}
    entry |= {"scores": _histogram(judged), "lines": lines}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _found(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line in found:
        yield {"kind": "found", **line}


def _measured(found: list[dict[str, Any]], pairing: Pairing) -> Iterator[dict[str, Any]]:
    """The found lines in their order, then those that were missed."""
    true_of = {j: pairing.cared[i] for i, j in pairing.pairs}
    counted = set(pairing.counted)
    for j, line in enumerate(found):
        if j in true_of:
            true = true_of[j]
            # A pair whose true words nobody knows is found, and neither right nor misread.
            kind = "found" if true.text is None else "right" if true.text == line["text"] else "misread"
            yield {"kind": kind, **line, **_expected(true)}
        else:
            yield {"kind": "false" if j in counted else "ignored", **line}
    hit = {i for i, _ in pairing.pairs}
    for i, true in enumerate(pairing.cared):
        if i not in hit:
            yield {"kind": "missed", **_expected(true)}


def _expected(true: Text) -> dict[str, Any]:
    told = {} if true.text is None else {"expected": true.text}
    return {"truth": polygon_of(true.polygon), **told}


def _histogram(lines: list[dict[str, Any]]) -> dict[str, list[int]]:
    bins: dict[str, list[int]] = {}
    for line in lines:
        counts = bins.setdefault(_JUDGED[line["kind"]], [0] * SCORE_BINS)
        counts[min(int(line["recognitionScore"] * SCORE_BINS), SCORE_BINS - 1)] += 1
    return bins
