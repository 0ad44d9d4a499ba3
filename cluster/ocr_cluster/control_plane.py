"""A Kubernetes API without nodes, for tests: etcd, API server, controller manager and, on request, scheduler.

Any number run side by side. Each process reads from one pipe whose other end only this process holds, and
ends when that end closes, so nothing survives the test, however it ends (hyper's main.go has the other half).
"""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ocr_cluster import components
from ocr_cluster.api import Api, wait_until
from ocr_cluster.errors import ClusterError
from ocr_cluster.pki import Authority
from ocr_cluster.ports import PortClaim
from ocr_cluster.processes import last_lines

BINARIES = Path(__file__).resolve().parents[2] / ".cluster" / "bin"
START_SECONDS = (
    120.0  # patience, not a promise: four seconds on an idle machine, more when all cores are busy
)
EXIT_SECONDS = 10.0
# As clusters such as OpenShift have it: who blocks the deletion of an owner must be able to finalize it. The
# node goes without: for up to 30 s after a CRD was installed, the plugin refuses owners of that kind.
ADMISSION = ("NodeRestriction", "OwnerReferencesPermissionEnforcement")


class ControlPlane:
    """`with ControlPlane(folder) as plane:` gives plane.kubeconfig; the folder holds its data and logs."""

    def __init__(
        self,
        folder: Path,
        *,
        scheduler: bool = False,
        audit_log: Path | None = None,
        binaries: Path = BINARIES,
    ) -> None:
        self.folder = folder
        self.kubeconfig = folder / "pki" / "admin.kubeconfig"
        self._hyper = binaries / "hyper"
        self._with_scheduler = scheduler
        self._audit_log = audit_log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        self._claim: PortClaim | None = None
        self._lifeline: tuple[int, int] | None = None  # read end for the children, write end for us

    def __enter__(self) -> Self:
        if not self._hyper.exists():
            raise ClusterError(f"{self._hyper} is missing; `python -m ocr_cluster build` makes it")
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pids(self) -> dict[str, int]:
        """The components' process ids by name."""
        return {name: process.pid for name, process in self._processes.items()}

    def wait_for(self, path: str) -> None:
        """Return when the API server has the object, such as /api/v1/namespaces/default."""
        api = Api(self.kubeconfig)
        self._wait(lambda: api.exists(path), path)

    def kill(self, component: str) -> None:
        """Take the component away, such as kube-apiserver: SIGKILL, so that nobody is told."""
        process = self._processes.pop(component)
        process.kill()
        process.wait()

    def revive(self, component: str) -> None:
        """Start a killed component as it was; returns when the API server is ready."""
        self._spawn(self._commands[component])
        self._wait(Api(self.kubeconfig).is_ready, "the API server")

    def compact(self) -> int:
        """Make etcd forget every revision but the current one, which is returned."""
        assert self._claim is not None
        etcd = f"http://127.0.0.1:{self._claim.ports[0]}/v3/kv"

        def ask(call: str, body: dict[str, Any]) -> dict[str, Any]:
            request = urllib.request.Request(f"{etcd}/{call}", json.dumps(body).encode())
            with urllib.request.urlopen(request, timeout=30) as answer:
                document: dict[str, Any] = json.load(answer)
                return document

        revision = int(ask("range", {"key": "AA=="})["header"]["revision"])
        ask("compaction", {"revision": str(revision), "physical": True})
        return revision

    def _start(self) -> None:
        self._claim = PortClaim(3)
        etcd_port, etcd_peer_port, api_port = self._claim.ports
        plan = components.Plan(
            self.folder, self._hyper, etcd_port, etcd_peer_port, api_port,
            admission=ADMISSION, audit_log=self._audit_log,
        )  # fmt: skip
        files = components.issue_credentials(plan, Authority(self.folder / "pki"))
        components.write_audit_policy(plan)
        self._lifeline = os.pipe()
        self._spawn(components.etcd_command(plan))
        self._spawn(components.apiserver_command(plan, files))
        self._wait(Api(files.admin_kubeconfig).is_ready, "the API server")
        # Only now: before the first roles exist the controller manager is forbidden what it needs, and ends.
        self._spawn(components.controller_manager_command(plan, files))
        if self._with_scheduler:
            self._spawn(components.scheduler_command(plan, files))
        self.wait_for("/api/v1/namespaces/default/serviceaccounts/default")

    def _spawn(self, command: list[str]) -> None:
        assert self._lifeline is not None
        name = command[1]
        self._commands[name] = command
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=self._lifeline[0],
                stdout=log,
                stderr=log,
                env={**os.environ, "HYPER_LIFELINE": "1"},
                start_new_session=True,  # Ctrl-C is for the test, which then closes the pipe
            )

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, START_SECONDS, self._dead_component)

    def _dead_component(self) -> str | None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                return f"{name} ended with status {process.returncode}:\n{last_lines(self._log(name))}"
        return None

    def _stop(self) -> None:
        if self._lifeline is not None:
            for end in self._lifeline:
                os.close(end)
            self._lifeline = None
        deadline = time.monotonic() + EXIT_SECONDS
        for process in self._processes.values():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:  # another child of ours was forked with the pipe still open
                process.kill()
                process.wait()
        self._processes.clear()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)  # 64 MB that pytest would keep for three runs
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"
