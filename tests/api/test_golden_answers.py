"""Every legacy path in every state that a run or a test can be in, compared whole with what is on record.

The answers are files in golden/, so that a change of one is seen in review. OCR_WRITE_GOLDEN=1 writes them.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from facade_process import Facade, eventually
from ocr_contract.names import run_hash
from ocr_contract.names import test_hash as hash_of_test

GOLDEN = Path(__file__).with_name("golden")
EARLY, LATER = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"

Document = dict[str, Any]

DATASET = {"trainImages": 274, "validationImages": 30, "trainWords": 4932, "validationWords": 500}
DETECTION = {
    "epoch": 50, "totalEpochs": 50, "imagesSeen": 274, "totalImages": 274, "loss": 0.5657,
    "precision": 0.9992, "recall": 0.9996, "hmean": 0.9994,
}  # fmt: skip
RECOGNITION = {
    "epoch": 20, "totalEpochs": 20, "imagesSeen": 4932, "totalImages": 4932, "loss": 0.01, "wordAcc": 1.0,
    "wordAccIgnoreCase": 1.0, "wordAccIgnoreCaseSymbol": 1.0, "charRecall": 1.0, "charPrecision": 1.0,
}  # fmt: skip


def run(revision: int = 0, finished: bool = False, **stages: str | Document) -> Document:
    """status.train; a stage is its state, or more."""
    documents = {
        name: {"state": stage} if isinstance(stage, str) else stage for name, stage in stages.items()
    }
    ends = {"finishedAt": LATER} if finished else {}
    return {"id": "r1", "revision": revision, "startedAt": EARLY, "stages": documents, **ends}


def trainer(revision: int = 0, **reports: Document) -> Document:
    return {name: report | {"run": run_hash("r1", revision)} for name, report in reports.items()}


def condition(kind: str, reason: str, message: str) -> Document:
    return {
        "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": EARLY,
        "observedGeneration": 1,
    }  # fmt: skip


DONE = {"prepare": "Succeeded", "detection": "Succeeded", "recognition": "Succeeded", "package": "Succeeded"}
MODEL = {"model": {"trainId": "r1", "path": "train/p/r1/model/pthModel.zip"}}
SUCCEEDED: Document = {
    "phase": "Succeeded", "train": run(finished=True, **DONE), **MODEL,
    "trainer": trainer(dataset=DATASET, detection=DETECTION | {"state": "DETECTOR_VALIDATED"},
                       recognition=RECOGNITION | {"state": "RECOGNISER_VALIDATED"}),
}  # fmt: skip


def training(**reports: Document) -> Document:
    return {
        "phase": "Training",
        "train": run(prepare="Succeeded", detection="Running"),
        "trainer": trainer(**reports),
    }


def of_a_test(state: str, finished: bool = False, **report: Any) -> Document:
    ends = {"finishedAt": LATER} if finished else {}
    stage = {"state": state} | (
        {"reason": "BadData", "message": "no images in test/p/t1"} if state == "Failed" else {}
    )
    return SUCCEEDED | {
        "test": {"id": "t1", "revision": 0, "startedAt": LATER, "stages": {"test": stage}, **ends},
        "trainer": SUCCEEDED["trainer"]
        | ({"test": report | {"run": hash_of_test("t1", 0)}} if report else {}),
    }


TRAIN_STATES: dict[str, Document] = {
    "queued": {},
    "waiting": {
        "phase": "Pending", "train": run(prepare="Pending"),
        "conditions": [condition("Waiting", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu")],
    },
    "preparing": {"phase": "Preparing", "train": run(prepare="Running"), "trainer": trainer(dataset=DATASET)},
    "detector-training": training(
        dataset=DATASET, detection=DETECTION | {"state": "DETECTOR_TRAINING", "epoch": 3, "imagesSeen": 100}
    ),
    "detector-trained": training(dataset=DATASET, detection=DETECTION | {"state": "DETECTOR_TRAINED"}),
    "detector-validating": training(dataset=DATASET, detection=DETECTION | {"state": "DETECTOR_VALIDATING"}),
    "detector-validated": training(dataset=DATASET, detection=DETECTION | {"state": "DETECTOR_VALIDATED"}),
    "recogniser-training": training(
        dataset=DATASET, detection=DETECTION | {"state": "DETECTOR_VALIDATED"},
        recognition=RECOGNITION | {"state": "RECOGNISER_TRAINING", "epoch": 3, "imagesSeen": 1280},
    ),
    "recogniser-trained": training(recognition=RECOGNITION | {"state": "RECOGNISER_TRAINED"}),
    "recogniser-validating": training(recognition=RECOGNITION | {"state": "RECOGNISER_VALIDATING"}),
    "packaging": {
        "phase": "Packaging", "train": run(**(DONE | {"package": "Running"})),
        "trainer": trainer(recognition=RECOGNITION | {"state": "RECOGNISER_VALIDATED"}),
    },
    "succeeded": SUCCEEDED,
    "failed": {
        "phase": "Failed",
        "train": run(finished=True, prepare={"state": "Failed", "reason": "BadData", "message": "no text"}),
    },
    "report-of-another-run": {
        "phase": "Training", "train": run(detection="Running"),
        "trainer": trainer(revision=7, detection=DETECTION | {"state": "DETECTOR_VALIDATED"}),
    },
}  # fmt: skip
TEST_STATES: dict[str, Document] = {
    "test-queued": SUCCEEDED,
    "test-running": of_a_test("Running", imagesDone=3, totalImages=15),
    "test-succeeded": of_a_test("Succeeded", finished=True, imagesDone=15, totalImages=15),
    "test-failed": of_a_test("Failed", finished=True),
}

READS = [
    "/status?projectID={p}", "/status?projectID={p}&trainID=r1", "/status?projectID={p}&testID=t1",
    "/status?projectID={p}&trainID=r9", "/getEpoch?projectID={p}",
    "/train/checkFile?projectID={p}", "/train/checkFile?projectID={p}&trainID=r1&type=testResult",
    "/test/checkFile?projectID={p}&testID=t1", "/train/download?projectID={p}&trainID=r1&downloadType=model",
    "/train/download?projectID={p}&downloadType=testResult", "/test/download?projectID={p}&testID=t1",
]  # fmt: skip
WRITES = [
    "/train/start?projectID={p}&trainID=r1", "/train/stop?projectID={p}",
    "/train/stop?projectID={p}&trainID=r9",
    "/test/start?projectID={p}&testID=t1", "/test/stop?projectID={p}", "/test/stop?projectID={p}&testID=t9",
]  # fmt: skip


def answers(facade: Facade, project_id: str, paths: list[str]) -> Document:
    """Each path's status and JSON, or the bytes of a file."""
    found = {}
    for path in paths:
        answer = facade.http.get(path.format(p=project_id))
        is_file = "content-disposition" in answer.headers
        body = f"{len(answer.content)} bytes" if is_file else answer.json()
        found[path] = {"http": answer.status_code, "answer": body}
    return found


@pytest.mark.parametrize("state", [*TRAIN_STATES, *TEST_STATES])
def test_the_legacy_answers_are_those_on_record(facade: Facade, state: str) -> None:
    project_id = f"收据_{state}"
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    status = TRAIN_STATES.get(state, SUCCEEDED)
    if "finishedAt" in status.get("train", {}) and state != "failed":
        facade.put(f"train/{project_id}/r1/model/pthModel.zip", b"PK" * 512)
        facade.put(f"train/{project_id}/r1/testResult.json", b'{"images": []}')
    if status:
        facade.report(project_id, **status)
        eventually(lambda: facade.reads(project_id, status))
    if state in TEST_STATES:
        facade.ask("/test/start", projectID=project_id, testID="t1")
        facade.report(project_id, **TEST_STATES[state])
        eventually(lambda: facade.reads(project_id, TEST_STATES[state]))
        if state == "test-succeeded":
            facade.put(f"test/{project_id}/t1/testResult.json", b'{"images": [1]}')
    # Reads first: the writes change what they would say.
    found = answers(facade, project_id, READS) | answers(facade, project_id, WRITES)
    file = GOLDEN / f"{state}.json"
    if os.environ.get("OCR_WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    assert found == json.loads(file.read_text())


def test_nothing_is_on_record_for_a_state_that_is_not_tested() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {*TRAIN_STATES, *TEST_STATES}
