"""What a user sees of the operator, on a real API server with the real Job controller."""

import json
import subprocess
from pathlib import Path

from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import run_hash
from operator_world import Operator, World, eventually

TRAIN_STAGES = ("prepare", "detection", "recognition", "package")
KUBECTL = Path(__file__).resolve().parents[2] / ".cluster" / "bin" / "hyper"


def test_a_run_walks_through_its_stages_to_complete(world: World) -> None:
    assert world.create("walk", train={"id": "r1", "runTest": True}).status_code == 201
    for stage in (*TRAIN_STAGES, "test"):
        pod = world.start_pod("walk", stage)
        world.until_stage("walk", stage, "Running")
        world.end_pod(pod)
        world.until_stage("walk", stage, "Succeeded")
    world.until_condition("walk", "Complete")
    status = world.status("walk")
    assert status["phase"] == "Succeeded" and status["progress"] == 100
    assert status["model"] == {"trainId": "r1", "revision": 0, "path": "train/walk/r1/model/pthModel.zip"}
    assert [(run["id"], run["outcome"]) for run in status["runs"]] == [("r1", "Succeeded")]
    assert status["train"]["stages"]["detection"]["gpuSeconds"] >= 10
    assert status["train"]["stages"]["prepare"]["gpuSeconds"] == 0
    assert sorted(world.jobs("walk")) == sorted(
        f"walk-{run_hash('r1', 0)}-{stage}-0" for stage in (*TRAIN_STAGES, "test")
    )
    assert world.until_events("walk", "Complete").count("JobCreated") == 5


def test_bad_data_fails_the_run_in_the_trainers_words_and_is_not_tried_again(world: World) -> None:
    world.create("bad", train={"id": "r1"})
    words = {"reason": "NoAnnotations", "message": "train/bad/r1 holds no annotation file"}
    world.run_stage("bad", "prepare", exit_code=65, message=json.dumps(words))
    condition = world.until_condition("bad", "Failed")
    assert condition["reason"] == "NoAnnotations"
    assert condition["message"] == "prepare: train/bad/r1 holds no annotation file"
    status = world.status("bad")
    assert status["phase"] == "Failed" and status["stage"] == "prepare"
    assert world.condition("bad", "DatasetValid")["status"] == "False"  # type: ignore[index]
    assert len(world.jobs("bad")) == 1 and len(world.pods("bad", "prepare")) == 1
    (record,) = status["runs"]
    assert record["startedAt"] <= record["finishedAt"] and record["gpuSeconds"] == 0
    told = {name: record[name] for name in ("id", "revision", "outcome", "stage", "reason")}
    assert told == {
        "id": "r1", "revision": 0, "outcome": "Failed", "stage": "prepare", "reason": "NoAnnotations"
    }  # fmt: skip


def test_a_crash_is_tried_again_within_the_same_job(world: World) -> None:
    world.create("crash", train={"id": "r1"}, limits={"retries": 1})
    world.run_stage("crash", "prepare", exit_code=1)
    world.run_stage("crash", "prepare")
    assert world.until_stage("crash", "prepare", "Succeeded")["attempts"] == 1


def test_suspending_takes_the_pod_away_and_resuming_goes_on(world: World) -> None:
    world.create("nap", train={"id": "r1"})
    world.run_stage("nap", "prepare")
    world.start_pod("nap", "detection")
    world.until_stage("nap", "detection", "Running")
    assert world.edit("nap", train={"suspend": True}).status_code == 200
    world.until_condition("nap", "Suspended")
    eventually(lambda: not world.pods("nap", "detection"), "the pod is gone")
    status = world.status("nap")
    assert status["phase"] == "Suspended" and status["train"]["stages"]["detection"]["state"] == "Suspended"
    world.edit("nap", train={"suspend": False})
    for stage in TRAIN_STAGES[1:]:
        world.run_stage("nap", stage)
    world.until_condition("nap", "Complete")
    stages = world.status("nap")["train"]["stages"]
    assert stages["detection"]["attempts"] == 2 and stages["recognition"]["attempts"] == 1
    assert f"nap-{run_hash('r1', 0)}-detection-1" in world.jobs("nap")
    assert world.condition("nap", "Suspended")["status"] == "False"  # type: ignore[index]


def test_a_finished_stage_whose_job_is_deleted_is_not_run_again(world: World) -> None:
    world.create("ttl", train={"id": "r1"})
    world.run_stage("ttl", "prepare")
    job = world.until_stage("ttl", "prepare", "Succeeded")["job"]
    world.delete_job(job)
    eventually(lambda: job not in world.jobs("ttl"), "the Job is gone")
    for stage in TRAIN_STAGES[1:]:
        world.run_stage("ttl", stage)
    world.until_condition("ttl", "Complete")
    for job in list(world.jobs("ttl")):
        world.delete_job(job)
    world.edit("ttl", resources={"cpu": "5"})  # something to look at
    generation = world.get("ttl")["metadata"]["generation"]
    eventually(lambda: world.status("ttl")["observedGeneration"] == generation, "the edit was seen")
    assert world.jobs("ttl") == {} and world.condition("ttl", "Complete")["status"] == "True"  # type: ignore[index]


def test_a_job_deleted_while_it_runs_is_replaced_by_the_next_attempt(world: World) -> None:
    world.create("gone", train={"id": "r1"})
    world.start_pod("gone", "prepare")
    world.delete_job(world.until_stage("gone", "prepare", "Running")["job"])
    eventually(lambda: f"gone-{run_hash('r1', 0)}-prepare-1" in world.jobs("gone"), "the next attempt")
    world.run_stage("gone", "prepare")
    assert world.until_stage("gone", "prepare", "Succeeded")["attempts"] == 2


def test_a_new_run_stops_the_old_one_first_and_keeps_its_record(world: World) -> None:
    world.create("again", train={"id": "r1"})
    world.start_pod("again", "prepare")
    world.until_stage("again", "prepare", "Running")
    assert world.edit("again", train={"id": "r2"}).status_code == 200
    new = f"again-{run_hash('r2', 0)}-prepare-0"
    eventually(lambda: list(world.jobs("again")) == [new], "only the new run's Job is there")
    record = world.status("again")["runs"][0]
    assert (record["id"], record["outcome"], record["stage"]) == ("r1", "Stopped", "prepare")
    assert world.status("again")["train"]["id"] == "r2"


def test_a_raised_revision_trains_the_same_run_again(world: World) -> None:
    world.create("rev", train={"id": "r1"})
    world.run_stage("rev", "prepare", exit_code=65)
    world.until_condition("rev", "Failed")
    assert world.edit("rev", train={"revision": 1, "detection": {"epochs": 7}}).status_code == 200
    world.run_stage("rev", "prepare")
    world.until_stage("rev", "prepare", "Succeeded")
    assert world.condition("rev", "Failed")["status"] == "False"  # type: ignore[index]


def test_a_test_waits_for_a_model_and_then_runs_on_it(world: World) -> None:
    world.create("probe", test={"id": "t1"})
    condition = world.until_condition("probe", "Waiting", "NoModel")
    assert condition["message"] == (
        "test 't1' needs a model, and this project has none yet; train one first: set spec.train"
    )
    assert world.jobs("probe") == {}
    world.edit("probe", train={"id": "r1"})
    for stage in TRAIN_STAGES:
        world.run_stage("probe", stage)
    world.run_stage("probe", "test")
    world.until_condition("probe", "Complete")
    (job,) = [job for name, job in world.jobs("probe").items() if "-test-" in name]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/data/run"]["subPath"] == "train/probe/r1" and mounts["/data/run"]["readOnly"]
    assert mounts["/data/test"]["subPath"] == "test/probe/t1" and "readOnly" not in mounts["/data/test"]


def test_the_younger_of_two_projects_with_one_id_waits_until_the_older_is_gone(world: World) -> None:
    world.create("first", projectID="Receipts", train={"id": "r1"})
    world.until_stage("first", "prepare", "Pending")
    created = world.get("first")["metadata"]["creationTimestamp"]
    world.create("second", projectID="Receipts", train={"id": "r1"})
    if world.get("second")["metadata"]["creationTimestamp"] == created:
        pass  # the same second: then the name decides, and "first" is first, too
    condition = world.until_condition("second", "Waiting", "DuplicateProjectID")
    assert "'first'" in condition["message"] and world.jobs("second") == {}
    world.delete("first")
    eventually(lambda: world.jobs("second"), "the second may work now")


def test_the_trainers_report_becomes_progress_and_is_left_alone(world: World) -> None:
    world.create("seen", train={"id": "r1", "detection": {"epochs": 10}, "recognition": {"epochs": 10}})
    world.run_stage("seen", "prepare")
    world.start_pod("seen", "detection")
    world.until_stage("seen", "detection", "Running")
    report = {
        "epoch": 6,
        "totalEpochs": 10,
        "imagesSeen": 0,
        "totalImages": 100,
        "etaSeconds": 123,
        "hmean": 0.5,
    }
    world.report("seen", "detection", run="another", **report)
    world.report("seen", "recognition", run=run_hash("r1", 0), charPrecision=0.25)
    assert world.status("seen")["progress"] < 10, "a report of another run is nobody's progress"
    world.report("seen", "detection", run=run_hash("r1", 0), **report)
    eventually(lambda: 20 < world.status("seen")["progress"] < 35, "half of half of the run is done")
    status = world.status("seen")
    assert status["etaSeconds"] == 120 and status["message"] == "detection: epoch 6 of 10"
    assert status["trainer"]["detection"]["hmean"] == 0.5
    assert status["trainer"]["recognition"]["charPrecision"] == 0.25


def test_detection_and_recognition_run_side_by_side_when_asked_to(world: World) -> None:
    world.create("both", train={"id": "r1", "order": "Parallel"})
    world.run_stage("both", "prepare")
    world.start_pod("both", "recognition")
    pod = world.start_pod("both", "detection")
    world.until_stage("both", "recognition", "Running")
    world.end_pod(pod, exit_code=78, message='{"reason": "UnknownPreset", "message": "no preset nonsense"}')
    assert world.until_condition("both", "Failed")["reason"] == "UnknownPreset"
    stopped = world.until_stage("both", "recognition", "Failed")
    assert stopped["reason"] == "Stopped"
    eventually(lambda: not world.pods("both", "recognition"), "the other model's pod is gone")


def test_why_a_pod_waits_is_said_and_taken_back(world: World) -> None:
    world.create("queue", train={"id": "r1"})
    pod = eventually(lambda: world.pods("queue", "prepare"), "a pod")[0]["metadata"]["name"]
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    world._merge(f"{world.pods_path}/{pod}/status", {"status": {"conditions": [unscheduled]}})
    assert world.until_condition("queue", "Waiting", "Unschedulable")["message"] == message
    world.start_pod("queue", "prepare")
    eventually(lambda: world.condition("queue", "Waiting")["status"] == "False", "nothing waits")  # type: ignore[index]


def test_a_job_that_kubernetes_refuses_fails_the_run_and_says_why(world: World) -> None:
    world.create("refused", train={"id": "r1"}, scheduling={"nodeSelector": {"not a label": "x"}})
    condition = world.until_condition("refused", "Failed", "JobRefused")
    assert "not a label" in condition["message"]


def test_a_finished_project_is_written_no_more(world: World) -> None:
    world.create("quiet", train={"id": "r1"})
    world.run_stage("quiet", "prepare", exit_code=65)
    world.until_condition("quiet", "Failed")
    world.until_events("quiet", "Failed")  # the last one
    before = world.get("quiet")["metadata"]["resourceVersion"]
    world.delete_job(next(iter(world.jobs("quiet"))))
    eventually(lambda: not world.jobs("quiet"), "the Job is gone")
    assert world.get("quiet")["metadata"]["resourceVersion"] == before


def test_the_columns_tell_the_story(world: World, control_plane: ControlPlane) -> None:
    world.create("columns", train={"id": "r1"}, scheduling={"queueName": "team-a"})
    world.until_stage("columns", "prepare", "Pending")

    def columns(*arguments: str) -> list[str]:
        command = [KUBECTL, "kubectl", "--kubeconfig", control_plane.kubeconfig, "-n", world.namespace]
        command += ["get", "ocr", "columns", *arguments]
        return (
            subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[0].split()
        )

    short = ["NAME", "PHASE", "STAGE", "PROGRESS", "ETA", "HMEAN", "CHARPRECISION", "AGE"]
    assert columns() == short
    assert columns("-o", "wide") == [*short, "RUN", "QUEUE", "MESSAGE"]


def test_killed_at_any_moment_it_goes_on_and_does_nothing_twice(
    own_world: World, own_operator: Operator
) -> None:
    names = [f"p{number}" for number in range(4)]
    for name in names:
        own_world.create(name, train={"id": "r1"})
        own_operator.kill()  # before, between and after Job and status
        own_operator.start()
    for stage in TRAIN_STAGES:
        for name in names:
            own_world.run_stage(name, stage)
        own_operator.kill()
        own_operator.start()
    for name in names:
        own_world.until_condition(name, "Complete")
        stages = own_world.status(name)["train"]["stages"]
        assert [stage["attempts"] for stage in stages.values()] == [1] * 4
        assert len(own_world.jobs(name)) == 4
        assert all(len(own_world.pods(name, stage)) == 1 for stage in TRAIN_STAGES)


def test_it_ends_well_within_ten_seconds_when_asked_to(own_world: World, own_operator: Operator) -> None:
    own_world.create("p", train={"id": "r1"})
    own_world.until_stage("p", "prepare", "Pending")
    assert own_operator.stop() < 10
    own_operator.start()
