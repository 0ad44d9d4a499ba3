"""A training's metrics.jsonl as curves that a browser can draw: three kinds of records, steps thinned out."""

import json
from typing import Any

from pydantic import Field

from ocr_api.files import Volume
from ocr_api.v1.documents import ApiModel

_MAX_BYTES = 32 * 1024 * 1024
"""The trainer keeps 5,000 steps; epochs and validations of 100,000 epochs still fit."""

Record = dict[str, float]


class Curves(ApiModel):
    steps: list[Record] = Field(
        description="step, epoch, loss and its parts, lr, samplesPerSecond, dataWait; means if thinned out",
        examples=[[{"step": 40, "epoch": 2, "loss": 1.2, "lr": 0.001}]],
    )
    epochs: list[Record] = Field(
        description="epoch, iterations, loss, lr", examples=[[{"epoch": 2, "iterations": 52, "loss": 1.1}]]
    )
    validations: list[Record] = Field(
        description="epoch and the figures of a validation", examples=[[{"epoch": 2, "hmean": 0.8}]]
    )


def read_curves(volume: Volume, path: str, points: int) -> Curves | None:
    """The file's curves; None where there is no file. A line that is half written is left out."""
    with volume.reading(path) as file:
        if file is None:
            return None
        data = file.read(_MAX_BYTES)
    return curves_of(data, points)


def curves_of(data: bytes, points: int) -> Curves:
    """points: steps at most."""
    steps: list[Record] = []
    epochs: list[Record] = []
    validations: list[Record] = []
    for line in data.splitlines():
        record = _numbers(line)
        if "epoch" not in record:
            continue
        kind = steps if "step" in record else epochs if "iterations" in record else validations
        kind.append(record)
    return Curves(steps=_thinned(steps, points), epochs=epochs, validations=validations)


def _numbers(line: bytes) -> Record:
    try:
        record: Any = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(record, dict):
        return {}
    return {name: value for name, value in record.items() if isinstance(value, int | float)}


def _thinned(steps: list[Record], points: int) -> list[Record]:
    """Neighbours joined: their means, under the last one's step and epoch."""
    size = -(-len(steps) // points)
    if size <= 1:
        return steps
    joined = []
    for start in range(0, len(steps), size):
        bucket = steps[start : start + size]
        names = dict.fromkeys(name for step in bucket for name in step)
        means = {
            name: sum(values) / len(values)
            for name in names
            if (values := [step[name] for step in bucket if name in step])
        }
        joined.append(means | {"step": bucket[-1]["step"], "epoch": bucket[-1]["epoch"]})
    return joined
