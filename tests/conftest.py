"""Fixtures that several suites share: a real Kubernetes API without nodes, and a namespace for each test.

A control plane belongs to one pytest worker and lives as long as it does. Tests keep apart by namespace.
"""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))  # no distribution ships it

from ocr_cluster.api import Api
from ocr_cluster.control_plane import ControlPlane
from ocr_trainer.openmp import load_openmp


def pytest_configure() -> None:
    """Before test modules import torch, so that it computes as in a Job."""
    load_openmp()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, API server and controller manager; `.kubeconfig` is the path of an administrator's kubeconfig."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace, ready for pods (its default service account exists); deleted without waiting."""
    api = Api(control_plane.kubeconfig)
    name = f"test-{uuid.uuid4().hex[:10]}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    control_plane.wait_for(f"/api/v1/namespaces/{name}/serviceaccounts/default")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")
