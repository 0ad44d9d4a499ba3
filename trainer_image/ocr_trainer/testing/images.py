"""The images of a test, and what is known to be in them.

A run's test images were checked when the run was prepared. Those of a test of its own come as they are; an
annotation file among them is read as a training's would be, and images that it doesn't name are read without
being measured.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ocr_contract.spec import Dataset
from ocr_contract.volume import RunFolder
from ocr_trainer.bundle import file_hash
from ocr_trainer.dataset import coco
from ocr_trainer.dataset.categories import choose, rules_of
from ocr_trainer.dataset.check import Checker, Source, Task
from ocr_trainer.dataset.folder import FileIndex, Role
from ocr_trainer.errors import BadData
from ocr_trainer.metrics import Text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestImage:
    __test__ = False

    name: str
    """Relative to the folder of the images."""
    path: Path
    truth: Callable[[], list[Text] | None] | None = None
    """The texts in it; None: nobody says. Asked by the thread that reads the image."""
    told_by: str = ""
    """Changes with what the truth is taken from."""
    folder: str = ""
    """Of the images, relative to the test's: where the test asks for a part of its folder."""

    @property
    def place(self) -> str:
        """Relative to the test's folder."""
        return str(PurePosixPath(self.folder, self.name))

    def key(self) -> dict[str, Any]:
        """What tells this very image, and what is known of it, from a later one of its name."""
        try:
            stat = self.path.stat()
        except OSError:
            return {"file": self.name, "toldBy": self.told_by}
        return {
            "file": self.name, "bytes": stat.st_size, "modified": stat.st_mtime_ns, "toldBy": self.told_by
        }  # fmt: skip


def run_images(run: RunFolder) -> list[TestImage]:
    """The test images that lay in the run's folder when it was prepared, with their truth."""
    listing = run.dataset / "detection" / "test.json"
    if not listing.is_file():
        raise BadData("runTest: the run's folder held no test images when it was prepared", reason="NoImages")
    return listed_images(run, listing)


def listed_images(run: RunFolder, listing: Path) -> list[TestImage]:
    """The images of one of the prepared data set's lists."""
    raw = listing.read_bytes()
    told_by = hashlib.sha256(raw).hexdigest()[:16]
    images = []
    for entry in json.loads(raw)["data_list"]:
        texts = [text_of(instance) for instance in entry["instances"]]
        truth = (lambda texts=texts: texts) if texts else None
        images.append(TestImage(entry["img_path"], run.path / entry["img_path"], truth, told_by))
    return images


def own_images(test: Path, path: str, settings: Dataset) -> list[TestImage]:
    """All images of a test's folder, below `path` where one is given."""
    root = (test / path).resolve()
    if not root.is_relative_to(test.resolve()) or not root.is_dir():
        raise BadData(f"test.path {path!r} is no folder of the test", reason="NoFolder")
    index = FileIndex.scan(root)
    truths = _Truths(index, settings)
    folder = root.relative_to(test.resolve()).as_posix()
    return [TestImage(name, root / name, *truths.of(name), folder) for name in index.images]


def text_of(instance: dict[str, Any]) -> Text:
    """A true text from MMOCR's instance."""
    polygon = np.array(instance["polygon"], np.float64).reshape(-1, 2)
    return Text(polygon, instance.get("text") or None, bool(instance["ignore"]))


class _Truths:
    """What the annotation files of a test's folder say; each thread that asks reads them by itself."""

    def __init__(self, index: FileIndex, settings: Dataset) -> None:
        self._root, self._sources = index.root, list[Source]()
        self._tasks: dict[str, Task] = {}
        self._told_by: dict[str, str] = {}
        self._threads = threading.local()
        files = [file for name in index.json_files if (file := _read(index.root / name, name))]
        if not files:
            return
        left_out = choose(files, settings.categories, settings.text_key).left_out
        for file in files:
            self._add(index, file, rules_of(file, settings.text_key), left_out)

    def of(self, name: str) -> tuple[Callable[[], list[Text] | None] | None, str]:
        task = self._tasks.get(name)
        return ((lambda: self._check(task)), self._told_by[name]) if task else (None, "")

    def _add(self, index: FileIndex, file: coco.AnnotationFile, rules: Any, left_out: frozenset[str]) -> None:
        number = len(self._sources)
        self._sources.append(Source.of(file, rules, left_out))
        digest = file_hash(file.path)[:16]
        folders = (".", PurePosixPath(file.name).parent.as_posix())
        for entry in file.entries:
            paths = index.locate(entry.file_name, folders=folders, role=Role.TEST)
            if len(paths) == 1 and paths[0] not in self._tasks:
                task = Task(paths[0], entry, number, file.places(entry), with_lines=False)
                self._tasks[paths[0]], self._told_by[paths[0]] = task, digest

    def _check(self, task: Task) -> list[Text] | None:
        if not hasattr(self._threads, "checker"):
            self._threads.checker = Checker(self._root, self._sources)
        checked = self._threads.checker.check(task)
        if not checked.usable:
            return None
        return [text_of(json.loads(instance)) for instance in checked.instances]


def _read(path: Path, name: str) -> coco.AnnotationFile | None:
    """A COCO file; what is none, or broken, costs the test its figures and nothing else."""
    try:
        return coco.read(path, name, lambda _: None)
    except BadData as error:
        logger.warning("Tested without %s: %s", name, error.message)
        return None
