"""Why a stage waits and why it failed: every cause has a reason of its own and a sentence that helps."""

import json
from typing import Any

import pytest

from ocr_contract.names import run_hash
from operator_play import Play, container, timestamp

JOB = f"p-{run_hash('r1', 0)}-prepare-0"


def started(**spec: Any) -> Play:
    play = Play(**({"train": {"id": "r1"}} | spec))
    play.settle()
    return play


def scheduled(play: Play, **state: Any) -> dict[str, Any]:
    """A pod on a node, whose container waits."""
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(play.now)}
    return {"phase": "Pending", "conditions": [condition], "containerStatuses": container({"waiting": state})}


def unscheduled(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def disrupted(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return {"conditions": [condition]}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "Unschedulable"),
        ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "Volume"),
        ('persistentvolumeclaim "data" not found', "Volume"),
        ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", "Volume"),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had volume node affinity conflict.",
            "Unschedulable",
        ),
    ],
)
def test_what_the_scheduler_says_is_told_in_its_words(message: str, reason: str) -> None:
    play = started()
    play.show_pod(JOB, **unscheduled(message))
    play.step()
    assert play.condition("Waiting") == ("True", reason) and play.message("Waiting") == message
    assert play.events.count(reason) == 1


def test_a_gated_pod_waits_for_a_quota() -> None:
    play = started()
    play.show_pod(
        JOB, **unscheduled("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated")
    )
    play.step()
    assert play.condition("Waiting") == ("True", "Quota")


@pytest.mark.parametrize(
    ("state", "reason", "message"),
    [
        (("ErrImagePull", "no such image"), "ImagePull", "ErrImagePull: no such image"),
        (
            ("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: no such image'),
            "ImagePull",
            "ErrImagePull: no such image",
        ),
        (("CreateContainerConfigError", "failed to create subPath"), "Volume", None),
        (("CreateContainerConfigError", "secret x not found"), "Container", None),
        (("RunContainerError", "no GPU"), "Container", "RunContainerError: no GPU"),
    ],
)
def test_what_the_kubelet_says_is_told_in_its_words(
    state: tuple[str, str], reason: str, message: str | None
) -> None:
    play = started()
    play.show_pod(JOB, **scheduled(play, reason=state[0], message=state[1]))
    play.step()
    assert play.condition("Waiting") == ("True", reason)
    assert play.message("Waiting") == (message or f"{state[0]}: {state[1]}")


def test_a_pull_and_its_back_off_take_turns_without_a_word() -> None:
    play = started()
    play.show_pod(JOB, **scheduled(play, reason="ErrImagePull", message="no such image"))
    play.step()
    before, events = play.status, list(play.events)
    message = 'Back-off pulling image "x": ErrImagePull: no such image'
    play.show_pod(JOB, **scheduled(play, reason="ImagePullBackOff", message=message))
    play.step()
    assert play.status == before and play.events == events


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_no_waiting_brings_fails_the_run_at_once(reason: str) -> None:
    play = started()
    play.show_pod(JOB, **scheduled(play, reason=reason, message="no"))
    assert play.step().deletes == (JOB,)
    assert play.condition("Failed") == ("True", "ImagePull")
    assert play.stage("prepare")["message"] == f"{reason}: no"


def test_an_image_that_may_still_come_has_the_startup_deadline() -> None:
    play = started(limits={"startupDeadlineSeconds": 100})
    play.show_pod(JOB, **scheduled(play, reason="ImagePullBackOff", message="no"))
    assert play.step(99).requeue_after == 1
    play.step(1)
    assert play.stage("prepare")["message"] == "no pod started in 100 s: ImagePullBackOff: no"


def test_the_startup_deadline_begins_when_the_queue_lets_the_job_go() -> None:
    play = started(limits={"startupDeadlineSeconds": 100})
    play.now = play.now.replace(hour=20)
    play.jobs[JOB] = play.jobs[JOB] | {"status": {"startTime": timestamp(play.now)}}
    play.show_pod(JOB, **unscheduled("0/3 nodes are available"))
    assert play.step(0).requeue_after == 100 and play.stage("prepare")["state"] == "Pending"


@pytest.mark.parametrize(("ready", "reason"), [("False", "VolumeOrNetwork"), ("True", "Starting")])
def test_a_start_that_takes_long_is_explained_as_far_as_can_be_known(ready: str, reason: str) -> None:
    play = started()
    pod = scheduled(play, reason="ContainerCreating")
    pod["conditions"].append({"type": "PodReadyToStartContainers", "status": ready})
    play.show_pod(JOB, **pod)
    assert play.step(20).requeue_after == 40 and play.condition("Waiting") == ("True", "Starting")
    play.step(40)
    assert play.condition("Waiting") == ("True", reason)
    assert ("kubectl describe pod" in play.message("Waiting")) == (reason != "Starting")


def test_a_job_whose_pod_is_not_created_says_where_to_look() -> None:
    play = started()
    assert play.step(30).requeue_after == 30 and play.condition("Waiting") == ("True", "Starting")
    play.step(30)
    assert play.condition("Waiting") == ("True", "PodNotCreated")
    assert play.message("Waiting").endswith(f"kubectl describe job {JOB} says why")


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("PreemptionByScheduler", "Preempted"),
        ("EvictionByEvictionAPI", "Evicted"),
        ("TerminationByKubelet", "Evicted"),
        ("DeletionByTaintManager", "NodeTainted"),
        ("DeletionByPodGC", "NodeLost"),
    ],
)
def test_a_pod_that_the_cluster_takes_away_is_told_and_nobodys_failure(cause: str, reason: str) -> None:
    play = started()
    play.run("prepare")
    play.step()
    play.end_pod(JOB, {"exitCode": 75}, **disrupted(cause, "its place was needed"))
    play.step()
    assert play.condition("Waiting") == ("True", reason)
    assert "was taken away (its place was needed); another one follows" in play.message("Waiting")
    play.run("prepare")
    play.step()
    assert play.condition("Waiting")[0] == "False" and play.events.count(reason) == 1


def test_a_try_that_failed_says_why_until_the_next_one_runs() -> None:
    play = started()
    words = json.dumps({"reason": "CudaError", "message": "the GPU fell off the bus"})
    play.run("prepare")
    play.end_pod(JOB, {"exitCode": 1, "message": words})
    play.step()
    assert play.condition("Waiting") == ("True", "Retrying")
    assert play.message("Waiting") == (
        "it is tried again; the last try ended with CudaError: the GPU fell off the bus"
    )


def ended(play: Play, cause: str, failed: int = 1, told: str = "") -> dict[str, Any]:
    """The stage's last state, when its Job has failed for that cause."""
    job = play.jobs[JOB]
    condition = {"type": "Failed", "status": "True", "reason": cause, "message": told}
    condition["lastTransitionTime"] = timestamp(play.now)
    play.jobs[JOB] = job | {"status": {"conditions": [condition], "failed": failed}}
    play.settle()
    assert play.condition("Failed") == ("True", play.stage("prepare")["reason"])
    return play.stage("prepare")


def test_retries_used_up_is_a_reason_of_its_own_where_the_trainer_left_none() -> None:
    play = started()
    play.end_pod(JOB, {"exitCode": 1})
    stage = ended(play, "BackoffLimitExceeded", failed=4)
    assert stage["reason"] == "RetriesUsedUp"
    assert stage["message"] == (
        "failed 4 times, the last time: the trainer ended with exit code 1 and left no words"
    )


def test_out_of_memory_again_and_again_stays_out_of_memory() -> None:
    play = started()
    play.end_pod(JOB, {"exitCode": 137, "reason": "OOMKilled"})
    stage = ended(play, "BackoffLimitExceeded", failed=4)
    assert stage["reason"] == "OOMKilled"
    assert stage["message"].startswith("failed 4 times, the last time: the container needed more memory")


def test_a_deadline_comes_with_the_trainers_last_words() -> None:
    play = started(limits={"activeDeadlineSeconds": 60})
    words = json.dumps({"reason": "Interrupted", "message": "stopped in epoch 3"})
    play.end_pod(JOB, {"exitCode": 75, "message": words})
    assert ended(play, "DeadlineExceeded")["message"] == (
        "took longer than limits.activeDeadlineSeconds (60 s); the trainer's last words: stopped in epoch 3"
    )


def test_the_failure_is_told_by_the_pod_that_failed_not_by_one_that_was_taken_away() -> None:
    play = started()
    play.end_pod(JOB, {"exitCode": 137, "reason": "OOMKilled"})
    play.end_pod(JOB, {"exitCode": 75}, **disrupted("PreemptionByScheduler", "its place was needed"))
    assert ended(play, "BackoffLimitExceeded")["reason"] == "OOMKilled"


def test_bad_data_is_known_from_the_job_alone_when_its_pod_is_gone() -> None:
    told = "Container trainer for pod ns/x failed with exit code 65 matching FailJob rule at index 0"
    stage = ended(started(), "PodFailurePolicy", told=told)
    assert (stage["reason"], stage["message"]) == ("BadData", "the dataset cannot be trained")


def test_the_trainers_words_are_read_from_the_api_server_before_a_failure_is_told() -> None:
    play = started()
    play.run("prepare")
    play.hear()  # the watch of the pods hangs, that of the Jobs does not
    play.fail("prepare", 65, json.dumps({"reason": "NoImages", "message": "the folder is empty"}))
    assert play.heard is not None
    play.heard.jobs = dict(play.jobs)
    play.step()
    assert play.condition("Failed") == ("True", "NoImages")
