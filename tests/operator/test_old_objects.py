"""Projects of the release before: made when the resource knew fewer fields, gone on with after the upgrade.

On a control plane of its own, for it changes the resource that all other tests share.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import job_name, run_hash
from ocr_contract.resource import API_VERSION, KIND
from ocr_contract.stages import Stage
from operator_world import CRD, Operator, World, eventually, http_client, install_crd

NEWEST = ("gates", "limits.onStall", "limits.nodeLostSeconds", "test.revision")
"""Fields of the spec that this release brought."""
NEWEST_STATUS = ("restarts", "hmean", "charPrecision", "endToEndF1", "gpuSeconds", "startedAt")
"""Of a stage, the model and the records; taken out wherever they stand but in the trainer's part."""


def as_it_was(document: dict[str, Any]) -> dict[str, Any]:
    """The resource without what this release brought."""
    schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for field in NEWEST:
        *way, last = field.split(".")
        at = schema["spec"]
        for step in way:
            at = at["properties"][step]
        del at["properties"][last]
        at["x-kubernetes-validations"] = [
            rule for rule in at.get("x-kubernetes-validations", ()) if last not in rule["rule"]
        ]
    for model in ("detection", "recognition"):
        overrides = schema["spec"]["properties"]["train"]["properties"][model]["properties"]["overrides"]
        del overrides["additionalProperties"]
        overrides["x-kubernetes-preserve-unknown-fields"] = True
    status = schema["status"]["properties"]
    for part in (
        status["train"]["properties"]["stages"]["additionalProperties"],
        status["model"],
        status["runs"]["items"],
    ):
        for field in NEWEST_STATUS:
            part["properties"].pop(field, None)
    return document


@pytest.fixture
def old_world(tmp_path: Path) -> Iterator[tuple[World, Operator]]:
    """Where the release before is installed, and this release's operator, which nobody has started yet."""
    with ControlPlane(tmp_path / "plane") as plane, http_client(plane.kubeconfig) as http:
        install_crd(http, as_it_was(yaml.safe_load(CRD.read_text())))
        operator = Operator(plane.kubeconfig, "default", tmp_path / "operator.log")
        yield World(http, "default"), operator
        operator.kill()
        assert "Traceback" not in operator.log, operator.log


def write_status(world: World, name: str, status: dict[str, Any]) -> None:
    """As the release before wrote it."""
    body = {"apiVersion": API_VERSION, "kind": KIND, "status": status}
    world.http.patch(
        f"{world.projects}/{name}/status",
        params={"fieldManager": "ocr-operator", "force": "true"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps(body),
    ).raise_for_status()


def test_projects_of_the_release_before_go_on_after_the_upgrade(old_world: tuple[World, Operator]) -> None:
    world, operator = old_world
    run, overrides = run_hash("r1", 0), {"model.neck.depth": 3, "train_cfg": {"a": [1, None]}}
    spec = {"train": {"id": "r1", "detection": {"overrides": overrides}}, "test": {"id": "t1"}}
    for name in ("going", "tested"):
        assert world.create(name, **spec).status_code == 201
    assert "gates" not in world.get("going")["spec"], "the release before knows no gates"
    prepared = {"state": "Succeeded", "job": job_name("going", run, Stage.PREPARE, 0), "attempts": 1}
    done = {"id": "r1", "outcome": "Succeeded", "finishedAt": "2026-01-01T00:00:00Z"}
    stages = {"prepare": prepared}
    write_status(world, "going", {"phase": "Training", "train": {"id": "r1", "stages": stages}})
    write_status(
        world,
        "tested",
        {
            "phase": "Succeeded",
            "train": {"id": "r1", "finishedAt": done["finishedAt"], "stages": all_succeeded("tested", run)},
            "runs": [done],
            "model": {"trainId": "r1", "path": "train/tested/r1/model/pthModel.zip"},
        },
    )

    install_crd(world.http)
    eventually(lambda: world.get("going")["spec"].get("gates") == {}, "what is stored has the new defaults")
    assert world.get("going")["spec"]["limits"]["onStall"] == "Report"
    operator.start()

    world.run_stage("tested", "test")
    world.until_condition("tested", "Complete")
    assert sorted(world.jobs("tested")) == [job for job in world.jobs("tested") if "-test-" in job]
    world.start_pod("going", "detection")
    world.until_stage("going", "detection", "Running")
    assert not [job for job in world.jobs("going") if "-prepare-" in job], "what was done stays done"
    assert world.edit("going", train={"suspend": True}).status_code == 200
    world.until_condition("going", "Suspended")
    assert world.edit("going", train={"suspend": False}).status_code == 200
    for stage in ("detection", "recognition", "package", "test"):
        world.run_stage("going", stage)
    world.until_condition("going", "Complete")
    assert world.get("going")["spec"]["train"]["detection"]["overrides"] == overrides
    assert world.edit("going", gates={"minHmean": 0.5}, limits={"onStall": "Restart"}).status_code == 200


def all_succeeded(project: str, run: str) -> dict[str, Any]:
    """The stages of a training as the release before wrote them."""
    stages = (Stage.PREPARE, Stage.DETECTION, Stage.RECOGNITION, Stage.PACKAGE)
    return {
        stage.value: {"state": "Succeeded", "job": job_name(project, run, stage, 0), "attempts": 1}
        for stage in stages
    }
