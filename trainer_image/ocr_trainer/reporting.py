"""The one place from which a stage's progress goes out: the legacy files and the resource's status.

The files on the volume are written in the caller's thread, at most once a second. The API server is fed by
a background thread with the latest state only: a slow or absent API server never holds up a training step,
and what was missed in between is nobody's loss.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from ocr_contract.atomic import replace_json
from ocr_contract.legacy import TestStatus, TrainStatus, Word, as_document
from ocr_contract.stages import Stage
from ocr_contract.status import DatasetReport, DetectionReport, RecognitionReport, TestReport, TrainerStatus
from ocr_contract.volume import RunFolder, TestFolder

logger = logging.getLogger(__name__)

Apply = Callable[[dict[str, Any]], None]
"""Sends `status.trainer` (this stage's part of it) to the API server; raises OSError if it can't."""

_FILE_SECONDS = 1.0
_APPLY_SECONDS = 5.0
_LONGEST_BACK_OFF = 60.0
_CLOSE_SECONDS = 5.0

# Our reports' fields and the legacy status.json's.
_DATASET = {"train_images": "TotalTrainDetImageList", "train_words": "TotalTrainRecImageList"}
_DETECTION = {
    "epoch": "det_epoch",
    "total_epochs": "det_totalEpoch",
    "images_seen": "detimageProgress",
    "total_images": "TotalTrainDetImageList",
    "loss": "det_loss",
    "precision": "precision",
    "recall": "recall",
    "hmean": "hmean",
}
_RECOGNITION = {
    "epoch": "rec_epoch",
    "total_epochs": "rec_totalEpoch",
    "images_seen": "recimageProgress",
    "total_images": "TotalTrainRecImageList",
    "loss": "rec_loss",
    "word_acc": "word_acc",
    "word_acc_ignore_case": "word_acc_ignore_case",
    "word_acc_ignore_case_symbol": "word_acc_ignore_case_symbol",
    "char_recall": "char_recall",
    "char_precision": "char_precision",
}
_TEST = {"images_done": "testImage", "total_images": "totalTestImage"}
_ENDS = (Word.SUCCEEDED, Word.FAILED)


class Reporter:
    """Reports one stage's progress; every method returns at once."""

    def __init__(
        self,
        stage: Stage,
        run_key: str,
        run: RunFolder,
        test: TestFolder | None = None,
        *,
        own_test: bool = False,
        apply: Apply | None = None,
    ) -> None:
        """own_test: a test of its own: the run's folder is left alone. apply: None without Kubernetes."""
        self._stage, self._run_key, self._run, self._test, self._own_test = (
            stage, run_key, run, test, own_test
        )  # fmt: skip
        self._reports = TrainerStatus()
        self._fields: dict[str, Any] = {}
        self._test_fields: dict[str, Any] = {}
        self._written_at = -math.inf
        self._unwritten = False
        self._sender = _Sender(apply) if apply else None

    def start_anew(self, *, detection_epochs: int, recognition_epochs: int) -> None:
        """Write status.json from nothing: a training starts."""
        fresh = TrainStatus(det_totalEpoch=detection_epochs, rec_totalEpoch=recognition_epochs)
        replace_json(self._run.status, as_document(fresh))

    def update_dataset(self, *, now: bool = False, **fields: Any) -> None:
        """Fields of DatasetReport. now: write and send at once."""
        self._update("dataset", DatasetReport, fields, _DATASET, self._fields, now)

    def update_detection(self, *, now: bool = False, **fields: Any) -> None:
        """Fields of DetectionReport. now: write and send at once (epoch and stage ends)."""
        self._update("detection", DetectionReport, fields, _DETECTION, self._fields, now)

    def update_recognition(self, *, now: bool = False, **fields: Any) -> None:
        """Fields of RecognitionReport. now: write and send at once (epoch and stage ends)."""
        self._update("recognition", RecognitionReport, fields, _RECOGNITION, self._fields, now)

    def update_test(self, *, now: bool = False, **fields: Any) -> None:
        """Fields of TestReport. now: write and send at once."""
        self._update("test", TestReport, fields, _TEST, self._test_fields, now)

    def word(self, word: Word) -> None:
        """The legacy status word, written and sent at once."""
        if self._stage is Stage.TEST:
            self._test_fields["status"] = word.value
            if word in _ENDS and not self._own_test:
                self._fields["status"] = word.value
        else:
            self._fields["status"] = word.value
        if word.name.startswith("DETECTOR"):
            self.update_detection(now=True, state=word.name)
        elif word.name.startswith("RECOGNISER") and self._stage is not Stage.TEST:
            self.update_recognition(now=True, state=word.name)
        else:
            self._write_files()

    def close(self) -> None:
        """Write and send what is still waiting; returns within five seconds."""
        if self._unwritten:
            self._write_files()
        if self._sender:
            self._sender.close()

    def _update(
        self,
        part: str,
        model: type[BaseModel],
        fields: dict[str, Any],
        legacy_names: dict[str, str],
        legacy: dict[str, Any],
        now: bool,
    ) -> None:
        unknown = fields.keys() - model.model_fields.keys()
        assert not unknown, f"{model.__name__} has no {sorted(unknown)}"
        # Neither JSON nor a reader has a use for NaN: the last finite figure stays.
        finite = {k: _rounded(v) for k, v in fields.items() if not isinstance(v, float) or math.isfinite(v)}
        report = getattr(self._reports, part) or model(run=self._run_key)
        setattr(self._reports, part, report.model_copy(update={**finite, "updated_at": datetime.now(UTC)}))
        legacy |= {legacy_names[k]: v for k, v in finite.items() if k in legacy_names and v is not None}
        self._unwritten = True
        if now or time.monotonic() - self._written_at >= _FILE_SECONDS:
            self._write_files()
        if self._sender:
            self._sender.offer(self._reports.model_dump(mode="json", exclude_none=True), at_once=now)

    def _write_files(self) -> None:
        """Replace the legacy files, keeping what other stages wrote (both models may train at once)."""
        self._written_at, self._unwritten = time.monotonic(), False
        if self._fields and not self._own_test:
            _merge(self._run.status, TrainStatus, self._fields)
        self._fields.pop("status", None)  # said once: another stage may say the next word
        if self._test and self._test_fields:
            _merge(self._test.status_test, TestStatus, self._test_fields)


def _rounded(value: Any) -> Any:
    """Five digits, as the old service wrote: what follows is noise in a status and in a table's column."""
    return round(value, 5) if isinstance(value, float) else value


def _merge(path: Any, model: type[TrainStatus] | type[TestStatus], fields: dict[str, Any]) -> None:
    try:
        try:
            current = model.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            current = model()
        replace_json(path, as_document(current.model_copy(update=fields)))
    except OSError as error:
        # A full or absent volume shows itself where it matters, at the next checkpoint.
        logger.warning("Could not write %s: %s", path, error)


class _Sender:
    """A thread that sends the latest document, no more often than every five seconds unless asked."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._changed = threading.Condition()
        self._document: dict[str, Any] | None = None
        self._urgent = self._closing = False
        self._thread = threading.Thread(target=self._loop, name="status-sender", daemon=True)
        self._thread.start()

    def offer(self, document: dict[str, Any], *, at_once: bool) -> None:
        with self._changed:
            self._document = document
            self._urgent |= at_once
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)

    def _loop(self) -> None:
        not_before, failures = 0.0, 0
        while True:
            with self._changed:
                while not (self._closing or (self._document and self._is_due(not_before, failures))):
                    wait = not_before - time.monotonic() if self._document else None
                    self._changed.wait(max(wait, 0.01) if wait is not None else None)
                document, self._document, self._urgent = self._document, None, False
                closing = self._closing
            if document:
                failures = 0 if self._send(document) else failures + 1
                if failures and not closing:
                    with self._changed:
                        self._document = self._document or document
                pause = _APPLY_SECONDS if not failures else min(2.0**failures, _LONGEST_BACK_OFF)
                not_before = time.monotonic() + pause
            if closing:
                return

    def _is_due(self, not_before: float, failures: int) -> bool:
        return time.monotonic() >= not_before or (self._urgent and not failures)

    def _send(self, document: dict[str, Any]) -> bool:
        try:
            self._apply(document)
        except OSError as error:
            logger.warning("Could not send the status: %s", error)
            return False
        return True
