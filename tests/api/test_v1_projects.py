"""/api/v1/projects: the resource over HTTP, for people who would else use kubectl."""

from typing import Any

import pytest

from facade_process import Facade, eventually
from ocr_contract.names import project_name

PROBLEM = "application/problem+json"


@pytest.fixture
def path(project_id: str) -> str:
    return f"/api/v1/projects/{project_id}"


def create(facade: Facade, project_id: str, **spec: Any) -> dict[str, Any]:
    answer = facade.http.post("/api/v1/projects", json={"spec": {"projectID": project_id, **spec}})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def refused(answer: Any, status: int) -> str:
    """The sentence of a problem document."""
    problem = answer.json()
    assert answer.status_code == problem["status"] == status, problem
    assert answer.headers["content-type"] == PROBLEM
    assert problem["instance"].startswith("/api/v1/")
    assert problem["requestId"] == answer.headers["x-request-id"]
    return str(problem["detail"])


def test_a_project_is_created_read_changed_and_deleted(facade: Facade, project_id: str, path: str) -> None:
    made = create(facade, project_id, train={"id": "r1"}, resources={"gpus": 0})
    assert (made["name"], made["generation"]) == (project_name(project_id), 1)
    assert made["spec"]["train"]["detection"]["epochs"] == 50  # the resource's own default

    read = facade.http.get(path)
    assert read.json()["spec"] == made["spec"]
    changed = facade.http.patch(
        path, json={"spec": {"resources": {"gpus": 2}}}, headers={"If-Match": read.headers["etag"]}
    )
    assert changed.json()["spec"]["resources"]["gpus"] == 2
    assert changed.json()["spec"]["train"]["id"] == "r1"
    assert changed.headers["etag"] != read.headers["etag"]

    facade.put(f"train/{project_id}/r1/a.jpg", b"stays")
    assert facade.http.delete(path).status_code == 204
    eventually(lambda: facade.http.get(path).status_code == 404)
    assert refused(facade.http.delete(path), 404) == f"there is no project {project_id!r}"
    assert (facade.volume / "train" / project_id / "r1" / "a.jpg").exists()


def test_a_change_for_another_version_is_refused_and_progress_is_no_other_version(
    facade: Facade, project_id: str, path: str
) -> None:
    create(facade, project_id, train={"id": "r1"})
    etag = facade.http.get(path).headers["etag"]
    facade.report(project_id, phase="Training", progress=40)
    eventually(lambda: facade.http.get(path).json()["status"].get("progress") == 40)
    assert facade.http.get(path).headers["etag"] == etag
    headers = {"If-Match": etag}
    assert facade.http.patch(path, json={"spec": {"limits": {"retries": 1}}}, headers=headers).is_success
    for answer in (
        facade.http.patch(path, json={"spec": {"limits": {"retries": 2}}}, headers=headers),
        facade.http.delete(path, headers=headers),
        facade.http.post(f"{path}/runs/r1/stop", headers=headers),
    ):
        assert "was changed since you have read it" in refused(answer, 412)
    assert facade.live(project_id)["spec"]["limits"]["retries"] == 1


def test_null_goes_back_to_the_default_but_not_for_what_others_have_set(
    facade: Facade, project_id: str, path: str
) -> None:
    facade.create(project_name(project_id), {"projectID": project_id, "limits": {"retries": 7}})
    eventually(lambda: facade.http.get(path).status_code == 200)
    changed = facade.http.patch(path, json={"spec": {"limits": {"stallSeconds": 5}}}).json()
    assert changed["spec"]["limits"]["stallSeconds"] == 5
    unset = facade.http.patch(path, json={"spec": {"limits": {"stallSeconds": None}}}).json()
    assert unset["spec"]["limits"]["stallSeconds"] == 900 and unset["spec"]["limits"]["retries"] == 7
    answer = facade.http.patch(path, json={"spec": {"limits": {"retries": None}}})
    assert refused(answer, 409) == "spec.limits.retries was set by 'kubectl': only there it can be unset"


def test_a_change_that_changes_nothing_writes_nothing(facade: Facade, project_id: str, path: str) -> None:
    create(facade, project_id, resources={"gpus": 3})
    before = facade.live(project_id)["metadata"]["resourceVersion"]
    assert facade.http.patch(path, json={"spec": {"resources": {"gpus": 3}}}).is_success
    assert facade.live(project_id)["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"train": {"id": "r1", "detection": {"epochs": 0}}}, "spec.train.detection.epochs"),
        ({"train": {"id": "a/b"}}, "id"),
        ({"trian": {"id": "r1"}}, "trian"),
        ({"resources": {"gpus": "two"}}, "spec.resources.gpus"),
    ],
)
def test_what_kubernetes_refuses_is_told_in_its_own_words(
    facade: Facade, project_id: str, path: str, spec: dict[str, Any], says: str
) -> None:
    body = {"spec": {"projectID": project_id, **spec}}
    assert says in refused(facade.http.post("/api/v1/projects", json=body), 400)
    create(facade, project_id)
    assert says in refused(facade.http.patch(path, json={"spec": spec}), 400)


def test_a_run_is_immutable_here_too(facade: Facade, project_id: str, path: str) -> None:
    create(facade, project_id, train={"id": "r1"})
    answer = facade.http.patch(path, json={"spec": {"train": {"detection": {"epochs": 3}}}})
    assert "give train.id a new value" in refused(answer, 400)


def test_a_project_that_exists_is_not_created_again(facade: Facade, project_id: str) -> None:
    create(facade, project_id)
    answer = facade.http.post("/api/v1/projects", json={"spec": {"projectID": project_id}})
    assert "change it with PATCH" in refused(answer, 409)


def test_a_malformed_call_names_its_fields(facade: Facade) -> None:
    answer = facade.http.post("/api/v1/projects", json={"spec": 3})
    assert refused(answer, 422).startswith("body.spec: ")
    assert answer.json()["errors"][0]["field"] == "body.spec"
    assert refused(facade.http.post("/api/v1/projects", content=b"{"), 422)
    assert "projectID is missing" in refused(facade.http.post("/api/v1/projects", json={"spec": {}}), 400)
    answer = facade.http.post("/api/v1/projects", json={"spec": {"projectID": "a/b"}})
    assert "projectID 'a/b' is not allowed" in refused(answer, 400)
    assert "/docs" in refused(facade.http.get("/api/v1/nothing"), 404)


def test_projects_are_listed_by_name_filtered_and_paged(facade: Facade, project_id: str) -> None:
    names = [f"{project_id}_{letter}" for letter in "abcde"]
    for name in names:
        create(facade, name)
    facade.report(names[1], phase="Failed")

    def listed(**query: Any) -> dict[str, Any]:
        document: dict[str, Any] = facade.http.get(
            "/api/v1/projects", params={"q": project_id.lower(), **query}
        ).json()
        return document

    eventually(lambda: listed(phase="Failed")["total"] == 1)
    assert listed(phase="Failed")["items"][0]["projectID"] == names[1]
    assert listed(phase=["Failed", "Pending"])["total"] == 5
    pages, after = [], None
    while True:
        page = listed(limit=2, **({"after": after} if after else {}))
        assert page["total"] == 5
        pages.append([item["projectID"] for item in page["items"]])
        if (after := page["next"]) is None:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(name for page in pages for name in page) == names
    assert "limit" in refused(facade.http.get("/api/v1/projects", params={"limit": 0}), 422)


def test_events_are_those_of_the_project(facade: Facade, project_id: str, path: str) -> None:
    create(facade, project_id)
    assert facade.http.get(f"{path}/events").json() == {"items": []}
    facade.tell(project_id, "Normal", "StageStarted", "prepare began", "2026-01-01T00:00:00Z")
    facade.tell(project_id, "Warning", "StageFailed", "bad data", "2026-01-01T01:00:00Z")
    found = facade.http.get(f"{path}/events").json()["items"]
    assert [(event["type"], event["reason"], event["message"]) for event in found] == [
        ("Warning", "StageFailed", "bad data"),
        ("Normal", "StageStarted", "prepare began"),
    ]
