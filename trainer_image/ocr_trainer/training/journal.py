"""metrics.jsonl: what a training measured, a JSON object a line, for curves and for going on after a stop.

{"step": 40, "epoch": 2, "loss": .., <its parts>, "lr": .., "samplesPerSecond": .., "dataWait": ..}
{"epoch": 2, "iterations": 52, "loss": .., "lr": ..}              an epoch's end
{"epoch": 2, "precision": .., "recall": .., "hmean": ..}          a validation
"""

import json
import logging
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ocr_contract.atomic import replace_bytes
from ocr_trainer.errors import naming_full_volume

logger = logging.getLogger(__name__)

_MOST_STEPS = 5000
_FEWEST_BETWEEN = 10

Record = dict[str, Any]


def step_interval(iterations: int) -> int:
    """Steps between two records, so that a training of any length leaves a bounded file."""
    return max(_FEWEST_BETWEEN, -(-iterations // _MOST_STEPS))


class Journal:
    """The file and what is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records = _read(path)

    def forget_after(self, epoch: int, step: int) -> None:
        """Drop what an earlier process recorded beyond its last checkpoint: that comes again."""
        self.records = [r for r in self.records if r["epoch"] <= epoch + 1 and _step(r, epoch) <= step]
        text = "".join(json.dumps(record) + "\n" for record in self.records)
        with naming_full_volume(self._path):
            replace_bytes(self._path, text.encode())

    def add(self, record: Record) -> None:
        """Append it, numbers that are none left out; a full volume leaves no half line."""
        finite = {k: v for k, v in record.items() if not isinstance(v, float) or math.isfinite(v)}
        self.records.append(finite)
        with naming_full_volume(self._path), self._path.open("ab") as file:
            length = file.seek(0, os.SEEK_END)
            try:
                file.write(json.dumps(finite).encode() + b"\n")
                file.flush()
            except OSError:
                with suppress(OSError):
                    os.truncate(self._path, length)
                raise

    def validated(self, figure: str) -> set[int]:
        """Epochs whose validation is recorded."""
        return {int(record["epoch"]) for record in self.records if figure in record}


def _step(record: Record, epoch: int) -> float:
    """The step that a record belongs to; epochs' ends and validations of a running epoch don't exist yet."""
    if "step" in record:
        return float(record["step"])
    return 0 if record["epoch"] <= epoch else math.inf


def _read(path: Path) -> list[Record]:
    records = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            logger.warning("Dropped a torn line of %s", path.name)
    return records
