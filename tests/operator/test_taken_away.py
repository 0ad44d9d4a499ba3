"""Jobs, projects and whole namespaces that are taken away, with the operator at work and while it is down."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from job_watch import JobWatch
from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import run_hash
from operator_world import Operator, World, eventually

TRAIN_STAGES = ("prepare", "detection", "recognition", "package")


@pytest.fixture
def down(control_plane: ControlPlane, own_world: World, tmp_path: Path) -> Iterator[Operator]:
    """An operator that the test starts itself; stopped well at the end."""
    operator = Operator(control_plane.kubeconfig, own_world.namespace, tmp_path / "operator.log")
    yield operator
    operator.kill()
    assert "Traceback" not in operator.log, operator.log


def expire(world: World, job: str) -> None:
    """The Job's time to live is over: the cluster's own TTL controller removes it."""
    headers = {"Content-Type": "application/merge-patch+json"}
    path = f"{world.jobs_path}/{job}"
    body = {"spec": {"ttlSecondsAfterFinished": 0}}
    world.http.patch(path, headers=headers, content=json.dumps(body)).raise_for_status()
    eventually(lambda: world.http.get(path).status_code == 404, f"{job} has expired")


def finish(world: World, name: str, *stages: str) -> None:
    for stage in stages:
        world.run_stage(name, stage)


def test_a_finished_job_that_expires_while_the_operator_is_down_is_not_run_again(
    own_world: World, own_operator: Operator
) -> None:
    own_world.create("half", train={"id": "r1"})
    own_world.create("done", train={"id": "r1"})
    finish(own_world, "done", *TRAIN_STAGES)
    finish(own_world, "half", "prepare", "detection")
    own_world.until_condition("done", "Complete")
    own_world.until_stage("half", "detection", "Succeeded")
    recognition = eventually(lambda: own_world.pods("half", "recognition"), "the next stage's pod")
    own_operator.kill()
    expired = [
        own_world.status("half")["train"]["stages"][stage]["job"] for stage in ("prepare", "detection")
    ]
    for job in (*expired, *own_world.jobs("done")):
        expire(own_world, job)
    own_operator.start()
    finish(own_world, "half", "recognition", "package")
    own_world.until_condition("half", "Complete")
    own_world.edit("done", resources={"cpu": "5"})  # something to look at
    eventually(lambda: own_world.status("done")["observedGeneration"] == 2, "the edit was seen")
    assert own_world.jobs("done") == {} and own_world.condition("done", "Complete")["status"] == "True"  # type: ignore[index]
    stages = own_world.status("half")["train"]["stages"]
    assert [stages[stage]["attempts"] for stage in TRAIN_STAGES] == [1] * 4
    assert not set(expired) & set(own_world.jobs("half"))
    assert [pod["metadata"]["name"] for pod in own_world.pods("half", "recognition")] == [
        pod["metadata"]["name"] for pod in recognition
    ]


def test_an_end_that_nobody_saw_is_made_up_for_by_one_more_attempt(
    own_world: World, own_operator: Operator
) -> None:
    """Down for longer than a finished Job lives: the stage goes on from its checkpoint, nothing is lost."""
    own_world.create("late", train={"id": "r1"})
    pod = own_world.start_pod("late", "prepare")
    job = own_world.until_stage("late", "prepare", "Running")["job"]
    own_operator.kill()
    own_world.end_pod(pod)
    expire(own_world, job)
    own_operator.start()
    finish(own_world, "late", *TRAIN_STAGES)
    own_world.until_condition("late", "Complete")
    stages = own_world.status("late")["train"]["stages"]
    assert [stages[stage]["attempts"] for stage in TRAIN_STAGES] == [2, 1, 1, 1]


def delete(world: World, name: str, how: str) -> None:
    """As `kubectl delete --cascade` does it."""
    world.http.request(
        "DELETE", f"{world.projects}/{name}", json={"propagationPolicy": how}
    ).raise_for_status()


def create_again(world: World, name: str, **spec: Any) -> dict[str, Any]:
    """Create the name as soon as the API server lets us."""
    answer: httpx.Response = eventually(
        lambda: (answer := world.create(name, **spec)).status_code == 201 and answer, "the name is free"
    )
    created: dict[str, Any] = answer.json()
    return created


@pytest.mark.parametrize("how", ["Background", "Foreground"])
@pytest.mark.parametrize("operator_is", ["up", "down"])
def test_a_project_made_again_under_its_name_begins_anew(
    own_world: World, down: Operator, how: str, operator_is: str
) -> None:
    down.start()
    own_world.create("again", train={"id": "r1"})
    finish(own_world, "again", "prepare")
    own_world.start_pod("again", "detection")
    own_world.until_stage("again", "detection", "Running")
    old = {job["metadata"]["uid"] for job in own_world.jobs("again").values()}
    if operator_is == "down":
        down.kill()
    delete(own_world, "again", how)
    uid = create_again(own_world, "again", train={"id": "r1"})["metadata"]["uid"]
    if operator_is == "down":
        down.start()

    def only_new_jobs() -> bool:
        jobs = own_world.jobs("again").values()
        return bool(jobs) and not old & {job["metadata"]["uid"] for job in jobs}

    eventually(only_new_jobs, "the old Jobs are gone, a new one is there")
    finish(own_world, "again", *TRAIN_STAGES)
    own_world.until_condition("again", "Complete")
    stages = own_world.status("again")["train"]["stages"]
    assert [stages[stage]["attempts"] for stage in TRAIN_STAGES] == [1] * 4
    owners = [job["metadata"]["ownerReferences"][0]["uid"] for job in own_world.jobs("again").values()]
    assert owners == [uid] * 4


def test_what_a_deleted_project_left_over_is_waited_for_and_named(own_world: World, down: Operator) -> None:
    """By `kubectl delete --cascade=orphan`: its pod may still write to the run's folder."""
    down.start()
    jobs = {}
    for name in ("runs", "ended"):
        own_world.create(name, train={"id": "r1"})
        pod = own_world.start_pod(name, "prepare")
        jobs[name] = own_world.until_stage(name, "prepare", "Running")["job"]
    own_world.end_pod(pod)
    own_world.until_stage("ended", "prepare", "Succeeded")
    for name, job in jobs.items():
        delete(own_world, name, "Orphan")
        create_again(own_world, name, train={"id": "r1"})
        assert job in own_world.until_condition(name, "Waiting", "NameTaken")["message"]
        own_world.delete_job(job)
        own_world.run_stage(name, "prepare")
        stage = own_world.until_stage(name, "prepare", "Succeeded")
        assert stage["job"] == job and stage["attempts"] == 1


@pytest.fixture
def doomed(http: httpx.Client, control_plane: ControlPlane) -> Iterator[World]:
    """A namespace that the test deletes and makes again."""
    world = World(http, f"doomed-{uuid.uuid4().hex[:8]}")
    make_namespace(world, control_plane)
    yield world
    http.delete(f"/api/v1/namespaces/{world.namespace}")


def make_namespace(world: World, control_plane: ControlPlane) -> None:
    body = {"metadata": {"name": world.namespace}}
    world.http.post("/api/v1/namespaces", json=body).raise_for_status()
    control_plane.wait_for(f"/api/v1/namespaces/{world.namespace}/serviceaccounts/default")


def is_gone(http: httpx.Client, path: str) -> bool:
    """The namespace controller comes again after half of a pod's grace period, or when it sees a change."""
    body = {"metadata": {"annotations": {"looked-at": uuid.uuid4().hex}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    return http.patch(path, headers=headers, content=json.dumps(body)).status_code == 404


@pytest.mark.parametrize("operator_is", ["up", "down"])
def test_a_namespace_that_is_deleted_in_the_midst_of_runs_is_gone_and_may_come_back(
    doomed: World, control_plane: ControlPlane, tmp_path: Path, operator_is: str
) -> None:
    operator = Operator(control_plane.kubeconfig, doomed.namespace, tmp_path / "operator.log")
    operator.start()
    try:
        for number in range(5):
            doomed.create(f"p{number}", train={"id": "r1"})
        for number in range(3):
            doomed.start_pod(f"p{number}", "prepare")
        doomed.until_stage("p2", "prepare", "Running")
        if operator_is == "down":
            operator.kill()
        path = f"/api/v1/namespaces/{doomed.namespace}"
        doomed.http.delete(path).raise_for_status()
        eventually(lambda: is_gone(doomed.http, path), "nothing holds the namespace")
        if operator_is == "down":
            operator.start()
        make_namespace(doomed, control_plane)
        assert doomed.create("p0", train={"id": "r1"}).status_code == 201
        finish(doomed, "p0", *TRAIN_STAGES)
        doomed.until_condition("p0", "Complete")
        assert list(doomed.jobs("p0")) == [
            f"p0-{run_hash('r1', 0)}-{stage}-0" for stage in sorted(TRAIN_STAGES)
        ]
        assert operator.stop() < 10
    finally:
        operator.kill()
    assert "Traceback" not in operator.log, operator.log


def test_fifty_projects_in_flight_are_no_reason_to_end_later(own_world: World, down: Operator) -> None:
    for number in range(50):
        own_world.create(f"p{number}", train={"id": "r1"}).raise_for_status()
    down.start()
    eventually(lambda: len(all_jobs(own_world)) > 5, "it is in the midst of its work")
    assert down.stop() < 10
    made = len(all_jobs(own_world))
    down.start()
    eventually(lambda: len(all_jobs(own_world)) == 50, f"the rest of the 50, of which {made} were made")


def all_jobs(world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = world.http.get(world.jobs_path).json()["items"]
    return items


def test_two_operators_by_mistake_make_nothing_twice(
    own_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Without an election between them: names are deterministic, and what the other one made is adopted."""
    operators = [
        Operator(control_plane.kubeconfig, own_world.namespace, tmp_path / f"operator-{number}.log")
        for number in range(2)
    ]
    names = [f"p{number}" for number in range(10)]
    with JobWatch(own_world) as watch:
        try:
            for operator in operators:
                operator.start()
            for operator in operators:
                operator.until_started()
            for name in names:
                own_world.create(name, train={"id": "r1"}).raise_for_status()
            for stage in TRAIN_STAGES:
                for name in names:
                    own_world.run_stage(name, stage)
            for name in names:
                own_world.until_condition(name, "Complete")
            assert [operator.stop() < 10 for operator in operators] == [True, True]
        finally:
            for operator in operators:
                operator.kill()
        seen = watch.seen()
    assert len(seen) == 40 and all(len(uids) == 1 for uids in seen.values())
    for name in names:
        stages = own_world.status(name)["train"]["stages"]
        assert [stages[stage]["attempts"] for stage in TRAIN_STAGES] == [1] * 4
    made = [operator.log.count("Created Job") for operator in operators]
    assert sum(made) == 40, made
    assert all("Traceback" not in operator.log for operator in operators)
