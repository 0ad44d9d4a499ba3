"""The prepared data set's files, written image by image so that memory doesn't grow with the set."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lmdb

from ocr_trainer.dataset.check import CheckedImage
from ocr_trainer.dataset.folder import Role

_METAINFO = {
    "dataset_type": "TextDetDataset",
    "task_name": "textdet",
    "category": [{"id": 0, "name": "text"}],
}
_LARGEST_LMDB = 1 << 37
"""Bytes of address space, not of disk: the file grows as it is filled."""
_CROPS_A_TRANSACTION = 2000


class DetectionFile:
    """MMOCR's OCRDataset format, one image a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._file.write('{"metainfo": ' + json.dumps(_METAINFO) + ',\n"data_list": [')
        self.images = 0

    def add(self, image: dict[str, Any]) -> None:
        self._file.write((",\n" if self.images else "\n") + json.dumps(image, ensure_ascii=False))
        self.images += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.write("\n]}\n")
        self._file.close()


class LineStore:
    """Cut-out lines and their texts in one lmdb: a network volume has no love for thousands of files."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._store = lmdb.open(str(path), map_size=_LARGEST_LMDB, sync=False, lock=False)
        self._transaction = self._store.begin(write=True)
        self.lines = 0

    def add(self, image: bytes, label: dict[str, Any]) -> None:
        self.lines += 1
        self._transaction.put(b"image-%09d" % self.lines, image)
        self._transaction.put(b"label-%09d" % self.lines, json.dumps(label, ensure_ascii=False).encode())
        if self.lines % _CROPS_A_TRANSACTION == 0:
            self._transaction.commit()
            self._transaction = self._store.begin(write=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.put(b"num-samples", str(self.lines).encode())
        self._transaction.commit()
        self._store.sync(True)
        self._store.close()


@dataclass
class Side:
    """What is written for the training, the validation or the test."""

    detection: DetectionFile
    lines: LineStore | None
    """None for the test, which reads the texts that it finds itself."""
    characters: Counter[str] = field(default_factory=Counter)
    longest: int = 0

    @property
    def words(self) -> int:
        return self.lines.lines if self.lines else 0

    def add(self, image: CheckedImage, path: str) -> None:
        """path: where the picture lies, relative to the run's folder."""
        instances = []
        for text in image.texts:
            corners = (text.points.min(axis=0), text.points.max(axis=0))
            instances.append(
                {
                    "polygon": text.points.round(2).ravel().tolist(),
                    "bbox": [value for corner in corners for value in corner.round(2).tolist()],
                    "bbox_label": 0,
                    "ignore": text.ignore,
                    "text": text.text,
                }
            )
        self.detection.add(
            {"img_path": path, "height": image.height, "width": image.width, "instances": instances}
        )
        for jpeg, label in image.lines if self.lines else ():
            assert self.lines
            self.lines.add(jpeg, label)
            self.characters.update(label["text"])
            self.longest = max(self.longest, len(label["text"]))


def open_side(stack: ExitStack, folder: Path, role: Role) -> Side:
    """The files of one side, closed by `stack`."""
    detection = stack.enter_context(DetectionFile(folder / "detection" / f"{role}.json"))
    if role is Role.TEST:
        return Side(detection, None)
    return Side(detection, stack.enter_context(LineStore(folder / "recognition" / f"{role}.lmdb")))


def write_dictionary(path: Path, characters: Iterable[str]) -> str:
    """One character a line, sorted by code point, the blank among them; returns its SHA-256."""
    data = "\n".join(sorted({*characters, " "})).encode() + b"\n"
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
