"""What kubectl says of a project: waiting for its end, describing it, explaining its fields."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import run_hash
from operator_world import World, eventually

KUBECTL = Path(__file__).resolve().parents[2] / ".cluster" / "bin" / "hyper"
TRAIN_STAGES = ("prepare", "detection", "recognition", "package")
Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(world: World, control_plane: ControlPlane) -> Kubectl:
    def run(*arguments: str, fails: bool = False) -> str:
        command = [KUBECTL, "kubectl", "--kubeconfig", control_plane.kubeconfig, "-n", world.namespace]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    return run


def lines(text: str) -> list[str]:
    """Every line with single blanks."""
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]


def test_a_script_waits_for_the_end_of_a_run(world: World, kubectl: Kubectl) -> None:
    world.create("awaited", train={"id": "r1"})
    world.create("broken", train={"id": "r1"})
    world.until_stage("awaited", "prepare", "Pending")
    said = kubectl("wait", "--for=condition=Complete", "ocr/awaited", "--timeout=0", fails=True)
    assert "condition not met" in said
    for stage in TRAIN_STAGES:
        world.run_stage("awaited", stage)
    said = kubectl("wait", "--for=condition=Complete", "ocr/awaited", "--timeout=60s")
    assert said == "ocrproject.ocrproject.dev/awaited condition met\n"
    kubectl("wait", "--for=condition=Failed=False", "ocr/awaited", "--timeout=0")
    world.run_stage("broken", "prepare", exit_code=65)
    kubectl("wait", "--for=condition=Failed", "ocr/broken", "--timeout=60s")
    kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "ocr/broken", "--timeout=60s")


def test_a_project_at_work_is_described(world: World, kubectl: Kubectl) -> None:
    world.create("described", train={"id": "r1"}, gates={"minHmean": 0.8}, scheduling={"queueName": "team-a"})
    world.run_stage("described", "prepare")
    world.start_pod("described", "detection")
    world.until_stage("described", "detection", "Running")
    run = run_hash("r1", 0)
    report = {"epoch": 3, "totalEpochs": 50, "hmean": 0.8125, "etaSeconds": 120}
    world.report("described", "detection", run=run, **report)
    eventually(lambda: world.status("described").get("etaSeconds"), "the report is told")

    head, row = lines(kubectl("get", "ocr", "described", "-o", "wide"))
    shown = "described Training detection 5 120 0.8125 [0-9]+s r1 team-a detection: epoch 3 of 50"
    assert re.fullmatch(shown, row), (head, row)
    said = lines(kubectl("describe", "ocr", "described"))
    for line in (
        "Min Hmean: 0.8",
        "Phase: Training",
        "Stage: detection",
        "Message: detection: epoch 3 of 50",
        "Eta Seconds: 120",
        f"Job: described-{run}-detection-0",
        "Type: DatasetValid",
        "Type: Complete",
        "Type: Waiting",
        "Events:",
    ):
        assert line in said, line
    events = "\n".join(said[said.index("Events:") :])
    for event in (
        f"JobCreated .* ocr-operator created Job described-{run}-prepare-0",
        "StageSucceeded .* ocr-operator prepare of r1",
        "StageRunning .* ocr-operator detection of r1",
    ):
        assert re.search(f"^Normal {event}$", events, re.MULTILINE), (event, events)


def test_a_failure_is_described_in_the_trainers_words(world: World, kubectl: Kubectl) -> None:
    world.create("unlucky", train={"id": "r1"})
    words = '{"reason": "NoAnnotations", "message": "train/unlucky/r1 holds no annotation file"}'
    world.run_stage("unlucky", "prepare", exit_code=65, message=words)
    world.until_condition("unlucky", "Failed")
    world.until_events("unlucky", "Failed")  # the last one
    said = lines(kubectl("describe", "ocr", "unlucky"))
    sentence = "prepare: train/unlucky/r1 holds no annotation file"
    assert f"Message: {sentence}" in said and "Reason: NoAnnotations" in said
    assert any(re.fullmatch(f"Warning Failed .* ocr-operator {sentence}", line) for line in said)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("ocrproject", "Trains a text detector and a recogniser on a project's annotated images"),
        ("ocrproject.spec", "gates <Object> What a run must reach for its model to become the project's."),
        ("ocrproject.spec.train", "id <string> -required- The run's name and folder"),
        ("ocrproject.spec.train", "order <string> enum: Sequential, Parallel Parallel trains both"),
        ("ocrproject.spec.train.detection", "batchSize <integer> 0, the largest that fits the GPU."),
        ("ocrproject.spec.train.detection", "overrides <map[string]Object> Dotted mmengine"),
        ("ocrproject.spec.gates", "minEndToEnd <number> Of the end-to-end F1 on the run's test images"),
        ("ocrproject.spec.limits", "onStall <string> enum: Report, Restart Report sets a condition"),
        ("ocrproject.spec.limits", "nodeLostSeconds <integer> So long after its grace period"),
        ("ocrproject.status", "phase <string> For people. Pending, Preparing, Training"),
        ("ocrproject.status.conditions", "reason <string> -required- Why, in one word."),
        ("ocr.status.trainer.detection", "hmean <number> Harmonic mean of precision and recall."),
    ],
)  # fmt: skip
def test_a_field_is_explained(kubectl: Kubectl, field: str, said: str) -> None:
    assert said in re.sub(r"\s+", " ", kubectl("explain", field))
