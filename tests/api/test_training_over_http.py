"""A training as the annotation platform sees it: started, watched, stopped, continued, repeated."""

from typing import Any

import httpx
import pytest

from facade_process import Facade, eventually
from ocr_contract.legacy import TrainStatus, Word
from ocr_contract.names import run_hash

QUEUED = {
    key: value
    for key, value in TrainStatus(det_totalEpoch=50, rec_totalEpoch=20).model_dump().items()
    if key != "status"
}
EARLY = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T01:00:00Z"

DETECTION = {
    "state": "DETECTOR_VALIDATED", "epoch": 50, "totalEpochs": 50, "imagesSeen": 274, "totalImages": 274,
    "loss": 0.5657, "precision": 0.9992, "recall": 0.9996, "hmean": 0.9994,
}  # fmt: skip
RECOGNITION = {
    "state": "RECOGNISER_TRAINING", "epoch": 3, "totalEpochs": 20, "imagesSeen": 1280, "totalImages": 4932,
    "loss": 0.41, "wordAcc": 0.8, "wordAccIgnoreCase": 0.81, "wordAccIgnoreCaseSymbol": 0.82,
    "charRecall": 0.9, "charPrecision": 0.91,
}  # fmt: skip
FIGURES = {
    "det_totalEpoch": 50, "TotalTrainDetImageList": 274, "TotalTrainRecImageList": 4932,
    "detimageProgress": 274, "det_epoch": 50, "det_loss": 0.5657, "precision": 0.9992, "recall": 0.9996,
    "hmean": 0.9994, "rec_totalEpoch": 20, "recimageProgress": 1280, "rec_epoch": 3, "rec_loss": 0.41,
    "word_acc": 0.8, "word_acc_ignore_case": 0.81, "word_acc_ignore_case_symbol": 0.82, "char_recall": 0.9,
    "char_precision": 0.91,
}  # fmt: skip


def run_status(revision: int = 0, finished: bool = False, **states: str) -> dict[str, Any]:
    stages = {stage: {"state": state} for stage, state in states.items()}
    run: dict[str, Any] = {"id": "r1", "revision": revision, "startedAt": EARLY, "stages": stages}
    return run | {"finishedAt": LATER} if finished else run


def succeeded(facade: Facade, project_id: str, revision: int = 0) -> None:
    """What operator and trainer leave after a good run."""
    run = run_hash("r1", revision)
    facade.report(
        project_id,
        phase="Succeeded",
        train=run_status(revision, finished=True, detection="Succeeded", recognition="Succeeded"),
        model={"trainId": "r1", "path": f"train/{project_id}/r1/model/pthModel.zip"},
        trainer={"detection": DETECTION | {"run": run}, "recognition": RECOGNITION | {"run": run}},
    )


def word(facade: Facade, project_id: str) -> str:
    return str(facade.ask("/status", projectID=project_id)["status"])


def test_a_project_that_was_never_started_is_unknown(facade: Facade, project_id: str) -> None:
    for path in ("/status", "/getEpoch", "/train/stop", "/test/stop", "/train/checkFile", "/train/download"):
        answer = facade.get(path, projectID=project_id)
        assert answer.status_code == 404
        assert answer.json() == {"code": 404, "msg": f"there is no project {project_id!r}"}


def test_a_started_run_answers_from_the_first_second(facade: Facade, project_id: str) -> None:
    started = facade.ask("/train/start", projectID=project_id, trainID="r1")
    assert started == {
        "code": 0, "msg": "ok", "projectID": project_id, "trainID": "r1", "revision": 0, "state": "active",
    }  # fmt: skip
    status = facade.ask("/status", projectID=project_id, trainID="r1")
    assert status == {
        "code": 0, "msg": "ok", "status": Word.DETECTOR_TRAINING, "projectID": project_id, "trainID": "r1",
    } | QUEUED  # fmt: skip
    assert facade.ask("/getEpoch", projectID=project_id)["epoch"] == 0
    spec = facade.live(project_id)["spec"]
    assert spec["projectID"] == project_id
    assert spec["train"]["id"] == "r1" and spec["train"]["detection"]["epochs"] == 50


def test_the_keys_of_status_are_those_of_status_json_in_their_order(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    keys = list(facade.ask("/status", projectID=project_id))
    assert keys == ["code", "msg", *TrainStatus.model_fields, "projectID", "trainID"]


def test_options_of_start_reach_the_resource(facade: Facade, project_id: str) -> None:
    facade.ask(
        "/train/start", projectID=project_id, trainID="r1", runTest=1, detPreset="dbnet_r18_tiny",
        detEpochs=3, detBatchSize=2, recPreset="crnn_tiny", rec_totalEpoch=5, recBatchSize=16,
    )  # fmt: skip
    train = facade.live(project_id)["spec"]["train"]
    assert train["runTest"] is True
    chosen = {"preset": "dbnet_r18_tiny", "epochs": 3, "batchSize": 2, "evaluateEvery": 5}
    assert train["detection"].items() >= chosen.items()
    assert train["recognition"].items() >= {"preset": "crnn_tiny", "epochs": 5, "batchSize": 16}.items()


def test_the_figures_of_a_training_run_are_the_trainers(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    run = run_hash("r1", 0)
    facade.report(
        project_id,
        phase="Training",
        train=run_status(detection="Succeeded", recognition="Running"),
        trainer={"detection": DETECTION | {"run": run}, "recognition": RECOGNITION | {"run": run}},
    )
    eventually(lambda: word(facade, project_id) == Word.RECOGNISER_TRAINING)
    answer = facade.ask("/status", projectID=project_id)
    assert {key: answer[key] for key in FIGURES} == FIGURES
    epoch = facade.ask("/getEpoch", projectID=project_id)
    assert (epoch["epoch"], epoch["totalEpoch"], epoch["loss"]) == (3, 20, 0.41)


def test_starting_a_running_run_again_changes_nothing(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1", detEpochs=7)
    before = facade.live(project_id)["metadata"]["resourceVersion"]
    assert facade.ask("/train/start", projectID=project_id, trainID="r1")["state"] == "active"
    assert facade.ask("/train/start", projectID=project_id, trainID="r1", detEpochs=7)["revision"] == 0
    assert facade.live(project_id)["metadata"]["resourceVersion"] == before


def test_a_running_run_cannot_be_given_other_settings(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1", detEpochs=7)
    answer = facade.get("/train/start", projectID=project_id, trainID="r1", detEpochs=8)
    assert answer.status_code == 400
    assert "a run is immutable: give train.id a new value" in answer.json()["msg"]


def test_a_stopped_run_goes_on_with_its_settings(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1", detEpochs=7)
    for _ in range(2):
        assert facade.ask("/train/stop", projectID=project_id)["state"] == "suspended"
    stopped = facade.live(project_id)["spec"]["train"]
    assert stopped["suspend"] is True and stopped["detection"]["epochs"] == 7
    assert word(facade, project_id) == Word.DETECTOR_TRAINING
    again = facade.ask("/train/start", projectID=project_id, trainID="r1")
    assert (again["state"], again["revision"]) == ("active", 0)
    assert facade.live(project_id)["spec"]["train"] == stopped | {"suspend": False}


def test_stop_names_the_run_that_is_really_trained(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    answer = facade.get("/train/stop", projectID=project_id, trainID="r0")
    assert answer.status_code == 404 and "trains 'r1', not 'r0'" in answer.json()["msg"]
    assert facade.live(project_id)["spec"]["train"]["suspend"] is False


def test_a_finished_run_says_so_and_starts_again_from_the_beginning(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1", detEpochs=7)
    succeeded(facade, project_id)
    eventually(lambda: word(facade, project_id) == Word.SUCCEEDED)
    answer = facade.ask("/status", projectID=project_id)
    assert {key: answer[key] for key in FIGURES} == FIGURES
    assert facade.ask("/train/stop", projectID=project_id)["state"] == "succeeded"
    assert facade.live(project_id)["spec"]["train"]["suspend"] is False

    again = facade.ask("/train/start", projectID=project_id, trainID="r1")
    assert (again["revision"], again["state"]) == (1, "active")
    assert facade.live(project_id)["spec"]["train"]["detection"]["epochs"] == 7
    assert facade.ask("/train/start", projectID=project_id, trainID="r1")["revision"] == 1
    answer = facade.ask("/status", projectID=project_id)
    asked = QUEUED | {"det_totalEpoch": 7}
    assert {key: answer[key] for key in asked} == asked and answer["status"] == Word.DETECTOR_TRAINING


def test_a_failed_run_says_why_and_starts_again(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    failed = run_status(finished=True)
    failed["stages"] = {"prepare": {"state": "Failed", "reason": "BadData", "message": "no annotations"}}
    facade.report(project_id, phase="Failed", train=failed)
    eventually(lambda: word(facade, project_id) == Word.FAILED)
    assert facade.ask("/status", projectID=project_id)["msg"] == "no annotations"
    again = facade.ask("/train/start", projectID=project_id, trainID="r1", detEpochs=9)
    assert (again["revision"], again["state"]) == (1, "active")
    assert facade.live(project_id)["spec"]["train"]["detection"]["epochs"] == 9


def test_an_id_that_ended_before_goes_on_counting(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    facade.report(project_id, runs=[{"id": "r1", "revision": 0, "outcome": "Succeeded"}])
    assert facade.ask("/train/start", projectID=project_id, trainID="r2", recEpochs=2)["revision"] == 0
    assert facade.ask("/train/start", projectID=project_id, trainID="r1")["revision"] == 1
    # What r2 chose was r2's: r1 has the defaults.
    assert facade.live(project_id)["spec"]["train"]["recognition"]["epochs"] == 20


def test_an_earlier_run_answers_from_the_file_it_left(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r2")
    left = TrainStatus(status=Word.SUCCEEDED.value, hmean=0.97, det_epoch=50)
    facade.put(f"train/{project_id}/r1/status.json", left.model_dump_json().encode())
    answer = facade.ask("/status", projectID=project_id, trainID="r1")
    assert answer["status"] == Word.SUCCEEDED and answer["hmean"] == 0.97
    assert facade.get("/status", projectID=project_id, trainID="r0").status_code == 404
    facade.delete(project_id)
    eventually(lambda: facade.get("/status", projectID=project_id).status_code == 404)
    assert facade.ask("/status", projectID=project_id, trainID="r1")["status"] == Word.SUCCEEDED


def test_without_an_id_the_run_started_last_is_meant(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=f"{project_id}-1", trainID="r1")
    facade.ask("/train/start", projectID=f"{project_id}-2", trainID="r1")
    assert facade.ask("/status")["projectID"] == f"{project_id}-2"
    facade.ask("/train/stop", projectID=f"{project_id}-1")
    assert facade.ask("/status")["projectID"] == f"{project_id}-2"
    facade.ask("/train/start", projectID=f"{project_id}-1", trainID="r1")
    assert facade.ask("/status")["projectID"] == f"{project_id}-1"
    assert facade.ask("/getEpoch")["projectID"] == f"{project_id}-1"


def test_what_engineers_set_with_kubectl_stays(facade: Facade) -> None:
    spec = {
        "train": {"id": "r0", "detection": {"preset": "dbnet_r18_tiny", "epochs": 2}},
        "resources": {"gpus": 0},
    }
    facade.create("engineers", spec)
    eventually(lambda: facade.get("/status", projectID="engineers").status_code == 200)
    facade.ask("/train/stop", projectID="engineers")
    facade.ask("/train/start", projectID="engineers", trainID="r1", recEpochs=3)
    live = facade.live("engineers")["spec"]
    assert live["resources"]["gpus"] == 0
    assert live["train"]["id"] == "r1" and live["train"]["suspend"] is False
    assert live["train"]["detection"]["preset"] == "dbnet_r18_tiny"
    assert live["train"]["recognition"]["epochs"] == 3
    assert "projectID" not in live


def test_a_name_taken_by_another_project_is_not_overwritten(facade: Facade) -> None:
    facade.create("taken", {"projectID": "Somebody else's"})
    answer = facade.get("/train/start", projectID="taken", trainID="r1")
    assert answer.status_code == 409 and "Somebody else's" in answer.json()["msg"]
    eventually(
        lambda: facade.get("/status", projectID="Somebody else's").json()["msg"].endswith("no training")
    )


@pytest.mark.parametrize("verb", ["query", "form", "multipart", "json", "json called a form", "GET"])
def test_parameters_come_from_query_form_or_json_alike(facade: Facade, project_id: str, verb: str) -> None:
    given = {"projectID": project_id, "trainID": "7", "detEpochs": "3"}
    http = facade.http
    calls = {
        "GET": lambda: http.get("/train/start", params=given),
        "query": lambda: http.post("/train/start", params=given),
        "form": lambda: http.post("/train/start", data=given),
        "multipart": lambda: http.post(
            "/train/start", files={name: (None, value) for name, value in given.items()}
        ),
        "json": lambda: http.post("/train/start", json=given | {"trainID": 7, "detEpochs": 3}),
        "json called a form": lambda: http.post(
            "/train/start", params={"projectID": project_id}, content=b'{"trainID": 7, "detEpochs": 3}',
            headers={"content-type": "application/x-www-form-urlencoded"},
        ),
    }  # fmt: skip
    answer: httpx.Response = calls[verb]()
    assert answer.status_code == 200, answer.text
    train = facade.live(project_id)["spec"]["train"]
    assert train["id"] == "7" and train["detection"]["epochs"] == 3
