"""The project's chart on the embedded node: what `helm install` does, with images built from the Dockerfile.

The demo and the end-to-end tests share it, so that both go the way a user goes: helm, kubectl, HTTP.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_cluster.ports import PortClaim

TARGETS = ("operator", "api", "trainer")
TAG = "dev"
RESOURCE = "ocrprojects.ocrproject.dev"
TIDY = {"storage.keep": "false", "selftest.timeoutSeconds": "600"}
"""Nothing of the release stays on the node, whose cores others may use; the volume's owner keeps it."""


class ReleaseError(Exception):
    """A command that a user would have typed failed; its own words are the message."""


@dataclass(frozen=True)
class Release:
    """One helm release in a namespace of its own, with a folder of this machine as its volume."""

    repository: Path
    binaries: Path
    kubeconfig: Path
    namespace: str
    volume: Path
    name: str = "ocr"

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """kubectl's standard output; ReleaseError with its standard error where it fails."""
        command = (str(self.binaries / "hyper"), "kubectl", "-n", self.namespace, *arguments)
        return self._run(*command, check=check, stdin=stdin)

    def helm(self, *arguments: str, check: bool = True) -> str:
        """helm's standard output; ReleaseError with its standard error where it fails."""
        return self._run(str(self.binaries / "helm"), "-n", self.namespace, *arguments, check=check)

    def install(self, chart: Path | None = None, values: Mapping[str, str] = TIDY) -> None:
        """helm upgrade --install, returned when both Deployments are ready. Safe to repeat.

        chart: another than the repository's own, such as an earlier one's package.
        """
        for folder in (self.volume, self.volume / "train", self.volume / "test"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o1777)  # the pods' user writes here, as on a team's NFS export
        texts = {"storage.hostPath": str(self.volume)}
        texts |= {f"image.{target}.repository": f"docker.io/library/ocr-{target}" for target in TARGETS}
        texts |= {f"image.{target}.tag": TAG for target in TARGETS}
        settings = [part for key, value in texts.items() for part in ("--set-string", f"{key}={value}")]
        settings += [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
        own = self.repository / "charts" / "ocr-operator"
        if chart is None and self.kubectl("get", "crd", RESOURCE, "--ignore-not-found"):
            # helm leaves one that another release on this node brought, and an older one is waited for.
            definition = own / "files" / "ocrprojects.yaml"
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(definition))
        self.helm(
            "upgrade", "--install", self.name, str(chart or own), "--create-namespace", "--wait",
            "--timeout", "3m", *settings,
        )  # fmt: skip
        # A rebuilt image has the same tag: the pods must start again to run it.
        self.kubectl("rollout", "restart", "deployment", "-l", f"app.kubernetes.io/instance={self.name}")
        self.kubectl(
            "rollout", "status", "deployment", "-l", f"app.kubernetes.io/instance={self.name}", "--timeout=3m"
        )

    def selftest(self) -> str:
        """helm test: how it went, and what the self-test's pod said."""
        # Longer than the pod's own time, so that it is the pod that says what was wrong.
        return self.helm("test", self.name, "--logs", "--timeout", "11m", check=False)

    def uninstall(self) -> None:
        """Take the release and its namespace away; the data on the volume stays."""
        # Projects first: finished pods hold the claim, which helm would wait for until its time is up.
        self.kubectl("delete", "ocrprojects", "--all", "--cascade=foreground", "--timeout=1m", check=False)
        self.kubectl("delete", "pods", "-l", "app.kubernetes.io/component=selftest", check=False)
        self.helm("uninstall", self.name, "--wait", check=False)
        self.kubectl("delete", "namespace", self.namespace, "--timeout=2m", check=False)

    def project(self, name: str) -> dict[str, Any]:
        """The OcrProject as it is now."""
        document: dict[str, Any] = json.loads(self.kubectl("get", "ocrproject", name, "-o", "json"))
        return document

    @contextmanager
    def facade(self) -> Iterator[str]:
        """The facade's address, by kubectl port-forward, as NOTES.txt tells a user to reach it."""
        claim = PortClaim(1)
        port = claim.ports[0]
        command = [str(self.binaries / "hyper"), "kubectl", "-n", self.namespace, "port-forward",
                   f"service/{self.name}-ocr-operator-api", f"{port}:80"]  # fmt: skip
        forward = subprocess.Popen(
            command, env=self._environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/readyz", seconds=60)
            yield address
        finally:
            forward.send_signal(signal.SIGTERM)
            forward.wait(timeout=10)
            claim.release()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def _run(self, *command: str, check: bool = True, stdin: str | None = None) -> str:
        done = subprocess.run(
            command, env=self._environment(), input=stdin, capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            raise ReleaseError(f"{Path(command[0]).name} {' '.join(command[1:4])} …: {done.stderr.strip()}")
        return done.stdout


def open_to_pods(run: Path) -> None:
    """Let the pods' user write into the folder and those in it, as the annotation platform's export does."""
    for folder in (run, *(path for path in run.rglob("*") if path.is_dir())):
        folder.chmod(0o777)


def condition(project: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The condition of that type if it is true."""
    conditions = project.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def get_json(url: str) -> dict[str, Any]:
    """The JSON object at the address, also where the answer is an error."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    document: dict[str, Any] = json.loads(body)
    return document


def _wait_for(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise ReleaseError(f"{url} did not answer within {seconds:.0f} s: {error}") from error
            time.sleep(0.5)
