"""What the operator believes when news comes late, twice or not at all."""

import json
from typing import Any

from ocr_contract.resource import LABEL_PROJECT
from ocr_operator.store import Store, without_noise
from operator_play import Play


def project(name: str, uid: str = "u", version: int = 1, created: int = 0, **spec: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "resourceVersion": str(version),
        "creationTimestamp": f"2026-11-25T09:00:{created:02d}Z",
    }
    return {"metadata": metadata, "spec": spec}


def job(name: str, owner: str, version: int = 1, uid: str = "j") -> dict[str, Any]:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {LABEL_PROJECT: "p"},
        "ownerReferences": [{"uid": owner, "controller": True}],
    }
    return {"metadata": metadata}


def test_an_old_event_never_hides_a_newer_object() -> None:
    store = Store()
    store.remember_project(project("p", version=10))
    store.remember_project(project("p", version=9))
    assert store.projects["ns", "p"]["metadata"]["resourceVersion"] == "10"


def test_a_project_made_again_under_the_same_name_is_another_one() -> None:
    store = Store()
    store.remember_project(project("p", uid="old", version=10))
    store.remember_project(project("p", uid="new", version=11))
    assert store.forget_project(project("p", uid="old", version=12)) == []
    assert store.projects["ns", "p"]["metadata"]["uid"] == "new"


def test_a_namesakes_jobs_are_not_ours() -> None:
    store = Store()
    store.remember_job(job("a", owner="old"))
    store.remember_job(job("b", owner="new", uid="j2"))
    assert [found["metadata"]["name"] for found in store.jobs_of(project("p", uid="new"))] == ["b"]


def test_what_is_forgotten_leaves_no_memory_behind() -> None:
    store = Store()
    store.remember_project(project("p"))
    store.remember_job(job("a", owner="u"))
    store.forget_job(job("a", owner="u"))
    store.forget_project(project("p"))
    assert store == Store()


def test_the_older_of_two_has_the_project_id_and_leaves_it_to_the_younger() -> None:
    store = Store()
    older, younger = (
        project("z", "u1", created=1, projectID="R"),
        project("a", "u2", created=2, projectID="R"),
    )
    store.remember_project(younger)
    store.remember_project(older)
    store.remember_project(project("other", "u3"))
    assert store.older_claimant(younger) == "z" and store.older_claimant(older) is None
    assert set(store.forget_project(older)) == {("ns", "z"), ("ns", "a")}
    assert store.older_claimant(younger) is None


def test_a_name_is_the_default_project_id() -> None:
    store = Store()
    store.remember_project(project("r", "u1", created=1))
    assert store.older_claimant(project("x", "u2", created=2, projectID="r")) == "r"


def test_what_nobody_asks_for_is_not_kept() -> None:
    play = Play(train={"id": "r1"})
    play.settle()
    play.run("prepare")
    (job,), (pod,) = play.jobs.values(), play.pods.values()
    job["metadata"]["managedFields"] = [{}]
    kept_job, kept_pod = without_noise(job), without_noise(pod)
    assert "managedFields" not in kept_job["metadata"]
    assert job["spec"].keys() - kept_job["spec"].keys() == {"template"}
    assert kept_pod["spec"]["containers"][0].keys() == {"name", "resources"}
    assert len(json.dumps(kept_pod)) < len(json.dumps(pod)) / 2
    assert "managedFields" in job["metadata"], "the document itself is left as it was"


def test_words_that_recur_are_there_once() -> None:
    text = '{"metadata": {"name": "p"}, "status": {"phase": "Training"}}'
    one, other = without_noise(json.loads(text)), without_noise(json.loads(text))
    assert one["status"]["phase"] is other["status"]["phase"]
    assert [id(key) for key in one] == [id(key) for key in other]
