"""One running facade for each worker, before a real API server and a real folder."""

import uuid
from collections.abc import Iterator

import pytest

from facade_process import Cluster, Facade, eventually, serve, with_resource
from ocr_cluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    """The control plane with the OcrProject resource."""
    with with_resource(control_plane.kubeconfig) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def facade(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facade]:
    """One facade for all tests of a worker: they keep apart by projectID."""
    namespace = cluster.make_namespace()
    volume = tmp_path_factory.mktemp("facade") / "volume"
    volume.mkdir()
    with serve(cluster, namespace, volume) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "the facade did not get ready")
        yield Facade(cluster, namespace, volume, http)
    cluster.delete_namespace(namespace)


@pytest.fixture
def project_id() -> str:
    """A projectID that nobody used before, with characters that no Kubernetes name may hold."""
    return f"收据_{uuid.uuid4().hex[:8].upper()}"
