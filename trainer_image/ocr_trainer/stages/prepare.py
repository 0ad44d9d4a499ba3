"""Check what people annotated and write it as the trainings read it; fail before any GPU is asked for.

Everything is written into a new folder that takes the old one's place at the end: an interrupted start leaves
what was there, and the next start does the work again.
"""

import hashlib
import json
import logging
import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ocr_contract.atomic import replace_bytes, replace_json
from ocr_contract.volume import RunFolder
from ocr_trainer.context import StageContext
from ocr_trainer.dataset.check import CheckedImage, Task, check
from ocr_trainer.dataset.findings import Finding, FindingsFile, Severity
from ocr_trainer.dataset.folder import FileIndex, Role
from ocr_trainer.dataset.sources import Tasks, find
from ocr_trainer.dataset.split import split
from ocr_trainer.dataset.writers import Side, open_side, write_dictionary
from ocr_trainer.errors import BadData
from ocr_trainer.owner import Owner

logger = logging.getLogger(__name__)

_FORMAT = "1"
"""Part of the fingerprint: raised when the same input gives other files."""
_WAITING_PER_WORKER = 4


def run(context: StageContext) -> None:
    """Prepare the run's data set, or BadData in one plain sentence; nothing to do where nothing changed."""
    train = context.input.train
    context.reporter.start_anew(
        detection_epochs=train.detection.epochs, recognition_epochs=train.recognition.epochs
    )
    index = FileIndex.scan(context.run.path)
    known = _read_summary(context.run)
    given = hashlib.sha256(
        f"{_FORMAT} {index.signature()} {train.run_test} {train.dataset.model_dump_json()}".encode()
    ).hexdigest()
    if known.get("given") == given:
        logger.info("Skipped the preparation: files and settings are those of the last one")
        _report(context, known)
        return
    owner = Owner(context.run.stage("prepare"), context.pod_uid)
    owner.claim()
    for left_over in context.run.work.glob("dataset.*"):
        shutil.rmtree(left_over, ignore_errors=True)
    fresh = context.run.work / f"dataset.{context.pod_uid}.new"
    fresh.mkdir(parents=True)
    try:
        with FindingsFile(fresh / "findings.jsonl") as findings:
            try:
                summary = _prepare(context, index, fresh, findings)
            finally:
                _log_findings(findings)
        replace_json(fresh / "dataset.json", summary | {"given": given})
        owner.check()
        _take_place(fresh, context.run.dataset)
    except BadData:
        replace_bytes(context.run.findings, (fresh / "findings.jsonl").read_bytes())
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _report(context, summary)
    logger.info(
        "Prepared %d images (%d lines) for training, %d (%d) for validation, %d for the test, %d characters",
        summary["trainImages"], summary["trainWords"], summary["validationImages"],
        summary["validationWords"], summary["testImages"], summary["characters"],
    )  # fmt: skip


def _read_summary(run: RunFolder) -> dict[str, Any]:
    try:
        summary = json.loads((run.dataset / "dataset.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def _prepare(context: StageContext, index: FileIndex, fresh: Path, findings: FindingsFile) -> dict[str, Any]:
    """Write everything into `fresh`; returns dataset.json's content."""
    train = context.input.train
    tasks = find(index, train.dataset, findings, with_test=train.run_test)
    digest = hashlib.sha256(f"{_FORMAT}\n{train.dataset.model_dump_json()}\n".encode())
    with ExitStack() as stack:
        roles = [role for role in Role if tasks[role] or role is not Role.TEST]
        sides = {role: open_side(stack, fresh, role) for role in roles}
        for role, image in _placed(context, tasks, findings):
            sides[role].add(image, _store_rewritten(context.run, fresh, image))
            digest.update(f"{role} {image.path} {image.content_hash} {len(image.texts)}\n".encode())
            for text in image.texts:
                digest.update(f"{text.points.round(2).tolist()} {text.ignore} {text.text}\n".encode())
    training, validation = sides[Role.TRAIN], sides[Role.VALIDATION]
    _require_usable(training, validation)
    findings.add(*_unseen_characters(training, validation))
    return {
        "trainImages": training.detection.images,
        "validationImages": validation.detection.images,
        "testImages": sides[Role.TEST].detection.images if Role.TEST in sides else 0,
        "trainWords": training.words,
        "validationWords": validation.words,
        "characters": len({*training.characters, " "}),
        "longestText": training.longest,
        "dictionarySha256": write_dictionary(fresh / "dictionary.txt", training.characters),
        "fingerprint": digest.hexdigest(),
        **{f"{severity}Findings": findings.by_severity[severity] for severity in Severity},
    }


def _placed(
    context: StageContext, tasks: Tasks, findings: FindingsFile
) -> Iterator[tuple[Role, CheckedImage]]:
    """Every usable image and the side it belongs to; the same picture is never on two sides."""
    order = [task for role in (Role.TEST, Role.VALIDATION, Role.TRAIN) for task in tasks[role]]
    explicit = bool(tasks[Role.VALIDATION])
    elsewhere: dict[str, str] = {}
    with context.progress.task("Checking images", total=len(order)) as progress:
        checked = _checked(context, order)

        def usable(role: Role) -> Iterator[CheckedImage]:
            for _ in tasks[role]:
                image = next(checked)
                progress.advance()
                findings.add(*image.findings)
                other = elsewhere.get(image.content_hash) if role is Role.TRAIN else None
                if other:
                    findings.add(Finding(Severity.REPAIRED, "leaked-image", image.path,
                                         f"is the same picture as {other}, which doesn't train",
                                         "left out of the training"))  # fmt: skip
                elif image.usable:
                    if role is not Role.TRAIN:
                        elsewhere[image.content_hash] = image.path
                    yield image
                context.reporter.update_dataset(
                    errors=findings.by_severity[Severity.ERROR],
                    repaired=findings.by_severity[Severity.REPAIRED],
                    ignored=findings.by_severity[Severity.IGNORED],
                )

        for role in (Role.TEST, Role.VALIDATION):
            for image in usable(role):
                yield role, image
        if explicit:
            for image in usable(Role.TRAIN):
                yield Role.TRAIN, image
        else:
            yield from split(usable(Role.TRAIN))


def _checked(context: StageContext, tasks: list[Task]) -> Iterator[CheckedImage]:
    """Check on all cores, in order, with few images in memory at a time."""
    workers = len(os.sched_getaffinity(0))
    waiting: deque[Future[CheckedImage]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="check") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(check, context.run.path, task))
                if len(waiting) >= workers * _WAITING_PER_WORKER:
                    context.check_stop()
                    yield waiting.popleft().result()
            while waiting:
                context.check_stop()
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _store_rewritten(run: RunFolder, fresh: Path, image: CheckedImage) -> str:
    """The picture's path relative to the run's folder; what others would read differently gets a copy."""
    if not image.rewritten:
        return image.path
    name = f"{image.content_hash[:16]}.jpg"
    (fresh / "images").mkdir(exist_ok=True)
    (fresh / "images" / name).write_bytes(image.rewritten)
    return (run.dataset / "images" / name).relative_to(run.path).as_posix()


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


def _take_place(fresh: Path, dataset: Path) -> None:
    """A folder can't replace a full one in one step: for a moment there is none, never half of one."""
    old = fresh.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if dataset.exists():
        dataset.rename(old)
    fresh.rename(dataset)
    shutil.rmtree(old, ignore_errors=True)


def _report(context: StageContext, summary: dict[str, Any]) -> None:
    context.reporter.update_dataset(
        now=True,
        train_images=summary["trainImages"],
        validation_images=summary["validationImages"],
        test_images=summary["testImages"],
        train_words=summary["trainWords"],
        validation_words=summary["validationWords"],
        characters=summary["characters"],
        longest_text=summary["longestText"],
        errors=summary["errorFindings"],
        repaired=summary["repairedFindings"],
        ignored=summary["ignoredFindings"],
    )


def _log_findings(findings: FindingsFile) -> None:
    for (severity, kind), count in sorted(findings.by_kind.items()):
        level = logging.WARNING if severity is Severity.ERROR else logging.INFO
        examples = "; ".join(findings.examples[severity, kind])
        logger.log(level, "Findings: %d %s, %s: %s", count, kind, severity, examples)
