"""Which annotation files a run's folder holds, and what each is for.

Exports come in parts, so files that nothing tells apart are taken together; whether they contradict each
other shows itself where two of them annotate the same picture (`sources`).
"""

import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ocr_contract.spec import Dataset
from ocr_trainer.dataset import coco
from ocr_trainer.dataset.findings import Finding, Kind
from ocr_trainer.dataset.folder import FileIndex, Role, role_of
from ocr_trainer.errors import BadConfiguration, BadData, Interrupted
from ocr_trainer.progress import Progress

_KIB = 1024

Files = dict[Role, list[coco.AnnotationFile]]


def inside(root: Path, path: str, field_name: str) -> str:
    """`path` as one relative to the run's folder; BadConfiguration if it leads out of it."""
    if not path:
        return ""
    if PurePosixPath(path).is_absolute() or not (root / path).resolve().is_relative_to(root.resolve()):
        raise BadConfiguration(f"train.dataset.{field_name}: {path!r} leads out of the run's folder")
    relative = (root / path).resolve().relative_to(root.resolve()).as_posix()
    return "" if relative == "." else relative


def read_all(index: FileIndex, settings: Dataset, progress: Progress, stop: threading.Event) -> Files:
    """Read them all; BadData if there is none to train with."""
    root = index.root
    named = {
        Role.TRAIN: inside(root, settings.annotations, "annotations"),
        Role.VALIDATION: inside(root, settings.validation.file, "validation.file"),
    }
    for role, name in named.items():
        if name and not (root / name).is_file():
            field_name = "annotations" if role is Role.TRAIN else "validation.file"
            raise BadData(f"train.dataset.{field_name}: there is no file {name!r}", reason="NoAnnotations")
    wanted: list[tuple[str, Role]] = [(name, role) for role, name in named.items() if name]
    for name in index.json_files:
        role = _told(name) or Role.TRAIN
        if name not in named.values() and not named.get(role):
            wanted.append((name, role))
    files: Files = {role: [] for role in Role}
    sizes = [(root / name).stat().st_size for name, _ in wanted]
    with progress.task("Reading annotations (KiB)", total=-(-sum(sizes) // _KIB)) as bar:

        def advance(size: int) -> None:
            if stop.is_set():
                raise Interrupted("stopped while annotations were read; the next start reads them again")
            bar.advance(-(-size // _KIB))

        for name, role in wanted:
            file = coco.read(root / name, name, advance)
            if file:
                files[role].append(file)
            elif name in named.values():
                raise BadData(
                    f"{name} is no COCO file: it has no images and annotations", reason="BrokenAnnotations"
                )
    if not files[Role.TRAIN]:
        raise BadData(
            f"no annotation file was found among {len(index.images)} images and {len(index.json_files)} JSON "
            "files: a COCO file with images and annotations is needed",
            reason="NoAnnotations",
        )
    return files


def findings_of(file: coco.AnnotationFile) -> Iterator[Finding]:
    """What is wrong with the file itself: it may be many, so they aren't kept."""
    yield from file.findings
    reader = file.reader()
    try:
        for annotation in reader.read(file.orphans):
            what = f"image_id {annotation.get('image_id')!r} is no image of {file.name}"
            yield Finding(Kind.ORPHAN, "", what, "left out", str(annotation["id"]))
        for annotation in reader.read(file.repeated_ids):
            what = f"{file.name} gives its id to another annotation, too"
            yield Finding(Kind.ANNOTATION_ID_TWICE, "", what, "both are used", str(annotation["id"]))
    finally:
        reader.close()


def _told(name: str) -> Role | None:
    """The role that the file's name tells, or the nearest folder's: `valid/_annotations.coco.json`."""
    path = PurePosixPath(name)
    return next((role for part in (path.stem, *reversed(path.parts[:-1])) if (role := role_of(part))), None)
