"""The operator as its users meet it: a process before a real API server, whose pods the test plays.

There is no kubelet: the test writes what a kubelet would write into the pods' status, and the real Job
controller decides what that means for the Job.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from ocr_cluster.pki import open_kubeconfig
from ocr_contract.resource import API_VERSION, GROUP, KIND, LABEL_PROJECT, LABEL_STAGE, PLURAL, VERSION

CRD = Path(__file__).resolve().parents[1] / "charts/ocr-operator/files/ocrprojects.yaml"
PATIENCE_SECONDS = 60.0

ENDING_WITH_THE_TESTS = ("setpriv", "--pdeathsig", "TERM")
"""Before a server's command: no process is left of tests that were killed."""


def eventually(check: Callable[[], Any], what: str, patience: float = PATIENCE_SECONDS) -> Any:
    """The check's first true answer: watches and controllers need a moment."""
    deadline = time.monotonic() + patience
    while not (answer := check()):
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.05)
    return answer


def http_client(kubeconfig: Path) -> httpx.Client:
    """The API server with an administrator's rights."""
    server, tls = open_kubeconfig(kubeconfig)
    return httpx.Client(base_url=server, verify=tls, timeout=30)


def install_crd(http: httpx.Client, document: dict[str, Any] | None = None) -> None:
    """Apply the chart's CRD, or another version of it, and wait until its rules are enforced."""
    document = document or yaml.safe_load(CRD.read_text())
    answer = http.patch(
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}",
        params={"fieldManager": "tests", "force": "true"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps(document),
    )
    assert answer.status_code in (200, 201), answer.text
    probe = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "probe"},
        "spec": {"test": {"id": ".."}},
    }
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/{PLURAL}"
    eventually(lambda: http.post(path, json=probe).status_code == 422, "the CRD's rules are enforced")


class World:
    """One namespace of the API server, seen past the operator."""

    def __init__(self, http: httpx.Client, namespace: str) -> None:
        self.http = http
        self.namespace = namespace
        self.projects = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
        self.jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.pods_path = f"/api/v1/namespaces/{namespace}/pods"

    def create(self, name: str, **spec: Any) -> httpx.Response:
        """Create an OcrProject; the answer may be a refusal."""
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        return self.http.post(self.projects, json=body)

    def edit(self, name: str, **spec: Any) -> httpx.Response:
        """Merge into the project's spec."""
        return self._merge(f"{self.projects}/{name}", {"spec": spec})

    def get(self, name: str) -> dict[str, Any]:
        answer = self.http.get(f"{self.projects}/{name}")
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(name).get("status", {})
        return found

    def delete(self, name: str) -> None:
        self.http.delete(f"{self.projects}/{name}").raise_for_status()

    def report(self, name: str, stage: str, **fields: Any) -> None:
        """What the trainer in the pod does."""
        body = {"apiVersion": API_VERSION, "kind": KIND, "status": {"trainer": {stage: fields}}}
        answer = self.http.patch(
            f"{self.projects}/{name}/status",
            params={"fieldManager": f"ocr-trainer-{stage}", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            content=json.dumps(body),
        )
        assert answer.status_code == 200, answer.text

    def jobs(self, name: str) -> dict[str, dict[str, Any]]:
        """The project's Jobs by name."""
        answer = self.http.get(self.jobs_path, params={"labelSelector": f"{LABEL_PROJECT}={name}"})
        return {job["metadata"]["name"]: job for job in answer.json()["items"]}

    def delete_job(self, job: str) -> None:
        self.http.delete(
            f"{self.jobs_path}/{job}", params={"propagationPolicy": "Background"}
        ).raise_for_status()

    def events(self, name: str) -> list[str]:
        path = f"/api/v1/namespaces/{self.namespace}/events"
        answer = self.http.get(path, params={"fieldSelector": f"involvedObject.name={name}"})
        return [event["reason"] for event in answer.json()["items"]]

    def until_events(self, name: str, *reasons: str) -> list[str]:
        """All events once these are among them: they are told after the status is written."""
        eventually(lambda: set(reasons) <= set(self.events(name)), f"{name} tells of {', '.join(reasons)}")
        return self.events(name)

    def pods(self, name: str, stage: str) -> list[dict[str, Any]]:
        selector = f"{LABEL_PROJECT}={name},{LABEL_STAGE}={stage}"
        items: list[dict[str, Any]] = self.http.get(
            self.pods_path, params={"labelSelector": selector}
        ).json()["items"]
        return items

    def start_pod(self, name: str, stage: str, node: str | None = None) -> str:
        """Play the kubelet (of that node) that starts the stage's waiting pod; the pod's name.

        A pod that its controller takes back meanwhile is let go, as a kubelet does: the next one is started.
        """

        def started() -> str | None:
            for pod in self.pods(name, stage):
                if pod["status"].get("phase") == "Pending" and self._start(pod["metadata"]["name"], node):
                    return str(pod["metadata"]["name"])
            return None

        return str(eventually(started, f"{stage} of {name} has a pod"))

    def _start(self, pod: str, node: str | None) -> bool:
        """Whether the pod was there to be started."""
        if node:
            binding = {"target": {"kind": "Node", "name": node}, "metadata": {"name": pod}}
            bound = self.http.post(f"{self.pods_path}/{pod}/binding", json=binding)
            if bound.status_code == 404:
                return False
            bound.raise_for_status()
        return self._pod_status(pod, "Running", {"running": {"startedAt": _now()}})

    def delete_pod(self, pod: str, grace_seconds: int) -> None:
        """Ask the pod to end; one on a node stays until its kubelet agrees."""
        params = {"gracePeriodSeconds": grace_seconds}
        self.http.delete(f"{self.pods_path}/{pod}", params=params).raise_for_status()

    def until_pod_gone(self, pod: str) -> None:
        eventually(lambda: self.http.get(f"{self.pods_path}/{pod}").status_code == 404, f"{pod} is gone")

    def end_pod(self, pod: str, exit_code: int = 0, message: str = "", reason: str = "") -> None:
        """Play the kubelet whose container has ended."""
        ended = {"exitCode": exit_code, "startedAt": _now(-10), "finishedAt": _now(), "message": message}
        ended["reason"] = reason or ("Error" if exit_code else "Completed")
        phase = "Failed" if exit_code else "Succeeded"
        assert self._pod_status(pod, phase, {"terminated": ended}), f"{pod} is gone"

    def run_stage(self, name: str, stage: str, exit_code: int = 0, message: str = "") -> None:
        """From the waiting pod to the end of its container."""
        self.end_pod(self.start_pod(name, stage), exit_code, message)

    def condition(self, name: str, kind: str) -> dict[str, Any] | None:
        found = [
            condition for condition in self.status(name).get("conditions", []) if condition["type"] == kind
        ]
        return found[0] if found else None

    def until_condition(self, name: str, kind: str, reason: str | None = None) -> dict[str, Any]:
        """The condition when it is True (for that reason)."""

        def holds() -> Any:
            found = self.condition(name, kind)
            return (
                found if found and found["status"] == "True" and reason in (None, found["reason"]) else None
            )

        condition: dict[str, Any] = eventually(holds, f"{name} is {kind} ({reason}), but {self.status(name)}")
        return condition

    def until_stage(self, name: str, stage: str, state: str, line: str = "train") -> dict[str, Any]:
        """The stage's status when it is in that state."""

        def holds() -> Any:
            found = self.status(name).get(line, {}).get("stages", {}).get(stage, {})
            return found if found.get("state") == state else None

        status: dict[str, Any] = eventually(holds, f"{stage} of {name} is {state}")
        return status

    def _pod_status(self, pod: str, phase: str, state: dict[str, Any]) -> bool:
        container = {
            "name": "trainer",
            "image": "trainer:test",
            "imageID": "",
            "ready": phase == "Running",
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "containerStatuses": [container], "startTime": _now()}
        answer = self._merge(f"{self.pods_path}/{pod}/status", {"status": status})
        assert answer.status_code in (200, 404), answer.text
        return answer.status_code == 200

    def _merge(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.http.patch(path, headers=headers, content=json.dumps(body))


class Operator:
    """`ocr-operator run` as a process of its own."""

    command: tuple[str, ...] = (*ENDING_WITH_THE_TESTS, sys.executable, "-m", "ocr_operator", "run")

    def __init__(self, kubeconfig: Path, namespace: str, log: Path, **environment: str) -> None:
        self.log_path = log
        self.environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "OCR_NAMESPACE": namespace,
            "OCR_TRAINER_IMAGE": "trainer:test",
            "OCR_TRAINER_SERVICE_ACCOUNT": "default",
            "OCR_VOLUME_CLAIM": "data",
            "OCR_HEALTH_PORT": "0",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0
        """Length of the log of those that were started earlier."""

    def start(self) -> None:
        """With a Lease of its own unless told otherwise: a killed one's would have to run out first."""
        environment = {"OCR_LEASE_NAME": f"life-{uuid.uuid4()}", **self.environment}
        with self.log_path.open("ab") as output:
            self._said_before = len(self.log)
            self._process = subprocess.Popen(
                self.command,
                env=environment,
                stdout=output,
                stderr=output,
            )

    def until_started(self) -> None:
        """Return when the one that was started last has said so: before, SIGTERM just ends it."""
        eventually(lambda: "Started in namespace" in self.log[self._said_before :], "the operator starts")

    def kill(self) -> None:
        """No time for anything: SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> float:
        """SIGTERM; seconds until it had ended well."""
        assert self._process is not None
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            assert self._process.wait(timeout=30) == 0, (self._process.returncode, self.log)
        finally:
            self._process.kill()
        return time.monotonic() - begun

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text()


def _now(offset: float = 0) -> str:
    return datetime.fromtimestamp(time.time() + offset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
