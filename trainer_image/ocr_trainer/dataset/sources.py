"""Which annotation files a run's folder holds, what each is for, and the picture to each of their images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ocr_contract.spec import Dataset
from ocr_trainer.dataset import coco
from ocr_trainer.dataset.check import Task
from ocr_trainer.dataset.findings import Finding, FindingsFile, Severity
from ocr_trainer.dataset.folder import FileIndex, Role, role_of
from ocr_trainer.dataset.texts import TextRules, category_of, keys_seen
from ocr_trainer.errors import BadConfiguration, BadData

_TOO_MANY_MISSING = 0.5
_NAMED_AT_MOST = 20


Tasks = dict[Role, list[Task]]
"""What there is to check, by what it is for."""


def find(index: FileIndex, settings: Dataset, findings: FindingsFile, *, with_test: bool) -> Tasks:
    """Find annotations and pictures, or BadData in one sentence.

    with_test: the run's folder holds test images, too (`runTest`).
    """
    root = index.root
    folder = _inside(root, settings.path, "path")
    if folder and not (root / folder).is_dir():
        raise BadConfiguration(
            f"train.dataset.path: there is no folder {settings.path!r} in the run's folder"
        )
    files = _annotation_files(index, settings)
    tasks: Tasks = {role: [] for role in Role}
    training = [*files[Role.TRAIN], *files[Role.VALIDATION]]
    textless = _textless_categories(training, settings.text_key)
    used: set[str] = set()
    for role, group in files.items():
        if role is Role.TEST and not with_test:
            continue
        for file in group:
            findings.add(*file.findings)
            place = _Place(index, folder, role)
            tasks[role] += _located(place, file, _rules(file, settings.text_key), textless, used, findings)
    unlisted = [path for path in index.images_below(folder) if path not in used]
    for path in unlisted:
        if _is_test(path, folder):
            if with_test and not files[Role.TEST]:
                entry = coco.ImageEntry(path)
                tasks[Role.TEST].append(Task(entry, path, TextRules(), {}, frozenset(), False))
        else:
            findings.add(
                Finding(Severity.IGNORED, "unlisted-image", path, "is in no annotation file", "left out")
            )
    if with_test and not tasks[Role.TEST]:
        raise BadData(
            "runTest asks for a test after the training, but the run's folder holds no test images: "
            "put them into a folder named test, or list them in an annotation file named test*.json",
            reason="NoTestImages",
        )
    return tasks


@dataclass(frozen=True)
class _Place:
    """Where pictures are looked for."""

    index: FileIndex
    folder: str
    role: Role


def _inside(root: Path, path: str, field_name: str) -> str:
    """`path` as one relative to the run's folder; BadConfiguration if it leads out of it."""
    if not path:
        return ""
    if PurePosixPath(path).is_absolute() or not (root / path).resolve().is_relative_to(root.resolve()):
        raise BadConfiguration(f"train.dataset.{field_name}: {path!r} leads out of the run's folder")
    relative = (root / path).resolve().relative_to(root.resolve()).as_posix()
    return "" if relative == "." else relative


def _annotation_files(index: FileIndex, settings: Dataset) -> dict[Role, list[coco.AnnotationFile]]:
    root = index.root
    found: dict[Role, list[coco.AnnotationFile]] = {role: [] for role in Role}
    named = {
        Role.TRAIN: _inside(root, settings.annotations, "annotations"),
        Role.VALIDATION: _inside(root, settings.validation.file, "validation.file"),
    }
    for role, name in named.items():
        if name:
            found[role].append(
                _read_named(root, name, "annotations" if role is Role.TRAIN else "validation.file")
            )
    unnamed: list[coco.AnnotationFile] = []
    for name in index.json_files:
        told = role_of(PurePosixPath(name).stem)
        if name in named.values() or named.get(told or Role.TRAIN):
            continue
        document = coco.read_json(root / name, name)
        if coco.is_coco(document):
            (found[told] if told else unnamed).append(coco.parse(document, name))
    if len(unnamed) > 1 or (unnamed and found[Role.TRAIN]):
        names = ", ".join(sorted(f.name for f in [*unnamed, *found[Role.TRAIN]])[:_NAMED_AT_MOST])
        raise BadData(
            f"there is more than one annotation file ({names}): name one in train.dataset.annotations, "
            "or call them train*.json, val*.json and test*.json",
            reason="AmbiguousAnnotations",
        )
    found[Role.TRAIN] += unnamed
    if not found[Role.TRAIN]:
        raise BadData(
            f"no annotation file was found among {len(index.images)} images and {len(index.json_files)} JSON "
            "files: a COCO file with images and annotations is needed",
            reason="NoAnnotations",
        )
    return found


def _read_named(root: Path, name: str, field_name: str) -> coco.AnnotationFile:
    if not (root / name).is_file():
        raise BadData(f"train.dataset.{field_name}: there is no file {name!r}", reason="NoAnnotations")
    document = coco.read_json(root / name, name)
    if not coco.is_coco(document):
        raise BadData(f"{name} is no COCO file: it has no images and annotations", reason="BrokenAnnotations")
    return coco.parse(document, name)


def _rules(file: coco.AnnotationFile, text_key: str) -> TextRules:
    return TextRules(text_key, frozenset(file.category_names.values()), file.from_textocr)


def _textless_categories(files: list[coco.AnnotationFile], text_key: str) -> frozenset[str]:
    """Categories that never carry text while others do; BadData if no annotation carries any."""
    with_text: set[str] = set()
    categories: set[str] = set()
    keys: set[str] = set()
    annotations = 0
    for file in files:
        rules = _rules(file, text_key)
        for annotation in (a for entry in file.entries for a in entry.annotations or ()):
            annotations += 1
            category = category_of(annotation, file.category_names)
            categories.add(category)
            if category not in with_text and rules.read(annotation).strip() not in ("", "###"):
                with_text.add(category)
            if not with_text and len(keys) < _NAMED_AT_MOST:
                keys |= keys_seen(annotation)
    names = ", ".join(file.name for file in files)
    if not annotations:
        raise BadData(f"{names}: there is no annotation that belongs to an image", reason="NothingUsable")
    if not with_text:
        sought = f"under the key {text_key!r}" if text_key else "under any known key"
        seen = ", ".join(sorted(keys)[:_NAMED_AT_MOST]) or "none that could hold one"
        raise BadData(
            f"no annotation has a text {sought}, so there is nothing to learn to read (keys seen: {seen}); "
            "train.dataset.textKey names another",
            reason="NoText",
        )
    return frozenset(categories - with_text)


def _located(
    place: _Place,
    file: coco.AnnotationFile,
    rules: TextRules,
    textless: frozenset[str],
    used: set[str],
    findings: FindingsFile,
) -> Iterator[Task]:
    """A task for each image of the file whose picture is found."""
    folders = (place.folder or ".", PurePosixPath(file.name).parent.as_posix())
    missing: list[str] = []
    for entry in file.entries:
        paths = place.index.locate(entry.file_name, folders=folders, role=place.role)
        if len(paths) == 1 and paths[0] not in used:
            used.add(paths[0])
            with_lines = place.role is not Role.TEST
            yield Task(entry, paths[0], rules, file.category_names, textless, with_lines)
            continue
        findings.add(_unlocated(entry.file_name, paths))
        missing += [] if paths else [entry.file_name]
    if len(missing) > _TOO_MANY_MISSING * len(file.entries):
        raise BadData(
            f"{len(missing)} of the {len(file.entries)} images in {file.name} aren't in the run's folder, "
            f"for example {missing[0]}",
            reason="ImagesMissing",
        )


def _unlocated(file_name: str, paths: list[str]) -> Finding:
    if not paths:
        return Finding(Severity.ERROR, "missing-image", file_name, "isn't in the run's folder", "left out")
    if len(paths) == 1:
        what = f"{paths[0]} already belongs to another entry"
        return Finding(Severity.ERROR, "image-taken", file_name, what, "left out")
    what = f"could be {paths[0]} or {paths[1]}"
    return Finding(Severity.ERROR, "ambiguous-image", file_name, what, "left out")


def _is_test(path: str, folder: str) -> bool:
    """Whether the picture lies in the test folder of the run or of the images' folder."""
    parts = PurePosixPath(path).relative_to(folder or ".").parts
    return path.startswith("test/") or (len(parts) > 1 and role_of(parts[0]) is Role.TEST)
