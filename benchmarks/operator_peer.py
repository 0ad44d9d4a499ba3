"""The Go peer of bench_operator.py: Kubeflow's training-operator, which makes pods of PyTorchJobs.

It is compiled from its Go module into .cluster/peer, with the versions of everything below it that its own
go.sum pins. It runs as its manifests run it, as a process beside the control plane, with two differences
that spare it work: nothing asks its validating webhooks, and we play the kubelet that mounts the webhooks'
certificates, for which it waits before it starts its controllers.

Its client sends at most 20 requests a second, the default of its framework, for which this release has no
flag. So it is built a second time with that brake taken off, by an edit of main.go where it makes its client.
"""

import base64
import functools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml
from operator_stopwatch import Contender

from ocr_cluster.build import Tool, compile_tool
from ocr_cluster.errors import BuildError, StartError
from ocr_cluster.ports import PortClaim
from ocr_cluster.processes import last_lines
from operator_world import eventually

MODULE, VERSION = "github.com/kubeflow/training-operator", "v1.8.1"
SUMS = {
    "": "h1:mVvoBSCInbMBX0gGSn4+Ihj3ycwoLO1iEAw+0qPhQfc=",
    "/go.mod": "h1:T6I15h1S09ncH5C6St/QEC7Dy6dpHZA5sPFo+VoJAvE=",
}
MAIN = "cmd/training-operator.v1/main.go"
BRAKED = "mgr, err := ctrl.NewManager(ctrl.GetConfigOrDie(), "
UNBRAKED = (
    "unbraked := ctrl.GetConfigOrDie()\n"
    "\tunbraked.QPS, unbraked.Burst = 1000, 1000\n"
    "\tmgr, err := ctrl.NewManager(unbraked, "
)
NAMESPACE, SECRET = "kubeflow", "training-operator-webhook-cert"
MOUNT = Path("/tmp/k8s-webhook-server/serving-certs")  # no flag moves it
START_SECONDS = 120.0


@dataclass(frozen=True)
class Peer:
    """What was built, and the definitions that come with it."""

    released: Path
    unbraked: Path
    crds: tuple[dict[str, Any], ...]


def build(folder: Path) -> Peer:
    """Compile it into the folder, or find that it is there; BuildError says why it can't be."""
    module = _download(folder)
    main = (module / MAIN).read_text()
    if main.count(BRAKED) != 1:
        raise BuildError(f"the line of {MAIN} that makes the manager is not as expected")
    crds = sorted((module / "manifests/base/crds").glob("kubeflow.org_*.yaml"))
    return Peer(
        _compile(folder, "training-operator", module, main),
        _compile(folder, "training-operator-unbraked", module, main.replace(BRAKED, UNBRAKED)),
        tuple(yaml.safe_load(path.read_text()) for path in crds),
    )


def _download(folder: Path) -> Path:
    """The module's folder, with exactly the files that are meant here."""
    if not shutil.which("go"):
        raise BuildError("Go is not on PATH")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = json.loads(answer.stdout or "{}")
    if "Dir" not in found:
        raise BuildError(
            f"{MODULE} {VERSION} was not downloaded: {found.get('Error') or answer.stderr.strip()}"
        )
    if (found["Sum"], found["GoModSum"]) != (SUMS[""], SUMS["/go.mod"]):
        raise BuildError(f"{MODULE} {VERSION} is not the module that it was")
    return Path(found["Dir"])


def _compile(folder: Path, name: str, module: Path, main: str) -> Path:
    """Its command as a module of its own, which needs all that the original needs, and the original."""
    sources = folder / name
    sources.mkdir(exist_ok=True)
    requirements = (module / "go.mod").read_text().replace(f"module {MODULE}\n", f"module {name}\n", 1)
    sums = "".join(f"{MODULE} {VERSION}{part} {value}\n" for part, value in SUMS.items())
    for file, text in (
        ("go.mod", f"{requirements}\nrequire {MODULE} {VERSION}\n"),
        ("go.sum", (module / "go.sum").read_text() + sums),
        ("main.go", main),
    ):
        (sources / file).write_text(text)
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    compile_tool(Tool(name, name, ".", f"Kubeflow's {name} {VERSION}", "3 minutes"), sources, binaries)
    return binaries / name


def contender(namespace: str) -> Contender:
    """PyTorchJobs as small as they can be: one Master."""

    def body(name: str) -> dict[str, Any]:
        pod = {"spec": {"containers": [{"name": "pytorch", "image": "trainer:test"}]}}
        master = {"replicas": 1, "restartPolicy": "OnFailure", "template": pod}
        spec = {"pytorchReplicaSpecs": {"Master": master}}
        return {
            "apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob",
            "metadata": {"name": name},
            "spec": spec,
        }

    return Contender(
        collection=f"/apis/kubeflow.org/v1/namespaces/{namespace}/pytorchjobs",
        body=body,
        children={"Pod": f"/api/v1/namespaces/{namespace}/pods"},
        label="training.kubeflow.org/job-name",
        is_settled=lambda job: bool(job.get("status", {}).get("replicaStatuses")),
    )


def install(http: httpx.Client, peer: Peer) -> None:
    """Its definitions, its namespace, and the empty Secret into which it writes its certificates."""
    for crd in peer.crds:
        crd.pop("status", None)
        http.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=crd).raise_for_status()
    for crd in peer.crds:
        path = f"/apis/kubeflow.org/v1/{crd['spec']['names']['plural']}"
        eventually(functools.partial(_is_served, http, path), f"{path} is served")
    http.post("/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}}).raise_for_status()
    secret = {"metadata": {"name": SECRET}, "type": "Opaque"}
    http.post(f"/api/v1/namespaces/{NAMESPACE}/secrets", json=secret).raise_for_status()


def _is_served(http: httpx.Client, path: str) -> bool:
    return http.get(path).is_success


class TrainingOperator:
    """The peer as a process, which ends when this one does, however that ends."""

    def __init__(self, binary: Path, kubeconfig: Path, http: httpx.Client, log: Path, *flags: str) -> None:
        self._command = ["setpriv", "--pdeathsig", "KILL", str(binary), *flags]
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "MY_POD_NAMESPACE": NAMESPACE,
            "MY_POD_NAME": "training-operator",
        }
        self._http, self._log = http, log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._claim = PortClaim(3)
        metrics, probe, webhooks = self._claim.ports
        self._ready = f"http://127.0.0.1:{probe}/readyz"
        addresses = (
            f"--metrics-bind-address=127.0.0.1:{metrics}",
            f"--health-probe-bind-address=127.0.0.1:{probe}",
            f"--webhook-server-port={webhooks}",
        )
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command, *addresses], env=self._environment, stdout=output, stderr=output
            )
        try:
            self._until(self._mount_certificates, "wrote its webhooks' certificates")
            self._until(self._is_ready, "became ready")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _mount_certificates(self) -> bool:
        """What a kubelet does with the Secret."""
        secret = self._http.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}").json()
        if not secret.get("data"):
            return False
        MOUNT.mkdir(parents=True, exist_ok=True)
        for name in ("tls.key", "tls.crt"):  # it looks for the last one
            (MOUNT / name).write_bytes(base64.b64decode(secret["data"][name]))
        return True

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self._ready, timeout=5):
                return True
        except OSError:
            return False

    def _until(self, condition: Any, what: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"training-operator never {what}:\n{last_lines(self._log)}")
            time.sleep(0.1)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # it would drain its workers; nothing of it is needed any more
            self._process.wait()
        shutil.rmtree(MOUNT.parent, ignore_errors=True)
        self._claim.release()
