"""The facade as its users meet it: a process that answers HTTP, before a real API server and volume."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kubernetes import client, config
from ocr_cluster.ports import PortClaim
from ocr_contract.names import project_name
from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION
from operator_world import ENDING_WITH_THE_TESTS, http_client, install_crd

PATIENCE_SECONDS = 20.0


def eventually(check: Callable[[], bool], what: str = "the facade did not see the change") -> None:
    """Return when the check holds: a watch needs a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@dataclass(frozen=True)
class Cluster:
    """The tests' own way to the API server, past the facade."""

    kubeconfig: Path
    api: client.ApiClient

    def make_namespace(self) -> str:
        name = f"api-{uuid.uuid4().hex[:10]}"
        client.CoreV1Api(self.api).create_namespace({"metadata": {"name": name}})
        return name

    def delete_namespace(self, name: str) -> None:
        client.CoreV1Api(self.api).delete_namespace(name)


@dataclass(frozen=True)
class Facade:
    """A running facade, its volume, and what lies behind it."""

    cluster: Cluster
    namespace: str
    volume: Path
    http: httpx.Client

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def ask(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The flat JSON answer, which must be a success."""
        answer = self.get(path, **parameters)
        document: dict[str, Any] = answer.json()
        assert answer.status_code == 200 and document["code"] == 0, document
        return document

    def live(self, project_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self._objects.get_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, project_name(project_id)
        )
        return document

    def create(self, name: str, spec: dict[str, Any]) -> None:
        """What an engineer does with kubectl."""
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        self._objects.create_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, body, field_manager="kubectl"
        )

    def report(self, project_id: str, **status: Any) -> None:
        """What operator and trainer do: write the status."""
        self._objects.patch_namespaced_custom_object_status(
            GROUP, VERSION, self.namespace, PLURAL, project_name(project_id), {"status": status}
        )

    def reads(self, project_id: str, status: dict[str, Any]) -> bool:
        """Whether the facade's memory holds this status already: a new project is not there at once."""
        answer = self.http.get(f"/api/v1/projects/{project_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return False
        there = answer.raise_for_status().json()["status"]
        return all(_holds(there.get(name), value) for name, value in status.items())

    def tell(self, project_id: str, kind: str, reason: str, message: str, at: str) -> None:
        """What the operator does, too: an event of the project."""
        live = self.live(project_id)
        about = {"apiVersion": API_VERSION, "kind": KIND, "name": live["metadata"]["name"],
                 "namespace": self.namespace, "uid": live["metadata"]["uid"]}  # fmt: skip
        event = {
            "metadata": {"generateName": "event-"}, "involvedObject": about, "type": kind, "reason": reason,
            "message": message, "firstTimestamp": at, "lastTimestamp": at, "count": 1,
        }  # fmt: skip
        client.CoreV1Api(self.cluster.api).create_namespaced_event(self.namespace, event)

    def delete(self, project_id: str) -> None:
        self._objects.delete_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, project_name(project_id)
        )

    def put(self, path: str, content: bytes) -> Path:
        """A file on the volume."""
        file = self.volume / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    @property
    def _objects(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.cluster.api)


def _holds(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(there, dict):
        return all(_holds(there.get(name), value) for name, value in wanted.items())
    return bool(there == wanted)


@contextmanager
def with_resource(kubeconfig: Path) -> Iterator[Cluster]:
    """The API server with the OcrProject resource, established."""
    with http_client(kubeconfig) as http:
        install_crd(http)
    with config.new_client_from_config(str(kubeconfig)) as api:
        yield Cluster(kubeconfig, api)


@contextmanager
def serve(cluster: Cluster, namespace: str, volume: Path, **environment: str) -> Iterator[httpx.Client]:
    """`ocr-api serve` as a process of its own, answering /healthz."""
    claim = PortClaim(1)
    port = claim.ports[0]
    settings = {
        "OCR_NAMESPACE": namespace,
        "OCR_VOLUME_ROOT": str(volume),
        "OCR_HOST": "127.0.0.1",
        "OCR_PORT": str(port),
        "KUBECONFIG": str(cluster.kubeconfig),
    }
    log = volume.parent / f"{namespace}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*ENDING_WITH_THE_TESTS, sys.executable, "-m", "ocr_api", "serve"],
            env=os.environ | settings | environment,
            stdout=output,
            stderr=output,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            _wait_until_healthy(process, http, log)
            yield http
    finally:
        process.terminate()
        try:
            # uvicorn answers what it has begun, then ends by the signal that it was sent.
            assert process.wait(timeout=30) in (0, -signal.SIGTERM), log.read_text()
        finally:
            process.kill()
            claim.release()


def _wait_until_healthy(process: subprocess.Popen[bytes], http: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if http.get("/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
