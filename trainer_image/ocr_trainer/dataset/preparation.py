"""A folder of images and annotations turned into a data set: checked, split, cut into lines, written.

Images stream through: few of them are in memory at a time, whatever the size of the set.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_contract.spec import Dataset
from ocr_trainer.dataset.check import CheckedImage, Task, check
from ocr_trainer.dataset.findings import Finding, FindingsFile, Severity
from ocr_trainer.dataset.folder import FileIndex, Role
from ocr_trainer.dataset.sources import Tasks, find
from ocr_trainer.dataset.split import split
from ocr_trainer.dataset.writers import Side, open_side, write_dictionary
from ocr_trainer.errors import BadData, Interrupted
from ocr_trainer.progress import Progress

FORMAT = "1"
"""Part of the fingerprint: raised when the same input gives other files."""
_WAITING_PER_WORKER = 4


def _ignore() -> None:
    """Nobody wants to know after each image."""


@dataclass(frozen=True)
class Preparation:
    index: FileIndex
    target: Path
    """An existing folder that becomes `place`."""
    settings: Dataset
    findings: FindingsFile
    progress: Progress
    stop: threading.Event
    place: str = "work/dataset"
    """Where the data set will lie, relative to the run's folder."""
    after_image: Callable[[], None] = _ignore

    def write(self, *, with_test: bool) -> dict[str, Any]:
        """Write everything; returns dataset.json's content. BadData where training would be pointless."""
        tasks = find(self.index, self.settings, self.findings, with_test=with_test)
        digest = hashlib.sha256(f"{FORMAT}\n{self.settings.model_dump_json()}\n".encode())
        with ExitStack() as stack:
            roles = [role for role in Role if tasks[role] or role is not Role.TEST]
            sides = {role: open_side(stack, self.target, role) for role in roles}
            for role, image in self._placed(tasks):
                sides[role].add(image, self._store_rewritten(image))
                digest.update(f"{role} {image.path} {image.content_hash} {len(image.texts)}\n".encode())
                for text in image.texts:
                    digest.update(f"{text.points.round(2).tolist()} {text.ignore} {text.text}\n".encode())
        training, validation = sides[Role.TRAIN], sides[Role.VALIDATION]
        _require_usable(training, validation)
        self.findings.add(*_unseen_characters(training, validation))
        return {
            "trainImages": training.detection.images,
            "validationImages": validation.detection.images,
            "testImages": sides[Role.TEST].detection.images if Role.TEST in sides else 0,
            "trainWords": training.words,
            "validationWords": validation.words,
            "characters": len({*training.characters, " "}),
            "longestText": training.longest,
            "dictionarySha256": write_dictionary(self.target / "dictionary.txt", training.characters),
            "fingerprint": digest.hexdigest(),
            **{f"{severity}Findings": self.findings.by_severity[severity] for severity in Severity},
        }

    def _placed(self, tasks: Tasks) -> Iterator[tuple[Role, CheckedImage]]:
        """Every usable image and the side it belongs to; the same picture is never on two sides."""
        order = [task for role in (Role.TEST, Role.VALIDATION, Role.TRAIN) for task in tasks[role]]
        elsewhere: dict[str, str] = {}
        with self.progress.task("Checking images", total=len(order)) as bar:
            checked = self._checked(order)

            def usable(role: Role) -> Iterator[CheckedImage]:
                for _ in tasks[role]:
                    image = next(checked)
                    bar.advance()
                    self.findings.add(*image.findings)
                    if role is Role.TRAIN and image.content_hash in elsewhere:
                        self.findings.add(_leaked(image.path, elsewhere[image.content_hash]))
                    elif image.usable:
                        if role is not Role.TRAIN:
                            elsewhere[image.content_hash] = image.path
                        yield image
                    self.after_image()

            for role in (Role.TEST, Role.VALIDATION):
                yield from ((role, image) for image in usable(role))
            if tasks[Role.VALIDATION]:
                yield from ((Role.TRAIN, image) for image in usable(Role.TRAIN))
            else:
                yield from split(usable(Role.TRAIN))

    def _checked(self, tasks: list[Task]) -> Iterator[CheckedImage]:
        """Check on all cores, in order."""
        workers = len(os.sched_getaffinity(0))
        waiting: deque[Future[CheckedImage]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="check") as pool:
            try:
                for task in tasks:
                    waiting.append(pool.submit(check, self.index.root, task))
                    if len(waiting) >= workers * _WAITING_PER_WORKER:
                        yield self._result(waiting)
                while waiting:
                    yield self._result(waiting)
            finally:
                for future in waiting:
                    future.cancel()

    def _result(self, waiting: deque[Future[CheckedImage]]) -> CheckedImage:
        if self.stop.is_set():
            raise Interrupted("stopped while images were checked; the next start checks them again")
        return waiting.popleft().result()

    def _store_rewritten(self, image: CheckedImage) -> str:
        """The picture's path relative to the run's folder; what others would read differently gets a copy."""
        if not image.rewritten:
            return image.path
        name = f"images/{image.content_hash[:16]}.jpg"
        (self.target / "images").mkdir(exist_ok=True)
        (self.target / name).write_bytes(image.rewritten)
        return f"{self.place}/{name}"


def _leaked(path: str, other: str) -> Finding:
    what = f"is the same picture as {other}, which doesn't train"
    return Finding(Severity.REPAIRED, "leaked-image", path, what, "left out of the training")


def _require_usable(training: Side, validation: Side) -> None:
    if not training.detection.images and not validation.detection.images:
        raise BadData("no image can be used: findings.jsonl says why of each", reason="NothingUsable")
    if not training.words and not validation.words:
        raise BadData("no text can be used: findings.jsonl says why of each", reason="NothingUsable")
    if not training.words or not validation.words:
        side = "validate" if training.words else "train"
        raise BadData(
            f"no image with text is left to {side} with: two different usable images with text are the least",
            reason="TooFewImages",
        )


def _unseen_characters(training: Side, validation: Side) -> Iterator[Finding]:
    unseen = sorted(validation.characters.keys() - training.characters.keys())
    if unseen:
        shown, times = " ".join(unseen[:50]), sum(validation.characters[c] for c in unseen)
        what = f"validation has {len(unseen)} characters that training never shows ({shown}), {times} times"
        yield Finding(Severity.IGNORED, "unseen-characters", "", what, "each counts as an error")
