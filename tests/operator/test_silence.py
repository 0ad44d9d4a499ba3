"""Stages that say nothing, nodes that do not answer, and time that GPUs were held."""

import pytest

from ocr_contract.names import run_hash
from operator_play import Play

R1 = run_hash("r1", 0)
RESTART = {"stallSeconds": 60, "onStall": "Restart", "retries": 1}


def training(stage: str = "detection", **limits: object) -> Play:
    """A project whose stage runs."""
    play = Play(train={"id": "r1", "runTest": True}, limits=limits)
    for done in ("prepare", "detection", "recognition", "package", "test"):
        play.settle()
        play.run(done)
        if done == stage:
            play.settle()
            return play
        play.finish(done)
    raise AssertionError(stage)


@pytest.mark.parametrize("stage", ["prepare", "detection", "recognition", "test"])
def test_a_stage_that_says_nothing_is_told_and_taken_back_when_it_speaks(stage: str) -> None:
    play = training(stage, stallSeconds=60)
    assert play.step(59).requeue_after == 1 and play.condition("ProgressStalled")[0] == "False"
    play.step(1)
    assert play.condition("ProgressStalled") == ("True", "NoHeartbeat")
    told = play.status["message"]
    assert told.startswith(
        f"{stage} has reported nothing since 2026-11-25T09:00:00Z, longer than limits.stall"
    )
    play.step(100)
    assert play.status["message"] == told and play.unfinished(), "reported, and left alone"
    play.report({"prepare": "dataset"}.get(stage, stage), R1)
    assert play.step(0).requeue_after == 60 and play.condition("ProgressStalled")[0] == "False"
    assert play.events.count("ProgressStalled") == play.events.count("ProgressResumed") == 1


def test_packaging_makes_no_reports_and_is_never_called_stalled() -> None:
    play = training("package", **RESTART)
    assert play.step(100_000).requeue_after is None and play.condition("ProgressStalled")[0] == "False"
    assert play.live("package")


def test_a_report_of_another_run_or_of_an_earlier_attempt_is_no_heartbeat() -> None:
    play = training(stallSeconds=60)
    play.report("detection", R1)
    play.edit_train(suspend=True)
    play.settle()
    play.edit_train(suspend=False)
    play.settle()
    play.now = play.now.replace(minute=30)
    play.run("detection")
    play.step(59)
    assert play.condition("ProgressStalled")[0] == "False", "measured from the new container's start"
    play.report("detection", "other")
    play.step(1)
    assert play.condition("ProgressStalled")[0] == "True"


def test_a_stalled_stage_is_restarted_and_given_up_after_the_retries() -> None:
    play = training(**RESTART)
    assert play.step(60).deletes == (f"p-{R1}-detection-0",)
    assert play.stage("detection")["restarts"] == 1
    play.settle()
    play.run("detection")
    play.settle()
    assert play.live("detection") == f"p-{R1}-detection-1"
    play.step(60)
    stage = play.stage("detection")
    assert (stage["state"], stage["reason"]) == ("Failed", "Stalled") and stage["gpuSeconds"] == 120
    assert stage["message"] == (
        "detection stalled 2 times: it reported nothing for limits.stallSeconds (60 s), and limits.retries "
        "(1) restarts did not help; see the log of its last Job"
    )
    play.settle()
    assert play.unfinished() == [] and play.events.count("StageRestarted") == 1


def test_a_watch_that_has_gone_blind_makes_no_training_look_dead() -> None:
    play = training(**RESTART)
    play.hear()
    play.now = play.now.replace(minute=10)
    play.report("detection", R1)
    decision = play.decide()
    assert decision.deletes == () and decision.requeue_after == 60


def test_doubts_of_the_trainer_become_a_condition_while_the_stage_runs() -> None:
    play = training()
    play.report("detection", "other", notLearning="not ours")
    play.settle()
    assert play.condition("NotLearning")[0] == "False"
    play.report("detection", R1, notLearning="the loss is 3 and began at 3: try another learningRate")
    play.settle()
    assert play.condition("NotLearning") == ("True", "FiguresStandStill")
    assert play.message("NotLearning") == "detection: the loss is 3 and began at 3: try another learningRate"
    play.finish("detection")
    assert play.condition("NotLearning")[0] == "False" and play.events.count("NotLearning") == 1


def lost(play: Play) -> str:
    """The running pod, which is asked to end and whose node does not answer."""
    pod = play.pod("detection")
    play.pods[pod]["spec"]["nodeName"] = "n1"
    play.ask_to_end(pod, grace=120)
    return pod


def test_a_pod_on_a_silent_node_is_told_and_later_deleted_by_force() -> None:
    play = training(nodeLostSeconds=600)
    pod = lost(play)
    assert play.step(0).requeue_after == 150, "the grace period and half a minute for the kubelet's word"
    assert play.step(150).requeue_after == 570
    assert play.condition("Waiting") == ("True", "NodeLost")
    assert play.status["message"] == (
        f"node n1 does not answer for pod {pod}, which should have ended; "
        "it is deleted by force after limits.nodeLostSeconds (600 s)"
    )
    assert play.step(570).force_deletes == (pod,)
    play.step(0)
    assert play.condition("Waiting")[1] != "NodeLost" and play.live("detection")
    assert play.events.count("NodeLost") == play.events.count("PodDeletedByForce") == 1
    assert play.stage("detection")["gpuSeconds"] == 120, "up to the end of its grace period"


def test_a_kubelet_that_ends_its_pod_in_time_is_not_called_silent() -> None:
    play = training()
    lost(play)
    play.step(100)
    play.end_pod(play.live("detection"), {"exitCode": 75})
    decision = play.step(1000)
    assert decision.force_deletes == () and play.condition("Waiting")[1] != "NodeLost"


@pytest.mark.parametrize("way", ["suspended and resumed", "deleted at once", "stalled"])
def test_the_next_attempt_waits_until_a_lost_pod_is_gone(way: str) -> None:
    play = training(
        nodeLostSeconds=60, **({"stallSeconds": 90, "onStall": "Restart"} if way == "stalled" else {})
    )
    pod = play.pod("detection")
    job = play.live("detection")
    if way == "suspended and resumed":
        play.edit_train(suspend=True)
        play.step()
        play.edit_train(suspend=False)
    elif way == "deleted at once":
        del play.jobs[job]
    else:
        play.step(90)
    play.ask_to_end(pod, grace=10)
    for _ in range(3):
        play.collect(frozenset({pod}))
        assert play.step(1).creates == ()
    assert play.step(100).force_deletes == (pod,)
    play.settle()
    assert play.live("detection") == f"p-{R1}-detection-1"


def test_a_run_trained_again_waits_for_a_pod_of_the_run_before_whose_job_is_gone() -> None:
    play = training()
    pod = play.pod("detection")
    del play.jobs[play.live("detection")]
    play.ask_to_end(pod, grace=120)
    play.edit_train(revision=1)
    assert play.step().creates == () and play.condition("Waiting") == ("True", "Starting")
    play.collect()
    play.settle()
    assert play.live("prepare") == f"p-{run_hash('r1', 1)}-prepare-0"


def test_a_deleted_project_still_lets_go_of_a_lost_pod() -> None:
    play = training(nodeLostSeconds=60)
    pod = lost(play)
    play.project = play.project | {
        "metadata": play.project["metadata"] | {"deletionTimestamp": "2026-11-25T09:00:00Z"}
    }
    before = play.status
    decision = play.step(300)
    assert decision.force_deletes == (pod,) and not decision.creates and not decision.deletes
    assert play.status == before


def test_gpu_time_survives_pods_that_vanish_and_is_counted_once() -> None:
    play = training()
    play.step(100)
    play.end_pod(play.live("detection"), {"exitCode": 1})
    play.step(10)
    assert play.stage("detection")["gpuSeconds"] == 100
    play.pods.clear()
    play.run("detection")
    play.step(50)
    play.edit_train(suspend=True)
    play.step(0)
    assert play.stage("detection")["gpuSeconds"] == 150
    play.step(20)
    play.end_pod(play.live("detection"), {"exitCode": 75})
    play.step(0)
    assert play.stage("detection")["gpuSeconds"] == 170, "the container took a while to end"
    play.settle()
    assert play.stage("detection")["gpuSeconds"] == 170


def test_while_a_container_simply_works_nothing_is_written() -> None:
    play = training()
    before = play.status
    play.step(500)
    assert play.status == before
