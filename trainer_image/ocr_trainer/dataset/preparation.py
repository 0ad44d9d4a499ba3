"""A folder of images and annotations turned into a data set: checked, split, cut into lines, written.

Images stream through: few of them are in memory at a time, whatever the size of the set.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_contract.spec import Dataset
from ocr_trainer.dataset import dictionary
from ocr_trainer.dataset.check import CheckedImage
from ocr_trainer.dataset.figures import Figures
from ocr_trainer.dataset.findings import Finding, FindingsFile, Kind, Severity
from ocr_trainer.dataset.folder import FileIndex, Role
from ocr_trainer.dataset.sources import Work, find
from ocr_trainer.dataset.split import split
from ocr_trainer.dataset.workers import check_all, check_stop
from ocr_trainer.dataset.writers import Side, open_side
from ocr_trainer.errors import BadData
from ocr_trainer.progress import Progress

FORMAT = "2"
"""Part of the fingerprint: raised when the same input gives other files to train with."""


def _ignore() -> None:
    """Nobody wants to know after each image."""


@dataclass(frozen=True)
class ReusedDictionary:
    """The dictionary of another run, whose recogniser's weights this one begins with."""

    run: str
    characters: list[str]


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
    reused: ReusedDictionary | None = None

    def write(self, *, with_test: bool) -> dict[str, Any]:
        """Write everything; returns dataset.json's content. BadData where training would be pointless."""
        work = find(self.index, self.settings, self.findings, self.progress, self.stop, with_test=with_test)
        figures = Figures()
        digest = hashlib.sha256(f"{FORMAT}\n{self.settings.model_dump_json()}\n".encode())
        with ExitStack() as stack:
            roles = [role for role in Role if work.tasks[role] or role is not Role.TEST]
            sides = {role: open_side(stack, self.target, role) for role in roles}
            for role, image in self._placed(work):
                sides[role].add(image, self._store_rewritten(image))
                figures.add(role, image)
                digest.update(f"{role} {image.path} {image.content_hash}\n".encode())
                digest.update("\n".join(image.instances).encode())
        training, validation = sides[Role.TRAIN], sides[Role.VALIDATION]
        _require_usable(training, validation)
        characters = self._characters(figures)
        for finding in figures.near_duplicates(self.index.root):
            check_stop(self.stop)
            self.findings.add(finding)
        self.findings.add(*figures.unseen_finding(characters))
        counts = dictionary.counted(
            characters, *(figures.characters[r] for r in (Role.TRAIN, Role.VALIDATION))
        )
        dictionary.write_counts(self.target / "characters.json", counts)
        return {
            "trainImages": training.detection.images,
            "validationImages": validation.detection.images,
            "testImages": sides[Role.TEST].detection.images if Role.TEST in sides else 0,
            "trainWords": training.words,
            "validationWords": validation.words,
            "characters": len(characters),
            "longestText": figures.longest,
            **figures.text_sizes(),
            "unseenCharacters": len(figures.unseen_characters()),
            "nearDuplicates": self.findings.by_kind[Kind.NEAR_DUPLICATE],
            "dictionarySha256": dictionary.write(self.target / "dictionary.txt", characters),
            "fingerprint": digest.hexdigest(),
            **{f"{severity}Findings": self.findings.count(severity) for severity in Severity},
            "findings": self.findings.counts(),
        }

    def _characters(self, figures: Figures) -> list[str]:
        needed = {*figures.characters[Role.TRAIN], *dictionary.configured(self.settings.characters)}
        if self.reused:
            return dictionary.fit(needed, self.reused.characters, self.reused.run)
        return dictionary.build(needed)

    def _placed(self, work: Work) -> Iterator[tuple[Role, CheckedImage]]:
        """Every usable image and the side it belongs to; the same picture is never on two sides."""
        tasks = work.tasks
        order = [task for role in (Role.TEST, Role.VALIDATION, Role.TRAIN) for task in tasks[role]]
        seen: dict[str, tuple[Role, str]] = {}
        with (
            self.progress.task("Checking images", total=len(order)) as bar,
            closing(check_all(self.index.root, work.sources, order, self.stop)) as checked,
        ):

            def usable(role: Role) -> Iterator[CheckedImage]:
                for _ in tasks[role]:
                    image = next(checked)
                    bar.advance()
                    self.findings.add(*image.findings)
                    if image.usable and self._has_its_side(role, image, seen):
                        yield image
                    self.after_image()

            for role in (Role.TEST, Role.VALIDATION):
                yield from ((role, image) for image in usable(role))
            if tasks[Role.VALIDATION]:
                yield from ((Role.TRAIN, image) for image in usable(Role.TRAIN))
            else:
                yield from split(usable(Role.TRAIN))

    def _has_its_side(self, role: Role, image: CheckedImage, seen: dict[str, tuple[Role, str]]) -> bool:
        """Whether the picture may stay on this side: another that came first may have it."""
        first_role, first = seen.setdefault(image.content_hash, (role, image.path))
        if first == image.path:
            return True
        if first_role is role:
            what = f"is the very same picture as {first}"
            self.findings.add(Finding(Kind.SAME_PICTURE, image.path, what, "both are used"))
            return True
        what = f"is the same picture as {first}, which is for {first_role}"
        self.findings.add(Finding(Kind.LEAKED_IMAGE, image.path, what, f"left out of {role}"))
        return False

    def _store_rewritten(self, image: CheckedImage) -> str:
        """The picture's path relative to the run's folder; what others would read differently gets a copy."""
        if not image.rewritten:
            return image.path
        name = f"images/{image.content_hash[:16]}.jpg"
        (self.target / "images").mkdir(exist_ok=True)
        (self.target / name).write_bytes(image.rewritten)
        return f"{self.place}/{name}"


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
