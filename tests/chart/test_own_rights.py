"""Operator and facade as processes that hold no more than what the chart grants their service accounts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from facade_process import Cluster, eventually, serve
from kubernetes import client
from ocr_cluster.ports import PortClaim


def write_kubeconfig(installed: Any, account: str, path: Path) -> Path:
    """A kubeconfig with a token of the service account."""
    document = yaml.safe_load(installed.shell.kubeconfig.read_text())
    document["users"][0]["user"] = {"token": installed.kubectl("create", "token", account).strip()}
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_facade_works_with_its_own_rights(installed: Any, tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(installed, "ocr-ocr-operator-api", tmp_path / "kubeconfig")
    (tmp_path / "volume").mkdir()
    with serve(Cluster(kubeconfig, client.ApiClient()), installed.namespace, tmp_path / "volume") as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "the facade may not watch")
        for path in ("/train/start", "/train/start", "/train/stop", "/train/start", "/status"):
            answer = http.get(path, params={"projectID": "Own rights", "trainID": "r1"}).json()
            assert answer["code"] == 0, answer
        project = "/api/v1/projects/Own rights"
        assert http.patch(project, json={"spec": {"resources": {"gpus": 2}}}).status_code == 200
        assert http.get(f"{project}/events").json() == {"items": []}
        assert http.delete(project).status_code == 204


@pytest.fixture
def operator_log(installed: Any, tmp_path: Path) -> Iterator[Path]:
    """The operator with its Deployment's own environment and its own token; its log."""
    kubeconfig = write_kubeconfig(installed, "ocr-ocr-operator", tmp_path / "kubeconfig")
    pod = installed.get("deployment", "ocr-ocr-operator")["spec"]["template"]["spec"]
    settings = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    claim = PortClaim(1)
    environment = os.environ | settings | {
        "KUBECONFIG": str(kubeconfig), "OCR_HEALTH_PORT": str(claim.ports[0]),
    }  # fmt: skip
    log = tmp_path / "operator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ocr_operator", "run"], env=environment, stdout=output, stderr=output
        )
    try:
        yield log
    finally:
        process.terminate()
        try:
            assert process.wait(timeout=30) in (0, -signal.SIGTERM), log.read_text()
        finally:
            process.kill()
            claim.release()


def test_the_operator_works_with_its_own_rights(installed: Any, operator_log: Path) -> None:
    manifest = {
        "apiVersion": "ocrproject.dev/v1alpha1",
        "kind": "OcrProject",
        "metadata": {"name": "operated"},
        "spec": {"train": {"id": "r1"}},
    }
    installed.kubectl("create", "-f", "-", stdin=json.dumps(manifest))

    def jobs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = installed.get("jobs", "-l", "ocrproject.dev/project=operated")["items"]
        return found

    def condition(kind: str) -> str | None:
        conditions = installed.get("ocr", "operated").get("status", {}).get("conditions", [])
        return next((c["status"] for c in conditions if c["type"] == kind), None)

    eventually(lambda: len(jobs()) == 1, f"no Job: {operator_log.read_text()}")
    container = jobs()[0]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "ocr-trainer:0.2.0" and container["args"] == ["stage", "prepare"]
    # The namespace enforces Pod Security "restricted", and the stage's pod is let in.
    eventually(
        lambda: installed.get("pods", "-l", "ocrproject.dev/project=operated")["items"] != [],
        "the Job's pod was refused",
    )
    eventually(lambda: condition("Waiting") == "True", "no status")
    suspend = json.dumps({"spec": {"train": {"suspend": True}}})
    installed.kubectl("patch", "ocr", "operated", "--type=merge", "-p", suspend)
    eventually(lambda: condition("Suspended") == "True" and not jobs(), "not suspended")
    events = installed.get("events", "--field-selector=involvedObject.name=operated")["items"]
    assert any(event["reason"] == "JobCreated" for event in events)
    said = operator_log.read_text()
    assert "forbidden" not in said.lower() and "403" not in said, said
