"""The legacy words and figures, for every way in which a run can stand."""

from typing import Any

import pytest

from ocr_contract import legacy_view, names
from ocr_contract.legacy import TestStatus, TrainStatus, Word
from ocr_contract.legacy_view import current_epoch, train_status
from ocr_contract.names import run_hash
from ocr_contract.project import Project, RunState, from_object, last_started

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
RUN = run_hash("r1", 2)
DETECTED = "DETECTOR_VALIDATED"


def project(status: dict[str, Any], suspend: bool = False, **spec: Any) -> Project:
    train = {"id": "r1", "revision": 2, "suspend": suspend}
    metadata = {"name": "p", "generation": 5, "creationTimestamp": EARLY}
    return from_object({"metadata": metadata, "spec": {"train": train} | spec, "status": status})


def run(finished: bool = False, revision: int = 2, **states: str) -> dict[str, Any]:
    stages = {stage: {"state": state} for stage, state in states.items()}
    return {"id": "r1", "revision": revision, "stages": stages} | ({"finishedAt": LATE} if finished else {})


def reports(detection: str | None = None, recognition: str | None = None, of: str = RUN) -> dict[str, Any]:
    states = {"detection": detection, "recognition": recognition}
    return {stage: {"run": of, "state": state, "epoch": 3} for stage, state in states.items() if state}


WORDS: dict[str, tuple[dict[str, Any], Word]] = {
    "nothing is known yet": ({}, Word.DETECTOR_TRAINING),
    "queued": ({"phase": "Pending", "train": run(prepare="Pending")}, Word.DETECTOR_TRAINING),
    "preparing": ({"phase": "Preparing", "train": run(prepare="Running")}, Word.DETECTOR_TRAINING),
    "the detector is validated": (
        {"train": run(detection="Running"), "trainer": reports("DETECTOR_VALIDATING")},
        Word.DETECTOR_VALIDATING,
    ),
    "the recogniser waits for its pod": (
        {"train": run(recognition="Pending"), "trainer": reports(DETECTED)},
        Word.DETECTOR_VALIDATED,
    ),
    "the recogniser trains": (
        {
            "train": run(recognition="Running"),
            "trainer": reports(DETECTED, "RECOGNISER_TRAINING"),
        },
        Word.RECOGNISER_TRAINING,
    ),
    "packaging": (
        {"train": run(package="Running"), "trainer": reports(DETECTED, "RECOGNISER_VALIDATED")},
        Word.RECOGNISER_VALIDATED,
    ),
    "the trainer says more than it may": (
        {"train": run(package="Running"), "trainer": reports(DETECTED, "SUCCEEDED")},
        Word.DETECTOR_VALIDATED,
    ),
    "succeeded": ({"train": run(finished=True, package="Succeeded")}, Word.SUCCEEDED),
    "failed": ({"train": run(detection="Failed")}, Word.FAILED),
    "failed, whatever the trainer said last": (
        {
            "train": run(finished=True, package="Failed"),
            "trainer": reports(DETECTED, "SUCCEEDED"),
        },
        Word.FAILED,
    ),
    "the run before succeeded": ({"train": run(finished=True, revision=1)}, Word.DETECTOR_TRAINING),
    "a report of the run before": (
        {"trainer": reports(DETECTED, of=run_hash("r1", 1))},
        Word.DETECTOR_TRAINING,
    ),
    "a word of a newer trainer": ({"trainer": reports("DETECTOR_DREAMING")}, Word.DETECTOR_TRAINING),
    "a phase of a newer operator": (
        {"phase": "Meditating", "train": run(finished=True, package="Succeeded")},
        Word.SUCCEEDED,
    ),
}


@pytest.mark.parametrize(("status", "word"), WORDS.values(), ids=WORDS)
def test_the_word(status: dict[str, Any], word: Word) -> None:
    assert train_status(project(status)).status == word


def test_a_stopped_run_keeps_its_word_and_figures() -> None:
    status = {"train": run(detection="Suspended"), "trainer": reports("DETECTOR_TRAINING")}
    stopped = project(status, suspend=True)
    assert stopped.train_state == RunState.SUSPENDED
    assert train_status(stopped).status == Word.DETECTOR_TRAINING
    assert train_status(stopped).det_epoch == 3


def test_a_report_of_another_run_gives_no_figures() -> None:
    status = {"trainer": reports("DETECTOR_TRAINING", "RECOGNISER_TRAINING", of=run_hash("r0", 2))}
    assert train_status(project(status)) == TrainStatus()


def test_totals_are_known_as_soon_as_the_data_is_prepared() -> None:
    dataset = {"run": RUN, "trainImages": 274, "trainWords": 4932}
    shown = train_status(project({"trainer": {"dataset": dataset}}))
    assert (shown.TotalTrainDetImageList, shown.TotalTrainRecImageList) == (274, 4932)


def test_the_epochs_asked_for_are_told_before_any_trainer_reports() -> None:
    asked = {"detection": {"epochs": 50}, "recognition": {"epochs": 20}}
    train = {"id": "r1", "revision": 2} | asked
    shown = train_status(project({}, train=train))
    assert (shown.det_totalEpoch, shown.rec_totalEpoch) == (50, 20)


def test_a_spec_that_the_operator_refuses_has_failed_and_says_why() -> None:
    condition = {
        "type": "Failed", "status": "True", "reason": "InvalidSpec", "message": "set resources.nodes to 1",
        "lastTransitionTime": EARLY,
    }  # fmt: skip
    refused = project({"conditions": [condition | {"observedGeneration": 5}]})
    assert train_status(refused).status == Word.FAILED
    assert refused.train_message == "set resources.nodes to 1"
    corrected = project({"conditions": [condition | {"observedGeneration": 4}]})
    assert train_status(corrected).status == Word.DETECTOR_TRAINING


def test_the_message_is_of_the_stage_that_failed_first_not_of_those_stopped_with_it() -> None:
    stages = {
        "detection": {"state": "Failed", "reason": "Stopped", "message": "stopped with recognition"},
        "recognition": {"state": "Failed", "reason": "OOMKilled", "message": "needs more memory"},
    }
    assert project({"train": run() | {"stages": stages}}).train_message == "needs more memory"


def test_a_waiting_run_says_for_what() -> None:
    condition = {
        "type": "Waiting", "status": "True", "reason": "Unschedulable", "message": "0/1 nodes have a GPU",
        "lastTransitionTime": EARLY,
    }  # fmt: skip
    waiting = {"conditions": [condition], "train": run(detection="Pending")}
    assert project(waiting).train_message == "0/1 nodes have a GPU"
    assert project(waiting | {"train": run(finished=True)}).train_message == ""


TESTS: dict[str, tuple[dict[str, Any], TestStatus]] = {
    "queued": ({}, TestStatus()),
    "running": (
        {
            "test": {"id": "t1"},
            "trainer": {"test": {"run": names.test_hash("t1", 0), "imagesDone": 3, "totalImages": 9}},
        },
        TestStatus(testImage=3, totalTestImage=9),
    ),
    "another test's figures": (
        {"trainer": {"test": {"run": "t0", "imagesDone": 3, "totalImages": 9}}},
        TestStatus(),
    ),
    "succeeded": (
        {"test": {"id": "t1", "finishedAt": LATE, "stages": {"test": {"state": "Succeeded"}}}},
        TestStatus(status=Word.SUCCEEDED.value),
    ),
    "failed": (
        {"test": {"id": "t1", "stages": {"test": {"state": "Failed"}}}},
        TestStatus(status=Word.FAILED.value),
    ),
    "the test before failed": ({"test": {"id": "t0", "stages": {"test": {"state": "Failed"}}}}, TestStatus()),
}


@pytest.mark.parametrize(("status", "shown"), TESTS.values(), ids=TESTS)
def test_the_status_of_a_test(status: dict[str, Any], shown: TestStatus) -> None:
    assert legacy_view.test_status(project(status, test={"id": "t1"})) == shown


def test_the_epoch_is_of_the_model_in_training() -> None:
    det = {"det_totalEpoch": 50, "det_epoch": 50, "det_loss": 0.5}
    both = TrainStatus.model_validate(det | {"rec_totalEpoch": 20, "rec_epoch": 1, "rec_loss": 2})
    assert current_epoch(both) == (1, 20, 2.0)
    assert current_epoch(both.model_copy(update={"rec_epoch": 0})) == (50, 50, 0.5)


def test_the_run_started_last_is_told_from_what_facade_and_operator_know() -> None:
    def started(name: str, created: str, annotation: str = "", operator: str = "") -> Project:
        annotations = {"ocrproject.dev/train-started-at": annotation} if annotation else {}
        status = {"train": {"id": "r", "startedAt": operator}} if operator else {}
        metadata = {"name": name, "creationTimestamp": created, "annotations": annotations}
        return from_object({"metadata": metadata, "spec": {"train": {"id": "r"}}, "status": status})

    old = started("old", "2026-01-01T00:00:00Z")
    by_operator = started("by-operator", "2026-01-01T00:00:00Z", operator="2026-01-02T00:00:00Z")
    by_facade = started("by-facade", "2026-01-01T00:00:00Z", annotation="2026-01-02T00:00:00.001+00:00")
    nonsense = started("nonsense", "2026-01-01T12:00:00Z", annotation="yesterday")
    idle = from_object({"metadata": {"name": "idle", "creationTimestamp": "2026-02-01T00:00:00Z"}})
    assert last_started([old, by_facade, idle, by_operator]) is by_facade
    assert last_started([old, by_operator]) is by_operator
    assert last_started([nonsense, old]) is nonsense
    assert last_started([idle]) is None
