"""The chart as an administrator uses it: helm and kubectl against a real API server of its own.

Of its own, because the chart installs the OcrProject resource, which the other suites share.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocr_cluster.control_plane import BINARIES, ControlPlane
from ocr_cluster.definitions import DEFINITIONS

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"


@dataclass(frozen=True)
class Shell:
    """helm and kubectl with a home of their own; `kubeconfig` None: without a cluster."""

    home: Path
    kubeconfig: Path | None = None

    def run(self, *command: str, stdin: str = "", fails: bool = False) -> str:
        """Standard output and error; the command must succeed, or fail where that is what is tested."""
        done = subprocess.run(
            command,
            env=self.environment,
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        kubeconfig = str(self.kubeconfig) if self.kubeconfig else "/dev/null"
        return os.environ | {"HOME": str(self.home), "KUBECONFIG": kubeconfig}

    def helm(self, *arguments: str, fails: bool = False) -> str:
        return self.run(str(BINARIES / "helm"), *arguments, fails=fails)

    def kubectl(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        return self.run(str(BINARIES / "hyper"), "kubectl", *arguments, stdin=stdin, fails=fails)

    def get(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.kubectl("get", "-o", "json", *arguments))
        return document


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """helm without any cluster."""
    return Shell(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """helm and kubectl on a fresh cluster without nodes, with others' resources that the chart may make."""
    with ControlPlane(tmp_path_factory.mktemp("chart-control-plane")) as plane:
        made = Shell(tmp_path_factory.mktemp("helm"), plane.kubeconfig)
        files = [part for path in sorted(DEFINITIONS.glob("*/*.yaml")) for part in ("-f", str(path))]
        made.kubectl("apply", "--server-side", *files)
        made.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield made


@pytest.fixture(scope="session")
def make_namespace(shell: Shell) -> Callable[[], str]:
    """Makes namespaces that let in nothing but what Pod Security "restricted" allows."""

    def make() -> str:
        name = f"team-{uuid.uuid4().hex[:8]}"
        levels = (f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn"))
        shell.kubectl("create", "namespace", name)
        shell.kubectl("label", "namespace", name, *levels)
        return name

    return make


@dataclass(frozen=True)
class Installed:
    """A release named `ocr` in a namespace of its own."""

    shell: Shell
    namespace: str

    def kubectl(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        return self.shell.kubectl("-n", self.namespace, *arguments, stdin=stdin, fails=fails)

    def get(self, *arguments: str) -> dict[str, Any]:
        return self.shell.get("-n", self.namespace, *arguments)

    def user(self, part: str) -> str:
        """User name of the operator's (""), facade's ("-api") or trainer's ("-trainer") account."""
        return f"system:serviceaccount:{self.namespace}:ocr-ocr-operator{part}"


@pytest.fixture(scope="session")
def installed(shell: Shell, make_namespace: Callable[[], str]) -> Installed:
    """The chart with its default values."""
    namespace = make_namespace()
    shell.helm("install", "ocr", str(CHART), "-n", namespace)
    shell.kubectl("wait", "--for=condition=Established", "crd/ocrprojects.ocrproject.dev", "--timeout=60s")
    return Installed(shell, namespace)
