"""How the operator is started, and what it says when it cannot start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ocr_cluster.control_plane import ControlPlane
from ocr_cluster.ports import PortClaim
from ocr_operator.errors import BadSettings
from ocr_operator.settings import Settings
from operator_world import Operator, World, eventually

REQUIRED = {"OCR_NAMESPACE": "ns", "OCR_TRAINER_IMAGE": "trainer:1", "OCR_VOLUME_CLAIM": "data"}


def test_what_is_not_set_has_its_default() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert settings == Settings(namespace="ns", trainer_image="trainer:1", volume_claim="data")
    assert (settings.gpu_resource, settings.health_port) == ("nvidia.com/gpu", 8080)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment(REQUIRED | {"OCR_GPU_RESOURCE": ""}).gpu_resource == "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"OCR_NAMESPACE": ""}, "OCR_NAMESPACE is not set"),
        ({"OCR_LOG_FORMAT": "xml"}, "OCR_LOG_FORMAT is 'xml': it must be one of text, json"),
        ({"OCR_TRAINER_IMAGE_PULL_POLICY": "Sometimes"}, "must be one of Always, IfNotPresent, Never"),
        ({"OCR_HEALTH_PORT": "http"}, "OCR_HEALTH_PORT is 'http': it must be a port number"),
        ({"OCR_HEALTH_PORT": "70000"}, "it must be a port number"),
        ({"OCR_LEASE_SECONDS": "1.5"}, "OCR_LEASE_SECONDS is '1.5': it must be a whole number of seconds"),
        ({"OCR_LEASE_SECONDS": "10"}, "OCR_LEASE_SECONDS (10) must each be less than the next"),
        (
            {"OCR_BLIND_SECONDS": "soon"},
            "OCR_BLIND_SECONDS is 'soon': it must be a number of seconds above 0",
        ),
        ({"OCR_WATCH_SILENCE_SECONDS": "0"}, "OCR_WATCH_SILENCE_SECONDS is '0'"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment(REQUIRED | change)
    assert message in str(caught.value)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OCR_")}
    return subprocess.run(
        [sys.executable, "-m", "ocr_operator", *arguments],
        env=bare | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_missing_setting_ends_it_with_one_line() -> None:
    ended = command("run")
    assert ended.returncode == 64 and ended.stderr == "ocr-operator: OCR_NAMESPACE is not set\n"


def test_help_names_every_setting() -> None:
    shown = command("--help").stdout
    assert all(name in shown for name in (*REQUIRED, "OCR_GPU_RESOURCE", "OCR_HEALTH_PORT", "KUBECONFIG"))


def test_it_is_ready_when_it_watches(own_world: World, control_plane: ControlPlane, tmp_path: Path) -> None:
    claim = PortClaim(1)
    address = f"http://127.0.0.1:{claim.ports[0]}"
    settings = {"OCR_HEALTH_PORT": str(claim.ports[0]), "OCR_LOG_FORMAT": "json"}
    operator = Operator(control_plane.kubeconfig, own_world.namespace, tmp_path / "log", **settings)
    operator.start()
    try:

        def answers(path: str) -> bool:
            try:
                return httpx.get(address + path).status_code == 200
            except httpx.TransportError:
                return False

        eventually(lambda: answers("/readyz"), "it is ready")
        assert answers("/healthz")
        begun = time.monotonic()
        own_world.create("p", train={"id": "r1"})
        eventually(lambda: own_world.jobs("p"), "a ready operator works")
        assert time.monotonic() - begun < 10
    finally:
        assert operator.stop() < 10
        claim.release()
    assert all(line.startswith("{") for line in operator.log.splitlines())
