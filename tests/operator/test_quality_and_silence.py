"""Gates, silent trainings and silent nodes, on a real API server with the real Job controller."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ocr_contract.names import run_hash
from operator_world import World, eventually

TRAIN_STAGES = ("prepare", "detection", "recognition", "package")


def beat(world: World, name: str, stage: str, run: str = "r1", ahead: float = 0, **figures: Any) -> None:
    """The trainer's report, as if it were so many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    world.report(name, stage, run=run_hash(run, 0), updatedAt=f"{moment:%Y-%m-%dT%H:%M:%SZ}", **figures)


def train(world: World, name: str, run: str, hmean: float) -> None:
    """From prepare to package."""
    for stage in TRAIN_STAGES:
        pod = world.start_pod(name, stage)
        if stage == "detection":
            beat(world, name, stage, run, hmean=hmean)
        world.end_pod(pod)


def test_a_run_below_its_gate_does_not_become_the_projects_model(world: World) -> None:
    world.create("gated", train={"id": "good"}, gates={"minHmean": 0.8})
    train(world, "gated", "good", 0.9)
    world.until_condition("gated", "QualityPassed", "Passed")
    model = world.status("gated")["model"]
    assert (model["trainId"], model["hmean"]) == ("good", 0.9)

    world.edit("gated", train={"id": "poor"}, test={"id": "t1"})
    world.run_stage("gated", "test")
    train(world, "gated", "poor", 0.7)
    sentence = "hmean 0.7 is below gates.minHmean 0.8"

    def judged() -> Any:
        found = world.condition("gated", "QualityPassed")
        return found if found and found["status"] == "False" else None

    verdict = eventually(judged, "the second run is judged")
    assert (verdict["reason"], verdict["message"]) == ("BelowGate", sentence)
    assert world.until_condition("gated", "Complete")["status"] == "True", "it has not failed"
    status = world.status("gated")
    assert status["model"] == model
    assert [(run["id"], run["hmean"]) for run in status["runs"]] == [("good", 0.9), ("poor", 0.7)]
    assert status["runs"][1]["startedAt"] and "gpuSeconds" in status["runs"][1]
    assert world.until_events("gated", "BelowGate").count("BelowGate") == 1

    world.edit("gated", gates={"minHmean": 0.6})
    eventually(lambda: world.status("gated")["model"]["trainId"] == "poor", "the gate was lowered")
    assert world.condition("gated", "QualityPassed")["status"] == "True"  # type: ignore[index]


def test_a_silent_training_is_reported_and_on_request_restarted(world: World) -> None:
    world.create("mute", train={"id": "r1"}, limits={"stallSeconds": 2, "retries": 1})
    world.run_stage("mute", "prepare")
    world.start_pod("mute", "detection")
    condition = world.until_condition("mute", "ProgressStalled", "NoHeartbeat")
    assert "detection has reported nothing since" in condition["message"]
    assert "limits.stallSeconds (2 s)" in condition["message"]

    beat(world, "mute", "detection", ahead=3)
    eventually(lambda: world.condition("mute", "ProgressStalled")["status"] == "False", "it speaks again")  # type: ignore[index]

    world.edit("mute", limits={"onStall": "Restart"})

    def attempts() -> tuple[int, int]:
        stage = world.status("mute")["train"]["stages"]["detection"]
        return stage.get("restarts", 0), stage["attempts"]

    eventually(lambda: attempts() == (1, 2), "the next attempt")
    assert [job for job in world.jobs("mute") if "detection" in job] == [
        f"mute-{run_hash('r1', 0)}-detection-1"
    ]

    beat(world, "mute", "detection", ahead=-60)
    world.start_pod("mute", "detection")
    stage = world.until_stage("mute", "detection", "Failed")
    assert stage["reason"] == "Stalled" and stage["message"].startswith("detection stalled 2 times")
    events = world.until_events("mute", "StageRestarted", "ProgressStalled", "ProgressResumed")
    assert events.count("StageRestarted") == 1 and events.count("ProgressStalled") == 1
    assert events.count("ProgressResumed") == 1


def test_a_pod_that_a_dead_node_keeps_is_deleted_by_force_and_the_work_goes_on(world: World) -> None:
    world.http.post("/api/v1/nodes", json={"metadata": {"name": "dead"}}).raise_for_status()
    for name in ("cut-off", "cut-off-nap"):
        world.create(name, train={"id": "r1"}, limits={"nodeLostSeconds": 30})
    pods = {}
    for name in ("cut-off", "cut-off-nap"):
        pods[name] = world.start_pod(name, "prepare", node="dead")
        world.until_stage(name, "prepare", "Running")
        world.delete_pod(pods[name], grace_seconds=1)
    world.edit("cut-off-nap", train={"suspend": True})
    world.until_condition("cut-off-nap", "Suspended")
    world.edit("cut-off-nap", train={"suspend": False})
    first = f"cut-off-nap-{run_hash('r1', 0)}-prepare-0"
    assert list(world.jobs("cut-off-nap")) == [first], "no second pod beside one that may still write"

    for name in pods:
        world.until_events(name, "NodeLost")
    for name in pods:
        world.until_pod_gone(pods[name])
        world.run_stage(name, "prepare")
        world.until_stage(name, "prepare", "Succeeded")
    stages = [world.status(name)["train"]["stages"]["prepare"] for name in pods]
    assert [stage["attempts"] for stage in stages] == [1, 2], (
        "the same Job goes on; the stopped one has a successor"
    )
    for name in pods:
        events = world.until_events(name, "NodeLost", "PodDeletedByForce")
        assert events.count("NodeLost") == 1 and events.count("PodDeletedByForce") == 1
    world.http.delete("/api/v1/nodes/dead")
