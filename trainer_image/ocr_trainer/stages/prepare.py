"""Check what people annotated and write it as the trainings read it; fail before any GPU is asked for.

Everything is written into a new folder that takes the old one's place at the end: an interrupted start leaves
what was there, and the next start does the work again.
"""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

from ocr_contract.atomic import read_object, replace_bytes, replace_json
from ocr_contract.stages import Stage
from ocr_contract.status import DatasetReport, FindingCount
from ocr_contract.volume import RunFolder
from ocr_trainer.context import StageContext
from ocr_trainer.dataset import dictionary
from ocr_trainer.dataset.figures import in_words
from ocr_trainer.dataset.findings import FindingsFile, Severity
from ocr_trainer.dataset.folder import FileIndex
from ocr_trainer.dataset.preparation import FORMAT, Preparation, ReusedDictionary
from ocr_trainer.errors import BadData
from ocr_trainer.owner import Owner
from ocr_trainer.presets import preset_path

logger = logging.getLogger(__name__)

_KINDS_AT_MOST = 40
"""What `DatasetReport.findings` holds; there are fewer."""


def run(context: StageContext) -> None:
    """Prepare the run's data set, or BadData in one plain sentence; nothing to do where nothing changed."""
    train = context.input.train
    context.reporter.start_anew(
        detection_epochs=train.detection.epochs, recognition_epochs=train.recognition.epochs
    )
    # A misspelt preset shall not be found out after hours of detector training.
    preset_path(Stage.DETECTION, train.detection.preset)
    preset_path(Stage.RECOGNITION, train.recognition.preset)
    reused = _reused_dictionary(context)
    index = FileIndex.scan(context.run.path)
    known = read_object(context.run.dataset / "dataset.json")
    given = hashlib.sha256(
        f"{FORMAT} {index.signature()} {train.run_test} {train.dataset.model_dump_json()} {reused}".encode()
    ).hexdigest()
    if known.get("given") == given:
        logger.info("Skipped the preparation: files and settings are those of the last one")
        _report(context, known)
        return
    owner = Owner(context.run.stage(Stage.PREPARE), context.pod_uid)
    owner.claim()
    for left_over in context.run.work.glob("dataset.*"):
        shutil.rmtree(left_over, ignore_errors=True)
    fresh = context.run.work / f"dataset.{context.pod_uid}.new"
    fresh.mkdir(parents=True)
    try:
        summary = _prepare(context, index, fresh, reused)
        replace_json(fresh / "dataset.json", summary | {"given": given})
        owner.check()
        _take_place(fresh, context.run.dataset)
    except BadData:
        replace_bytes(context.run.findings, (fresh / "findings.jsonl").read_bytes())
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _report(context, summary)
    for line in in_words(summary):
        logger.info("%s", line)


def _reused_dictionary(context: StageContext) -> ReusedDictionary | None:
    """Of the run whose recogniser `initFrom` names; a .pth file's characters are its training's concern."""
    run = context.input.train.recognition.init_from
    if not run or run.endswith(".pth"):
        return None
    # Without a mount there is no such folder: said in the same words as an empty one.
    other = RunFolder(context.init or Path("/nonexistent"))
    return ReusedDictionary(run, dictionary.read(other.dataset / "dictionary.txt", run))


def _prepare(
    context: StageContext, index: FileIndex, fresh: Path, reused: ReusedDictionary | None
) -> dict[str, Any]:
    with FindingsFile(fresh / "findings.jsonl") as findings:

        def report() -> None:
            context.reporter.update_dataset(
                errors=findings.count(Severity.ERROR),
                repaired=findings.count(Severity.REPAIRED),
                ignored=findings.count(Severity.IGNORED),
            )

        preparation = Preparation(
            index, fresh, context.input.train.dataset, findings, context.progress, context.stop,
            place=context.run.dataset.relative_to(context.run.path).as_posix(), after_image=report,
            reused=reused,
        )  # fmt: skip
        try:
            return preparation.write(with_test=context.input.train.run_test)
        finally:
            report()
            context.reporter.update_dataset(findings=_counts(findings.counts()))
            for line in findings.lines():
                logger.info("Found %s", line)


def _counts(counts: list[dict[str, Any]]) -> list[FindingCount]:
    return [FindingCount.model_validate(count) for count in counts[:_KINDS_AT_MOST]]


def _take_place(fresh: Path, dataset: Path) -> None:
    """A folder can't replace a full one in one step: for a moment there is none, never half of one."""
    old = fresh.with_suffix(".old")
    if dataset.exists():
        dataset.rename(old)
    fresh.rename(dataset)
    shutil.rmtree(old, ignore_errors=True)


def _report(context: StageContext, summary: dict[str, Any]) -> None:
    """dataset.json names its figures as the report does, but for the findings' counts."""
    report = DatasetReport.model_validate(summary | {"findings": summary["findings"][:_KINDS_AT_MOST]})
    context.reporter.update_dataset(
        now=True,
        errors=summary["errorFindings"],
        repaired=summary["repairedFindings"],
        ignored=summary["ignoredFindings"],
        **{name: getattr(report, name) for name in report.model_fields_set},
    )
