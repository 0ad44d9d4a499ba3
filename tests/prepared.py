"""The prepare stage run as its Job runs it, and what it wrote, for the tests that look at it."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np

from annotated_folder import AnnotatedFolder
from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.context import StageContext
from ocr_trainer.progress import LogProgress
from ocr_trainer.reporting import Apply, Reporter
from ocr_trainer.stages import prepare


def run_prepare(
    folder: AnnotatedFolder,
    *,
    stop: bool = False,
    init: Path | None = None,
    apply: Apply | None = None,
    **settings: Any,
) -> RunFolder:
    """The stage as its Job runs it."""
    run = RunFolder(folder.path)
    train = Train.model_validate({"id": "one", **settings})
    reporter = Reporter(Stage.PREPARE, "key", run, apply=apply)
    stopped = threading.Event()
    if stop:
        stopped.set()
    given = StageInput(project_id="p", train=train)
    prepare.run(StageContext(given, run, None, reporter, "uid", stopped, LogProgress(), init))
    reporter.close()
    return run


def findings(run: RunFolder) -> Counter[tuple[str, str]]:
    lines = [json.loads(line) for line in run.findings.read_text().splitlines()]
    return Counter((line["severity"], line["kind"]) for line in lines)


def dataset(run: RunFolder) -> dict[str, Any]:
    return dict(json.loads((run.dataset / "dataset.json").read_text()))


def pages(run: RunFolder, role: str) -> dict[str, list[dict[str, Any]]]:
    document = json.loads((run.dataset / "detection" / f"{role}.json").read_text())
    assert document["metainfo"]["task_name"] == "textdet"
    return {page["img_path"]: page["instances"] for page in document["data_list"]}


def all_texts(run: RunFolder) -> list[str]:
    both = {**pages(run, "train"), **pages(run, "val")}
    return [instance["text"] for instances in both.values() for instance in instances]


def lines(run: RunFolder, role: str) -> list[tuple[np.ndarray, dict[str, Any]]]:
    path = str(run.dataset / "recognition" / f"{role}.lmdb")
    with lmdb.open(path, readonly=True, lock=False) as store, store.begin() as transaction:
        count = int(transaction.get(b"num-samples"))
        return [
            (
                cv2.imdecode(np.frombuffer(transaction.get(b"image-%09d" % n), np.uint8), cv2.IMREAD_COLOR),
                json.loads(transaction.get(b"label-%09d" % n)),
            )
            for n in range(1, count + 1)
        ]
