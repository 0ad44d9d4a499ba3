"""Calls that can't be answered get a flat JSON object with a sentence that says what is wrong."""

from typing import Any

import pytest

from facade_process import Cluster, Facade, eventually, serve

NOT_ALLOWED = "is not allowed: it must not be '.' or '..' or hold '/', '\\' or NUL"


def refused(facade: Facade, path: str, **parameters: Any) -> str:
    """The sentence of the 400 that must come."""
    answer = facade.get(path, **parameters)
    document = answer.json()
    assert answer.status_code == document["code"] == 400, document
    assert list(document) == ["code", "msg"]
    return str(document["msg"])


@pytest.mark.parametrize("bad", ["..", ".", "a/b", "../../etc", "/etc/passwd", "a\\b", "a\0b"])
@pytest.mark.parametrize("path", ["/train/start", "/status", "/train/checkFile", "/train/download"])
def test_an_id_that_is_no_folder_name_is_refused(facade: Facade, path: str, bad: str) -> None:
    assert refused(facade, path, projectID=bad, trainID="r1") == f"projectID {bad!r} {NOT_ALLOWED}"
    assert refused(facade, path, projectID="p", trainID=bad) == f"trainID {bad!r} {NOT_ALLOWED}"


def test_an_id_that_is_too_long_is_refused(facade: Facade) -> None:
    long = "字" * 67
    assert (
        refused(facade, "/test/start", projectID="p", testID=long) == "testID is too long: 200 bytes at most"
    )


def test_half_a_character_is_refused_not_a_defect(facade: Facade) -> None:
    answer = facade.http.post("/status", content=b'{"projectID": "\\ud800"}')
    assert answer.status_code == 400 and answer.json()["msg"].startswith("projectID")


def test_missing_and_wrong_parameters_are_named(facade: Facade) -> None:
    assert refused(facade, "/train/start") == "projectID is missing; trainID is missing"
    assert refused(facade, "/train/start", projectID="p", trainID="") == "trainID is missing"
    assert "detEpochs" in refused(facade, "/train/start", projectID="p", trainID="r", detEpochs="many")
    assert "type" in refused(facade, "/train/checkFile", projectID="p", trainID="r", type="weights")
    assert "downloadType" in refused(facade, "/train/download", projectID="p", downloadType="log")


def test_what_the_api_server_refuses_is_passed_on(facade: Facade, project_id: str) -> None:
    message = refused(facade, "/train/start", projectID=project_id, trainID="r1", detEpochs=0)
    assert "spec.train.detection.epochs" in message
    message = refused(facade, "/train/start", projectID=project_id, trainID="r1", detPreset="No such!")
    assert "spec.train.detection.preset" in message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "the body is not JSON"),
        (b"[" * 50_000, "the body is not JSON"),
        (b"[1]", "the body must be a JSON object"),
        (b'{"projectID": ["a"], "trainID": "r"}', "projectID"),
        (b'{"projectID": "\xff"}', "the body is not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(facade: Facade, body: bytes, says: str) -> None:
    answer = facade.http.post("/train/start", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400 and says in answer.json()["msg"]


def test_a_broken_form_is_refused(facade: Facade) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = facade.http.post(
            "/train/start", content=b"nothing of a form", headers={"content-type": kind}
        )
        assert answer.status_code == 400, answer.text


def test_a_body_larger_than_any_parameters_is_refused(facade: Facade) -> None:
    answer = facade.http.post("/train/start", content=b"x" * 100_000)
    assert answer.status_code == 413 and answer.json()["code"] == 413


def test_two_values_for_one_parameter_are_refused(facade: Facade) -> None:
    answer = facade.http.post("/status", params={"projectID": "a"}, json={"projectID": "b"})
    assert answer.status_code == 400
    assert answer.json()["msg"] == "projectID is given twice: 'a' and 'b'"


def test_an_unknown_path_or_verb_is_answered_flat(facade: Facade) -> None:
    assert facade.get("/train/pause").json()["code"] == 404
    assert facade.http.delete("/status").json()["code"] == 405


def test_a_facade_that_never_started_anything(cluster: Cluster, facade: Facade) -> None:
    namespace = cluster.make_namespace()
    with serve(cluster, namespace, facade.volume) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        answer = http.get("/status")
        assert answer.json() == {"code": 404, "msg": "nothing was ever started"}
    cluster.delete_namespace(namespace)
