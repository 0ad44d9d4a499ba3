"""testResult.json as it grows, and what a later process needs to go on from it.

Every image's result is appended to a journal at once, so that a killed process loses nothing; testResult.json
is put together from it now and then, the less often the larger it is, and replaced whole.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ocr_contract.atomic import replacing
from ocr_contract.volume import TestFolder
from ocr_trainer.metrics import Text
from ocr_trainer.testing.images import TestImage, text_of
from ocr_trainer.testing.reading import ReadImage

logger = logging.getLogger(__name__)

VERSION = 1
_SECONDS = 2.0
_SHARE = 0.02
"""Of the time that may be spent on replacing testResult.json."""


@dataclass(frozen=True)
class Kept:
    """What the journal holds of one image."""

    image: TestImage
    entry: dict[str, Any]
    """As in testResult.json."""
    found: list[Text]
    truth: list[Text] | None = None
    """None: nobody says what is in it, or it can't be read."""
    true_readings: list[str] = field(default_factory=list)


class Results:
    """Results of one model on one test's images. A line of the journal: key, entry and truth, with tabs."""

    def __init__(self, test: TestFolder, model: str, run: str) -> None:
        """run: hash of the run or the test; a raised revision reads everything again."""
        self._file, self._model, self._run = test.test_result, model, run
        self._path = test.path / "work" / "test" / "results.jsonl"
        self._places: dict[str, tuple[str, int, int]] = {}
        """By an image's name: its key, and where its line lies."""
        self._pause, self._written_at = _SECONDS, time.monotonic()
        self._open()

    def _open(self) -> None:
        """Take over what an earlier process wrote with this model; a half-written last line is dropped."""
        head = json.dumps({"version": VERSION, "model": self._model, "run": self._run}).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._journal = self._path.open("a+b")
        self._journal.seek(0)
        end = len(head)
        if self._journal.readline() != head:
            self._journal.truncate(0)
            self._journal.write(head)
        else:
            for line in self._journal:
                if not line.endswith(b"\n"):
                    break
                self._note(line, end)
                end += len(line)
            self._journal.truncate(end)
        self._journal.flush()
        self._end = end

    def _note(self, line: bytes, place: int) -> None:
        key = line.split(b"\t", 1)[0].decode()
        self._places[json.loads(key)["file"]] = (key, place, len(line))

    def has(self, image: TestImage) -> bool:
        """Whether this very image is read already."""
        known = self._places.get(image.name)
        return known is not None and known[0] == _dump(image.key())

    def add(self, result: ReadImage) -> None:
        """Append an image's result."""
        truth = None
        if result.truth is not None:
            texts = [
                {"polygon": polygon_of(text.polygon), "text": text.text, "ignore": text.ignore}
                for text in result.truth
            ]
            truth = {"texts": texts, "read": result.true_readings}
        parts = (_dump(result.image.key()), _dump(entry_of(result)), _dump(truth))
        line = "\t".join(parts).encode() + b"\n"
        self._journal.write(line)
        self._journal.flush()
        self._note(line, self._end)
        self._end += len(line)

    def is_due(self) -> bool:
        """Whether it is time to replace testResult.json."""
        return time.monotonic() - self._written_at > self._pause

    def write(self, images: Iterable[TestImage], *, durable: bool = False) -> None:
        """Replace testResult.json by what there is of these images, in their order."""
        started = time.monotonic()
        with replacing(self._file, durable=durable) as file:
            head = json.dumps({"version": VERSION, "model": self._model})
            file.write(f'{head[:-1]}, "images": ['.encode())
            separator = b"\n"
            for _, line in self._lines(images):
                file.write(separator + line.split(b"\t", 2)[1])
                separator = b",\n"
            file.write(b"\n]}\n")
        self._written_at = time.monotonic()
        self._pause = max(_SECONDS, (self._written_at - started) / _SHARE)

    def read_back(self, images: Iterable[TestImage]) -> Iterator["Kept"]:
        """What was kept of each image, in their order, one at a time."""
        for image, line in self._lines(images):
            _, entry, told = (json.loads(part) for part in line.split(b"\t"))
            found = [Text(_points(found["polygon"]), found["text"]) for found in entry["instances"]]
            if told is None:
                yield Kept(image, entry, found)
            else:
                truth = [text_of(text) for text in told["texts"]]
                yield Kept(image, entry, found, truth, told["read"])

    def close(self) -> None:
        self._journal.close()

    def _lines(self, images: Iterable[TestImage]) -> Iterator[tuple[TestImage, bytes]]:
        with self._path.open("rb") as journal:
            for image in images:
                if image.name in self._places:
                    _, place, length = self._places[image.name]
                    journal.seek(place)
                    yield image, journal.read(length).removesuffix(b"\n")


def entry_of(result: ReadImage) -> dict[str, Any]:
    """An image's entry in testResult.json."""
    if result.error:
        return {"file": result.image.name, "error": result.error, "instances": []}
    return {
        "file": result.image.name,
        "width": result.width,
        "height": result.height,
        "milliseconds": round(result.milliseconds, 1),
        "instances": [
            {
                "polygon": polygon_of(line.polygon),
                "text": reading.text,
                "detectionScore": round(line.score, 4),
                "recognitionScore": round(reading.score, 4),
            }
            for line, reading in zip(result.found, result.readings, strict=True)
        ],
    }


def _points(polygon: list[float]) -> Any:
    return np.array(polygon, np.float64).reshape(-1, 2)


def polygon_of(points: Any) -> list[float]:
    """x1, y1, x2, … as the files hold them."""
    return [round(float(value), 2) for value in points.reshape(-1)]


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
