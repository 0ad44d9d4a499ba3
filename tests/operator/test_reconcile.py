"""The pure core: what the operator decides, situation by situation."""

import json
from typing import Any

import pytest

from ocr_contract import names
from ocr_contract.names import run_hash
from ocr_contract.spec import OcrProjectSpec
from ocr_operator.decision import Refusal
from ocr_operator.plan import tracks
from operator_play import Play

R1 = run_hash("r1", 0)
TRAIN = ("prepare", "detection", "recognition", "package")


def started(**spec: Any) -> Play:
    play = Play(**({"train": {"id": "r1"}} | spec))
    play.settle()
    return play


@pytest.mark.parametrize(
    ("train", "groups"),
    [
        ({}, ["prepare", "detection", "recognition", "package"]),
        ({"runTest": True}, ["prepare", "detection", "recognition", "package", "test"]),
        ({"order": "Parallel"}, ["prepare", "detection+recognition", "package"]),
        ({"order": "Parallel", "runTest": True}, ["prepare", "detection+recognition", "package", "test"]),
    ],
)
def test_the_plan_follows_the_spec(train: dict[str, Any], groups: list[str]) -> None:
    (track,) = tracks(OcrProjectSpec.model_validate({"train": {"id": "r"} | train}))
    assert ["+".join(group) for group in track.groups] == groups


def test_nothing_to_do_is_said() -> None:
    play = Play()
    play.settle()
    assert play.created == [] and play.status["phase"] == "Pending"
    assert play.status["message"] == "nothing to do: set spec.train or spec.test"


def test_one_job_at_a_time_in_order() -> None:
    play = started()
    for number, stage in enumerate(TRAIN):
        assert play.created == [f"p-{R1}-{done}-0" for done in TRAIN[: number + 1]]
        play.run(stage)
        play.settle()
        assert play.stage(stage)["state"] == "Running"
        play.succeed(stage)
        play.settle()
    assert play.condition("Complete") == ("True", "Succeeded") and len(play.created) == 4


@pytest.mark.parametrize(
    ("stage", "phase"),
    [
        ("prepare", "Preparing"),
        ("detection", "Training"),
        ("recognition", "Training"),
        ("package", "Packaging"),
    ],
)
def test_the_phase_names_what_runs(stage: str, phase: str) -> None:
    play = started()
    for done in TRAIN[: TRAIN.index(stage)]:
        play.run(done)
        play.finish(done)
    play.run(stage)
    play.settle()
    assert (play.status["phase"], play.status["stage"]) == (phase, stage)


def test_a_settled_project_asks_for_nothing() -> None:
    play = started()
    decision = play.decide()
    current = {name: part for name, part in play.status.items() if name != "trainer"}
    assert decision.status == current
    assert not decision.creates and not decision.deletes and not decision.events


def test_a_job_that_was_created_before_a_crash_is_adopted() -> None:
    play = Play(train={"id": "r1"})
    play.carry_out(play.decide(), crash_before_status=True)
    play.settle()
    assert len(play.created) == 1 and play.stage("prepare")["attempts"] == 1


def test_a_watch_that_is_behind_leads_to_no_second_job() -> None:
    play = started()
    assert play.decide(blind=True).creates == ()


def test_an_absent_job_of_a_finished_stage_means_nothing() -> None:
    play = started()
    play.finish("prepare")
    for name in [name for name in play.jobs if "prepare" in name]:
        del play.jobs[name]
    play.settle()
    assert play.stage("prepare")["state"] == "Succeeded" and len(play.created) == 2


def test_a_job_that_vanished_unfinished_is_followed_by_the_next_attempt() -> None:
    play = started()
    play.run("prepare")
    play.settle()
    play.jobs.clear()
    play.pods.clear()
    play.settle()
    assert play.created[-1] == f"p-{R1}-prepare-1" and play.stage("prepare")["attempts"] == 2


def test_suspending_deletes_the_job_and_resuming_makes_the_next_attempt() -> None:
    play = started()
    play.finish("prepare")
    play.run("detection")
    play.settle()
    play.edit_train(suspend=True)
    decision = play.step(30)
    assert decision.deletes == (f"p-{R1}-detection-0",) and not decision.creates
    play.settle()
    assert play.status["phase"] == "Suspended" and play.condition("Suspended")[0] == "True"
    assert play.unfinished() == []
    play.edit_train(suspend=False)
    play.settle()
    assert play.live("detection") == f"p-{R1}-detection-1"
    assert play.condition("Suspended")[0] == "False"
    assert play.stage("detection")["gpuSeconds"] == 30


def test_resuming_waits_until_the_stopped_job_is_gone() -> None:
    play = started()
    play.run("prepare")
    play.settle()
    play.edit_train(suspend=True)
    play.step()
    play.edit_train(suspend=False)
    assert play.step().creates == ()
    play.settle()
    assert play.live("prepare") == f"p-{R1}-prepare-1"


def test_a_job_that_ends_well_while_it_is_suspended_has_ended_well() -> None:
    play = started()
    play.succeed("prepare")
    play.edit_train(suspend=True)
    play.settle()
    assert play.stage("prepare")["state"] == "Succeeded" and play.unfinished() == []
    play.edit_train(suspend=False)
    play.settle()
    assert play.live("detection")


def test_a_new_project_that_is_suspended_creates_nothing() -> None:
    play = started(train={"id": "r1", "suspend": True})
    assert play.created == [] and play.status["phase"] == "Suspended"


@pytest.mark.parametrize(
    ("exit_code", "words", "terminated", "reason", "message"),
    [
        (65, {"reason": "NoImages", "message": "the folder is empty"}, {}, "NoImages", "the folder is empty"),
        (65, None, {}, "BadData", "the dataset cannot be trained"),
        (78, None, {}, "BadConfiguration", "the configuration cannot be used"),
        (64, None, {}, "WrongCall", "the trainer was called wrongly"),
        (
            137,
            None,
            {"reason": "OOMKilled"},
            "OOMKilled",
            "the container needed more memory than resources.memory",
        ),
        (1, None, {}, "Error", "the trainer ended with exit code 1 and left no words"),
    ],
)
def test_a_failure_is_told_by_its_cause(
    exit_code: int, words: dict[str, str] | None, terminated: dict[str, str], reason: str, message: str
) -> None:
    play = started()
    play.fail("prepare", exit_code, json.dumps(words) if words else "", **terminated)
    play.settle()
    stage = play.stage("prepare")
    assert (stage["state"], stage["reason"], stage["message"]) == ("Failed", reason, message)
    assert play.condition("Failed") == ("True", reason)
    assert play.status["message"] == f"prepare: {message}" and play.status["phase"] == "Failed"
    assert len(play.created) == 1
    assert play.events.count("StageFailed") == 1 and play.events.count("Failed") == 1


def test_a_failed_run_stays_failed_whatever_happens_to_its_job() -> None:
    play = started()
    play.fail("prepare", 65)
    play.settle()
    play.jobs.clear()
    play.pods.clear()
    play.edit(limits={"retries": 9})
    play.settle()
    assert play.condition("Failed")[0] == "True" and len(play.created) == 1


def test_a_failure_of_one_model_stops_the_other() -> None:
    play = started(train={"id": "r1", "order": "Parallel"})
    play.finish("prepare")
    play.run("recognition")
    play.settle()
    play.fail("detection", 78)
    play.settle()
    assert play.stage("recognition")["reason"] == "Stopped" and play.unfinished() == []
    assert play.status["stage"] == "detection" and play.condition("Failed") == ("True", "BadConfiguration")
    assert play.status["runs"][0]["stage"] == "detection"


def test_a_new_run_waits_until_the_old_ones_job_is_gone() -> None:
    play = started()
    play.run("prepare")
    play.settle()
    play.edit(train={"id": "r2"})
    decision = play.step()
    assert decision.deletes == (f"p-{R1}-prepare-0",) and not decision.creates
    assert play.condition("Waiting")[0] == "True"
    play.settle()
    assert play.live("prepare") == f"p-{run_hash('r2', 0)}-prepare-0"
    assert [(run["id"], run["outcome"]) for run in play.status["runs"]] == [("r1", "Stopped")]


def test_a_run_that_ended_is_not_run_again_when_it_is_named_again() -> None:
    play = started()
    play.finish(*TRAIN)
    play.edit(train={"id": "r2"})
    play.settle()
    play.fail("prepare", 65)
    play.settle()
    created = list(play.created)
    play.edit(train={"id": "r1"})
    play.settle()
    assert play.condition("Complete")[0] == "True"
    play.edit(train={"id": "r2"})
    play.settle()
    assert play.condition("Failed") == ("True", "BadData")
    assert play.created == created


def test_a_raised_revision_is_a_run_of_its_own() -> None:
    play = started()
    play.finish(*TRAIN)
    play.edit_train(revision=1)
    play.settle()
    assert play.live("prepare") == f"p-{run_hash('r1', 1)}-prepare-0"
    assert play.condition("Complete")[0] == "False"


def test_only_the_last_ten_runs_are_remembered() -> None:
    play = started()
    for number in range(12):
        play.edit(train={"id": f"n{number}"})
        play.settle()
        play.fail("prepare", 65)
        play.settle()
    assert [run["id"] for run in play.status["runs"]] == [f"n{number}" for number in range(2, 12)]


def test_taking_the_run_out_of_the_spec_stops_it() -> None:
    play = started()
    play.project["spec"].pop("train")
    play.settle()
    assert play.unfinished() == [] and "train" not in play.status
    assert play.status["runs"][0]["outcome"] == "Stopped"


def test_a_test_without_a_model_waits_and_says_why() -> None:
    play = Play(test={"id": "t1"})
    play.settle()
    assert play.created == [] and play.condition("Waiting") == ("True", "NoModel")


def test_a_test_uses_the_last_packaged_model_while_another_run_trains() -> None:
    play = started()
    play.finish(*TRAIN)
    play.edit(train={"id": "r2"}, test={"id": "t1"})
    play.settle()
    assert sorted(play.unfinished()) == sorted(
        [f"p-{names.test_hash('t1', 0)}-test-0", f"p-{run_hash('r2', 0)}-prepare-0"]
    )
    job = play.jobs[play.live("test")]
    (variable,) = [
        item["value"]
        for item in job["spec"]["template"]["spec"]["containers"][0]["env"]
        if item["name"] == "OCR_STAGE_INPUT"
    ]
    assert json.loads(variable)["train"]["id"] == "r1" and json.loads(variable)["test"]["id"] == "t1"
    play.finish("test")
    assert play.status["test"]["stages"]["test"]["state"] == "Succeeded"


def test_a_test_waits_for_a_run_that_is_trained_anew_in_the_models_place() -> None:
    play = started()
    play.finish(*TRAIN)
    play.edit(train={"id": "r1", "revision": 1}, test={"id": "t1"})
    play.settle()
    assert play.condition("Waiting") == ("True", "ModelInTraining")
    play.finish(*TRAIN)
    assert play.live("test")


def test_a_younger_project_with_the_same_id_creates_nothing() -> None:
    play = Play(projectID="R", train={"id": "r1"})
    play.claimed_by = "older"
    play.settle()
    assert play.created == [] and play.condition("Waiting") == ("True", "DuplicateProjectID")
    play.claimed_by = None
    play.settle()
    assert len(play.created) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"train": {"id": "r1", "colour": "red"}}, "spec.train.colour: Extra inputs are not permitted"),
        ({"train": {"id": ".."}}, "spec.train.id: Value error, id '..' is not allowed"),
        (
            {"train": {"id": "r1"}, "resources": {"nodes": 2}},
            "resources.nodes: this release trains on one node",
        ),
    ],
)
def test_a_spec_that_this_release_cannot_follow_fails_with_the_field(
    spec: dict[str, Any], message: str
) -> None:
    play = Play(**spec)
    play.settle()
    assert play.created == [] and play.condition("Failed") == ("True", "InvalidSpec")
    assert message in play.status["message"]


def test_a_refused_job_fails_the_run_for_good_and_a_quota_only_for_now() -> None:
    play = Play(train={"id": "r1"})
    play.refused = {f"p-{R1}-prepare-0": Refusal(False, "exceeded quota: gpus")}
    decision = play.step()
    assert decision.requeue_after == 30 and play.condition("Waiting") == ("True", "Quota")
    play.refused = {f"p-{R1}-prepare-0": Refusal(False, "Job p is there already", "NameTaken")}
    assert play.step().requeue_after == 30 and play.condition("Waiting") == ("True", "NameTaken")
    play.refused = {f"p-{R1}-prepare-0": Refusal(True, "Job is invalid")}
    play.step()
    assert play.condition("Failed") == ("True", "JobRefused")
    assert play.status["message"] == "prepare: Job is invalid"


def test_a_pod_that_never_starts_fails_the_run_at_its_deadline() -> None:
    play = started(limits={"startupDeadlineSeconds": 60})
    play.show_pod(play.live("prepare"), phase="Pending")
    assert play.step(30).requeue_after == 30
    decision = play.step(30)
    assert decision.deletes == (f"p-{R1}-prepare-0",)
    assert play.stage("prepare")["state"] == "Failed"
    assert play.stage("prepare")["message"] == "no pod started in 60 s: its pod is starting"


def test_waiting_in_a_queue_has_no_deadline() -> None:
    play = started(limits={"startupDeadlineSeconds": 60}, scheduling={"queueName": "team-a"})
    name = play.live("prepare")
    play.jobs[name] = play.jobs[name] | {"spec": play.jobs[name]["spec"] | {"suspend": True}}
    play.step(100_000)
    assert play.condition("Waiting") == ("True", "Quota")
    assert play.status["message"] == "waits for a place in queue 'team-a'"


def test_what_the_trainer_wrote_is_never_written_by_the_operator() -> None:
    play = started()
    play.report("detection", R1, epoch=3, totalEpochs=50)
    assert "trainer" not in play.decide().status


def test_progress_only_believes_reports_of_this_run() -> None:
    play = started()
    play.finish("prepare")
    play.run("detection")
    report = {"epoch": 50, "totalEpochs": 50, "imagesSeen": 1, "totalImages": 1, "etaSeconds": 61}
    play.report("detection", "other", **report)
    play.settle()
    assert play.status["progress"] == 3 and "etaSeconds" not in play.status
    play.report("detection", R1, **report)
    play.settle()
    assert play.status["progress"] == 70 and play.status["etaSeconds"] == 60


def test_transition_times_move_only_with_the_condition() -> None:
    play = started()
    times = {item["type"]: item["lastTransitionTime"] for item in play.status["conditions"]}
    play.run("prepare")
    play.step(60)
    moved = {
        item["type"]
        for item in play.status["conditions"]
        if item["lastTransitionTime"] != times[item["type"]]
    }
    assert moved == {"Waiting"}
