"""The trainer's part of the status on a real API server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ocr_cluster.control_plane import ControlPlane
from ocr_trainer.api_client import StatusApplier
from operator_world import World, http_client, install_crd

Projects = Callable[[], dict[str, Any]]


@pytest.fixture
def project(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Projects]:
    """An OcrProject named `receipts`; the fixture reads it."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    with http_client(control_plane.kubeconfig) as http:
        install_crd(http)
        world = World(http, namespace)
        world.create("receipts", train={"id": "one"}).raise_for_status()
        yield lambda: world.get("receipts")


def test_each_stage_writes_its_own_part_and_keeps_the_others(project: Projects, namespace: str) -> None:
    StatusApplier(namespace, "receipts", "prepare")({"dataset": {"trainImages": 120, "run": "abc"}})
    detector = StatusApplier(namespace, "receipts", "detection")
    detector({"detection": {"epoch": 1, "hmean": 0.5}})
    detector({"detection": {"epoch": 2, "hmean": 0.75}})
    trainer = project()["status"]["trainer"]
    assert trainer["dataset"] == {"trainImages": 120, "run": "abc"}
    assert trainer["detection"] == {"epoch": 2, "hmean": 0.75}
    managers = {
        m["manager"] for m in project()["metadata"]["managedFields"] if m.get("subresource") == "status"
    }
    assert managers == {"ocr-trainer-prepare", "ocr-trainer-detection"}


def test_a_project_that_is_gone_is_an_error_in_one_line(project: Projects, namespace: str) -> None:
    with pytest.raises(OSError, match="404 Not Found") as caught:
        StatusApplier(namespace, "deleted", "prepare")({"dataset": {"trainImages": 1}})
    assert "\n" not in str(caught.value)


def test_no_api_server_is_an_error_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(OSError):
        StatusApplier("ns", "receipts", "prepare")({"dataset": {}})
