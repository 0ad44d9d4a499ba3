"""The prepared data set's files, written image by image so that memory doesn't grow with the set."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
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

    def add(self, image: CheckedImage, path: str) -> None:
        """path: where the picture lies, relative to the run's folder."""
        described = json.dumps(
            {"img_path": path, "height": image.height, "width": image.width}, ensure_ascii=False
        )
        self._file.write(",\n" if self.images else "\n")
        self._file.write(f'{described[:-1]}, "instances": [{", ".join(image.instances)}]}}')
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

    def add(self, image: bytes, label: bytes) -> None:
        self.lines += 1
        self._transaction.put(b"image-%09d" % self.lines, image)
        self._transaction.put(b"label-%09d" % self.lines, label)
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


def read_labels(path: Path) -> list[dict[str, Any]]:
    """The labels of a LineStore's lines in their order: `text`, `box`, `width`, `height`."""
    with lmdb.open(str(path), readonly=True, lock=False) as store, store.begin() as transaction:
        count = int(transaction.get(b"num-samples"))
        return [json.loads(transaction.get(b"label-%09d" % (i + 1))) for i in range(count)]


@dataclass
class Side:
    """What is written for the training, the validation or the test."""

    detection: DetectionFile
    lines: LineStore | None
    """None for the test, which reads the texts that it finds itself."""

    @property
    def words(self) -> int:
        return self.lines.lines if self.lines else 0

    def add(self, image: CheckedImage, path: str) -> None:
        """path: where the picture lies, relative to the run's folder."""
        self.detection.add(image, path)
        for jpeg, label in image.lines if self.lines else ():
            assert self.lines
            self.lines.add(jpeg, label)


def open_side(stack: ExitStack, folder: Path, role: Role) -> Side:
    """The files of one side, closed by `stack`."""
    detection = stack.enter_context(DetectionFile(folder / "detection" / f"{role}.json"))
    if role is Role.TEST:
        return Side(detection, None)
    return Side(detection, stack.enter_context(LineStore(folder / "recognition" / f"{role}.lmdb")))
