"""One running operator for each worker, and a namespace of its own for tests that stop or kill one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ocr_cluster.control_plane import ControlPlane
from operator_world import Operator, World, http_client, install_crd
from report_receiver import Receiver, receiver


@pytest.fixture(scope="session")
def http(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """The API server with the CRD installed."""
    with http_client(control_plane.kubeconfig) as client:
        install_crd(client)
        yield client


@pytest.fixture(scope="session")
def world(
    control_plane: ControlPlane, http: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A namespace that refuses what Pod Security calls unrestricted, with an operator at work."""
    name = "operated"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    http.post("/api/v1/namespaces", json={"metadata": {"name": name, "labels": labels}}).raise_for_status()
    control_plane.wait_for(f"/api/v1/namespaces/{name}/serviceaccounts/default")
    operator = Operator(control_plane.kubeconfig, name, tmp_path_factory.mktemp("operator") / "log")
    operator.start()
    operator.until_started()
    yield World(http, name)
    operator.stop()
    assert "Traceback" not in operator.log, operator.log


@pytest.fixture
def own_world(http: httpx.Client, namespace: str) -> World:
    """A fresh namespace without an operator."""
    return World(http, namespace)


@pytest.fixture
def own_operator(control_plane: ControlPlane, own_world: World, tmp_path: Path) -> Iterator[Operator]:
    """A running operator that the test may stop, kill and start again."""
    operator = Operator(control_plane.kubeconfig, own_world.namespace, tmp_path / "operator.log")
    operator.start()
    yield operator
    operator.kill()
    assert "Traceback" not in operator.log, operator.log


@pytest.fixture
def platform() -> Iterator[Receiver]:
    """Who is told by status reports."""
    with receiver() as server:
        yield server


@pytest.fixture
def others() -> Iterator[Receiver]:
    """Who is told by CloudEvents."""
    with receiver() as server:
        yield server
