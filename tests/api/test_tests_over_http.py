"""A test of a trained project as the annotation platform sees it."""

from facade_process import Facade, eventually
from ocr_contract import names
from ocr_contract.legacy import Word

EARLY = "2026-01-01T00:00:00Z"


def trained(facade: Facade, project_id: str) -> None:
    """A project whose training succeeded."""
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    facade.report(
        project_id,
        train={"id": "r1", "revision": 0, "startedAt": EARLY, "finishedAt": EARLY, "stages": {}},
        model={"trainId": "r1", "path": f"train/{project_id}/r1/model/pthModel.zip"},
    )


def test_a_test_needs_a_trained_model(facade: Facade, project_id: str) -> None:
    assert facade.get("/test/start", projectID=project_id, testID="t1").status_code == 404
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    answer = facade.get("/test/start", projectID=project_id, testID="t1")
    assert answer.status_code == 409 and "no trained model yet" in answer.json()["msg"]


def test_a_test_from_start_to_success(facade: Facade, project_id: str) -> None:
    trained(facade, project_id)
    started = facade.ask("/test/start", projectID=project_id, testID="t1")
    assert started == {"code": 0, "msg": "ok", "projectID": project_id, "testID": "t1", "state": "active"}
    assert facade.live(project_id)["spec"]["train"]["id"] == "r1"

    def status() -> dict[str, object]:
        return facade.ask("/status", projectID=project_id, testID="t1")

    assert status() == {
        "code": 0, "msg": "ok", "status": Word.RECOGNISER_VALIDATING, "testImage": 0, "totalTestImage": 0,
        "projectID": project_id, "testID": "t1",
    }  # fmt: skip
    # What was started last in the project is the test, and its status what the platform asks for.
    assert facade.ask("/status", projectID=project_id) == status()
    assert facade.ask("/status", projectID=project_id, trainID="r1")["status"] == Word.SUCCEEDED

    facade.report(
        project_id,
        test={"id": "t1", "startedAt": EARLY, "stages": {"test": {"state": "Running"}}},
        trainer={"test": {"run": names.test_hash("t1", 0), "imagesDone": 3, "totalImages": 15}},
    )
    eventually(lambda: status()["testImage"] == 3)
    assert status()["status"] == Word.RECOGNISER_VALIDATING and status()["totalTestImage"] == 15

    facade.report(project_id, test={"finishedAt": EARLY, "stages": {"test": {"state": "Succeeded"}}})
    eventually(lambda: status()["status"] == Word.SUCCEEDED)
    # Once more: another revision of it, whose result is not there before it has been written.
    facade.put(f"test/{project_id}/t1/testResult.json", b"{}")
    assert facade.ask("/test/checkFile", projectID=project_id, testID="t1")["exists"]
    assert facade.ask("/test/start", projectID=project_id, testID="t1")["state"] == "active"
    assert facade.live(project_id)["spec"]["test"]["revision"] == 1
    assert not facade.ask("/test/checkFile", projectID=project_id, testID="t1")["exists"]
    assert facade.get("/test/download", projectID=project_id, testID="t1").status_code == 404


def test_a_stopped_test_goes_on(facade: Facade, project_id: str) -> None:
    trained(facade, project_id)
    assert facade.get("/test/stop", projectID=project_id).status_code == 404
    facade.ask("/test/start", projectID=project_id, testID="t1")
    for _ in range(2):
        assert facade.ask("/test/stop", projectID=project_id)["state"] == "suspended"
    assert facade.live(project_id)["spec"]["test"]["suspend"] is True
    assert facade.ask("/test/start", projectID=project_id, testID="t1")["state"] == "active"
    assert facade.get("/test/stop", projectID=project_id, testID="t2").status_code == 404


def test_a_failed_test_says_why_and_can_be_repeated(facade: Facade, project_id: str) -> None:
    trained(facade, project_id)
    facade.ask("/test/start", projectID=project_id, testID="t1")
    stage = {"state": "Failed", "reason": "BadData", "message": "no images in test/p/t1"}
    facade.report(project_id, test={"id": "t1", "finishedAt": EARLY, "stages": {"test": stage}})
    eventually(lambda: facade.ask("/status", projectID=project_id, testID="t1")["status"] == Word.FAILED)
    assert facade.ask("/status", projectID=project_id)["msg"] == "no images in test/p/t1"
    assert facade.ask("/test/start", projectID=project_id, testID="t1")["state"] == "active"
    assert facade.live(project_id)["spec"]["test"]["revision"] == 1
    assert facade.ask("/test/start", projectID=project_id, testID="t2")["state"] == "active"
    assert facade.live(project_id)["spec"]["test"]["revision"] == 0
    # The training is not the worse for it.
    assert facade.ask("/status", projectID=project_id, trainID="r1")["status"] == Word.SUCCEEDED
