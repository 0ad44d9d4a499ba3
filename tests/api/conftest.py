"""One running facade for each worker, before a real API server and a real folder."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from facade_process import Cluster, Facade, eventually, serve
from kubernetes import client, config
from ocr_cluster.control_plane import ControlPlane

REPOSITORY = Path(__file__).resolve().parents[2]
CRD = REPOSITORY / "charts" / "ocr-operator" / "files" / "ocrprojects.yaml"


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    """The control plane with the OcrProject resource."""
    with config.new_client_from_config(str(control_plane.kubeconfig)) as api:
        definitions = client.ApiextensionsV1Api(api)
        definition = yaml.safe_load(CRD.read_text())
        name = definition["metadata"]["name"]
        definitions.patch_custom_resource_definition(
            name, definition, field_manager="tests", force=True, _content_type="application/apply-patch+yaml"
        )

        def established() -> bool:
            conditions = definitions.read_custom_resource_definition(name).status.conditions or []
            return any(c.type == "Established" and c.status == "True" for c in conditions)

        eventually(established, "the resource was not established")
        yield Cluster(control_plane.kubeconfig, api)


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
