"""/api/v1 runs and tests: started, stopped, resumed, retried; present and past."""

from typing import Any

import pytest

from facade_process import Facade, eventually
from ocr_contract.names import run_hash

EARLY, LATER = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"


class Runs:
    """One project's runs (or tests), as a caller drives them."""

    def __init__(self, facade: Facade, project_id: str, kind: str) -> None:
        self.facade, self.project_id = facade, project_id
        self.path = f"/api/v1/projects/{project_id}/{kind}"

    def start(self, identifier: str, **settings: Any) -> Any:
        return self.facade.http.post(self.path, json={"id": identifier, **settings})

    def do(self, verb: str, identifier: str) -> Any:
        return self.facade.http.post(f"{self.path}/{identifier}/{verb}")

    def read(self, identifier: str) -> dict[str, Any]:
        document: dict[str, Any] = self.facade.http.get(f"{self.path}/{identifier}").json()
        return document

    def until(self, identifier: str, **fields: Any) -> dict[str, Any]:
        def there() -> bool:
            run = self.read(identifier)
            return all(run.get(name) == value for name, value in fields.items())

        eventually(there, f"{identifier} did not get {fields}")
        return self.read(identifier)


@pytest.fixture
def runs(facade: Facade, project_id: str) -> Runs:
    made = facade.http.post("/api/v1/projects", json={"spec": {"projectID": project_id}})
    assert made.status_code == 201
    return Runs(facade, project_id, "runs")


def ended(facade: Facade, project_id: str, revision: int = 0, **stage: Any) -> None:
    """What the operator leaves of a run that has ended."""
    stages = {
        "detection": {"state": "Succeeded", "gpuSeconds": 12.5},
        "package": {"state": "Succeeded"} | stage,
    }
    facade.report(
        project_id,
        train={"id": "r1", "revision": revision, "startedAt": EARLY, "finishedAt": LATER, "stages": stages},
        model={"trainId": "r1", "path": "x"},
        trainer={"detection": {"run": run_hash("r1", revision), "hmean": 0.9}},
    )


def test_a_run_from_start_to_end_and_once_more(facade: Facade, project_id: str, runs: Runs) -> None:
    started = runs.start("r1", runTest=True, detection={"epochs": 3})
    assert started.status_code == 201
    assert (started.json()["state"], started.json()["current"], started.json()["path"]) == (
        "active", True, f"train/{project_id}/r1",
    )  # fmt: skip
    train = facade.live(project_id)["spec"]["train"]
    assert (train["detection"]["epochs"], train["runTest"]) == (3, True)
    assert runs.start("r1", runTest=True, detection={"epochs": 3}).status_code == 200

    for _ in range(2):
        assert runs.do("stop", "r1").json()["state"] == "suspended"
    answer = runs.start("r1")
    assert answer.status_code == 409 and "resume goes on with it" in answer.json()["detail"]
    for _ in range(2):
        assert runs.do("resume", "r1").json()["state"] == "active"
    assert "stop it first" in runs.do("retry", "r1").json()["detail"]

    ended(facade, project_id)
    run = runs.until("r1", state="succeeded")
    assert (run["progress"], run["hmean"], run["gpuSeconds"], run["finishedAt"]) == (100, 0.9, 12.5, LATER)
    for verb in ("resume",):
        answer = runs.do(verb, "r1")
        assert answer.status_code == 409 and "retry does it again" in answer.json()["detail"]
    again = runs.do("retry", "r1").json()
    assert (again["revision"], again["state"], again["hmean"]) == (1, "active", None)
    train = facade.live(project_id)["spec"]["train"]
    assert (train["revision"], train["detection"]["epochs"]) == (1, 3)  # the settings it had


def test_a_failed_run_says_why_and_where(facade: Facade, project_id: str, runs: Runs) -> None:
    runs.start("r1")
    ended(facade, project_id, state="Failed", reason="BadData", message="no text at all")
    run = runs.until("r1", state="failed")
    assert (run["stage"], run["reason"], run["message"]) == ("package", "BadData", "no text at all")


def test_past_runs_stay_known(facade: Facade, project_id: str, runs: Runs) -> None:
    runs.start("r2")
    past = {"id": "r1", "revision": 0, "outcome": "Failed", "stage": "prepare", "reason": "BadData"}
    facade.report(project_id, runs=[past])
    run = runs.until("r1", state="failed")
    assert (run["current"], run["stage"], run["reason"]) == (False, "prepare", "BadData")
    listed = facade.http.get(runs.path).json()["items"]
    assert [item["id"] for item in listed] == ["r2", "r1"]
    assert runs.do("retry", "r1").json()["revision"] == 1
    assert facade.live(project_id)["spec"]["train"]["id"] == "r1"


def test_unknown_runs_and_wrong_settings_are_told(facade: Facade, runs: Runs) -> None:
    assert runs.do("stop", "r1").status_code == 404
    assert runs.do("resume", "r1").json()["detail"].endswith("there is none")
    assert facade.http.get(f"{runs.path}/r1").status_code == 404
    answer = runs.start("r1", detection={"epochs": 0, "presett": "x"})
    assert answer.status_code == 422
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"body.detection.epochs", "body.detection.presett"}
    assert runs.start("a/b").status_code == 422
    nowhere = facade.http.post("/api/v1/projects/nowhere/runs", json={"id": "r1"})
    assert nowhere.json()["detail"] == "there is no project 'nowhere'"


def test_tests_need_a_model_and_can_be_repeated(facade: Facade, project_id: str, runs: Runs) -> None:
    tests = Runs(facade, project_id, "tests")
    assert "no trained model yet" in tests.start("t1").json()["detail"]
    runs.start("r1")
    ended(facade, project_id)
    runs.until("r1", state="succeeded")
    assert tests.start("t1", checkpoint="Last").status_code == 201
    assert facade.live(project_id)["spec"]["test"]["checkpoint"] == "Last"
    assert tests.do("stop", "t1").json()["state"] == "suspended"
    assert tests.do("resume", "t1").json()["state"] == "active"
    stages = {"test": {"state": "Succeeded"}}
    facade.report(project_id, test={"id": "t1", "startedAt": EARLY, "finishedAt": LATER, "stages": stages})
    tests.until("t1", state="succeeded")
    again = tests.do("retry", "t1").json()
    assert (again["revision"], again["state"]) == (1, "active")
    assert facade.live(project_id)["spec"]["test"]["checkpoint"] == "Last"
    assert facade.http.get(tests.path).json()["items"][0]["path"] == f"test/{project_id}/t1"
