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
import yaml

from audit_log import AuditLog
from chart_values import settings
from ocr_cluster.control_plane import BINARIES, ControlPlane
from ocr_cluster.definitions import DEFINITIONS
from ocr_contract.resource import KIND
from operator_world import eventually, http_client, install_crd

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
    return lambda: restricted_namespace(shell)


def restricted_namespace(shell: Shell) -> str:
    name = f"team-{uuid.uuid4().hex[:8]}"
    levels = (f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn"))
    shell.kubectl("create", "namespace", name)
    shell.kubectl("label", "namespace", name, *levels)
    return name


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
        return f"system:serviceaccount:{self.namespace}:{self.account(part)}"

    def account(self, part: str) -> str:
        """The name of the part's account, and of its Role."""
        return f"ocr-ocr-operator{part}"


@pytest.fixture(scope="session")
def installed(shell: Shell, make_namespace: Callable[[], str]) -> Installed:
    """The chart with its default values."""
    namespace = make_namespace()
    shell.helm("install", "ocr", str(CHART), "-n", namespace)
    shell.kubectl("wait", "--for=condition=Established", "crd/ocrprojects.ocrproject.dev", "--timeout=60s")
    return Installed(shell, namespace)


QUOTA = (
    "requests.cpu=16,limits.cpu=16,requests.memory=64Gi,limits.memory=64Gi,pods=10,persistentvolumeclaims=1"
)
UNDER_QUOTA = [
    "crds.install=false",
    "trainer.limitCPU=true",
    "operator.resources.limits.cpu=1",
    "api.resources.limits.cpu=1",
]
"""What lets pods into a namespace whose quota counts limits of CPU."""


@dataclass(frozen=True)
class Audited(Installed):
    """A release on a cluster of its own, which writes down what the release's accounts ask for."""

    audit_log: AuditLog

    def shell_of(self, account: str, folder: Path) -> Shell:
        """helm and kubectl with a token of the service account."""
        document = yaml.safe_load(self.shell.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": self.kubectl("create", "token", account).strip()}
        path = folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return Shell(folder, path)


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """A release under a quota that counts everything, installed when the API server knows OcrProjects.

    Else the API server's check of Jobs' owners would not know their kind for its first half minute.
    """
    folder = tmp_path_factory.mktemp("audited-control-plane")
    audit_log = AuditLog(folder / "audit.log")
    with ControlPlane(folder, audit_log=audit_log.path) as plane:
        shell = Shell(tmp_path_factory.mktemp("helm"), plane.kubeconfig)
        with http_client(plane.kubeconfig) as http:
            install_crd(http)
        eventually(lambda: KIND in shell.kubectl("api-resources"), "the resource is known")
        namespace = restricted_namespace(shell)
        shell.kubectl("-n", namespace, "create", "quota", "team", f"--hard={QUOTA}")
        shell.helm("install", "ocr", str(CHART), "-n", namespace, *settings(UNDER_QUOTA))
        yield Audited(shell, namespace, audit_log)
