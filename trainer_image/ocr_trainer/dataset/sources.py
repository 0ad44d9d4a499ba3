"""From a run's folder to what there is to check: each picture with the annotations that belong to it."""

import threading
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ocr_contract.spec import Dataset
from ocr_trainer.dataset import coco, outlines
from ocr_trainer.dataset.annotation_files import findings_of, inside, read_all
from ocr_trainer.dataset.categories import choose, rules_of
from ocr_trainer.dataset.check import Source, Task
from ocr_trainer.dataset.findings import Finding, FindingsFile, Kind
from ocr_trainer.dataset.folder import FileIndex, Role, role_of
from ocr_trainer.dataset.texts import clean
from ocr_trainer.errors import BadConfiguration, BadData
from ocr_trainer.progress import Progress

_TOO_MANY_MISSING = 0.5


@dataclass
class Work:
    """What there is to check."""

    sources: list[Source] = field(default_factory=list)
    tasks: dict[Role, list[Task]] = field(default_factory=lambda: {role: [] for role in Role})


def find(
    index: FileIndex,
    settings: Dataset,
    findings: FindingsFile,
    progress: Progress,
    stop: threading.Event,
    *,
    with_test: bool,
) -> Work:
    """Find annotations and pictures, or BadData in one sentence.

    with_test: the run's folder holds test images, too (`runTest`).
    """
    folder = inside(index.root, settings.path, "path")
    if folder and not (index.root / folder).is_dir():
        raise BadConfiguration(
            f"train.dataset.path: there is no folder {settings.path!r} in the run's folder"
        )
    files = read_all(index, settings, progress, stop)
    for file in (
        file for role, group in files.items() if with_test or role is not Role.TEST for file in group
    ):
        for finding in findings_of(file):
            findings.add(finding)
    choice = choose([*files[Role.TRAIN], *files[Role.VALIDATION]], settings.categories, settings.text_key)
    findings.add(*choice.findings)
    gathering = _Gathering(index, folder, findings)
    # The sides that are asked for come first: a picture that they have doesn't train.
    for role in (Role.TEST, Role.VALIDATION, Role.TRAIN):
        for file in files[role] if with_test or role is not Role.TEST else ():
            rules = rules_of(file, settings.text_key)
            gathering.add(role, file, Source.of(file, rules, choice.left_out))
    gathering.add_unlisted(truthless_tests=with_test and not files[Role.TEST])
    if with_test and not gathering.work.tasks[Role.TEST]:
        raise BadData(
            "runTest asks for a test after the training, but the run's folder holds no test images: "
            "put them into a folder named test, or list them in an annotation file named test*.json",
            reason="NoTestImages",
        )
    return gathering.work


@dataclass
class _Claim:
    """Which entry has a picture already."""

    role: Role
    file: coco.AnnotationFile
    position: int
    """Of its task among the role's."""


@dataclass
class _Gathering:
    """Tasks while they are made, file by file."""

    index: FileIndex
    folder: str
    findings: FindingsFile
    work: Work = field(default_factory=Work)
    _claims: dict[str, _Claim] = field(default_factory=dict)
    _spoken_of: set[str] = field(default_factory=set)
    """Pictures that a finding explains already."""

    def add(self, role: Role, file: coco.AnnotationFile, source: Source) -> None:
        """A task for each image of the file whose picture is found; BadData if most aren't there."""
        number = len(self.work.sources)
        self.work.sources.append(source)
        folders = (self.folder or ".", PurePosixPath(file.name).parent.as_posix())
        missing: list[str] = []
        for name in file.not_valid:
            self._spoken_of.update(self.index.locate(name, folders=folders, role=role))
        for entry in file.entries:
            paths = self.index.locate(entry.file_name, folders=folders, role=role)
            if len(paths) != 1:
                self.findings.add(self._unlocated(entry.file_name, paths))
                self._spoken_of.update(paths)
                missing += [] if paths else [entry.file_name]
                continue
            task = Task(paths[0], entry, number, file.places(entry), with_lines=role is not Role.TEST)
            claim = self._claims.get(paths[0])
            if claim:
                self._settle(claim, role, file, task)
            else:
                self._claims[paths[0]] = _Claim(role, file, len(self.work.tasks[role]))
                self.work.tasks[role].append(task)
        if len(missing) > _TOO_MANY_MISSING * len(file.entries):
            raise BadData(
                f"{len(missing)} of the {len(file.entries)} images in {file.name} aren't in the run's "
                f"folder, for example {missing[0]}",
                reason="ImagesMissing",
            )

    def add_unlisted(self, *, truthless_tests: bool) -> None:
        """Pictures of no annotation file: test images without truth, or nobody's."""
        for path in self.index.images_below(self.folder):
            if path in self._claims or path in self._spoken_of:
                continue
            if not _is_test(path, self.folder):
                what = "is in no annotation file"
                self.findings.add(Finding(Kind.UNLISTED_IMAGE, path, what, "left out"))
            elif truthless_tests:
                entry = coco.ImageEntry(path)
                self.work.tasks[Role.TEST].append(Task(path, entry, None, coco.NO_PLACES, with_lines=False))

    def _settle(self, claim: _Claim, role: Role, file: coco.AnnotationFile, task: Task) -> None:
        """Two entries mean one picture: they agree, or one is left out, or nobody can tell which is right."""
        if claim.file is file:
            what = f"{task.path} already belongs to another entry"
            self.findings.add(Finding(Kind.IMAGE_TAKEN, task.entry.file_name, what, "left out"))
            return
        if claim.role is not role:
            what = f"{claim.file.name} has it for {claim.role}, {file.name} for {role}"
            self.findings.add(Finding(Kind.LEAKED_IMAGE, task.path, what, f"left out of {file.name}"))
            return
        first = self.work.tasks[role][claim.position]
        if len(first.places) and len(task.places) and self._meaning(first) != self._meaning(task):
            names = " and ".join(sorted((claim.file.name, file.name)))
            raise BadData(
                f"{names} annotate {task.path} differently, and which of them is meant can't be told: name "
                "one in train.dataset.annotations, or call them train*.json, val*.json and test*.json",
                reason="AmbiguousAnnotations",
            )
        if not len(first.places):
            self.work.tasks[role][claim.position] = task
        what = f"{claim.file.name} and {file.name} list it"
        self.findings.add(Finding(Kind.IMAGE_LISTED_TWICE, task.path, what, "taken as one"))

    def _meaning(self, task: Task) -> set[tuple[str, bytes]]:
        """What an image's annotations say, whatever ids they have."""
        assert task.source is not None
        source = self.work.sources[task.source]
        reader = source.reader()
        try:
            meaning = set()
            for annotation in reader.read(task.places):
                points = outlines.read(annotation)
                outline = points.round(0).tobytes() if points is not None else b""
                meaning.add((clean(source.rules.read(annotation)), outline))
            return meaning
        finally:
            reader.close()

    def _unlocated(self, file_name: str, paths: list[str]) -> Finding:
        if paths:
            what = f"could be {paths[0]} or {paths[1]}"
            return Finding(Kind.AMBIGUOUS_IMAGE, file_name, what, "left out")
        suffix = PurePosixPath(file_name.replace("\\", "/")).suffix.lower()
        if self.index.holds_other(file_name):
            what = f"is of a kind that can't be read ({suffix}): save it as JPEG or PNG"
            return Finding(Kind.UNREADABLE_IMAGE, file_name, what, "left out")
        return Finding(Kind.MISSING_IMAGE, file_name, "isn't in the run's folder", "left out")


def _is_test(path: str, folder: str) -> bool:
    """Whether the picture lies in the test folder of the run or of the images' folder."""
    parts = PurePosixPath(path).relative_to(folder or ".").parts
    return path.startswith("test/") or (len(parts) > 1 and role_of(parts[0]) is Role.TEST)
