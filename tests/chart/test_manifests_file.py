"""What `make manifests` writes, applied as people apply it: by kubectl, to a cluster that never saw helm.

On a control plane of its own: the OcrProject resource of the other tests' belongs to their release.
"""

import importlib.util
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ocr_cluster.control_plane import ControlPlane

CHARTS = Path(__file__).resolve().parents[2] / "charts"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ANNOTATIONS_LIMIT = 262_144  # bytes; the API server refuses an object with more


@pytest.fixture(scope="module")
def manifests() -> ModuleType:
    """The script, which lies in no package."""
    spec = importlib.util.spec_from_file_location("chart_manifests", CHARTS / "manifests.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def install(manifests: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dist") / "install.yaml"
    manifests.write(path, [])
    return path


@pytest.fixture(scope="module")
def cluster(offline: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """kubectl on a fresh cluster."""
    with ControlPlane(tmp_path_factory.mktemp("manifests")) as plane:
        yield type(offline)(offline.home, plane.kubeconfig)


@pytest.fixture(scope="module")
def applied(cluster: Any, install: Path) -> str:
    """What kubectl said to it, in one go."""
    said: str = cluster.kubectl("apply", "-f", str(install))
    return said


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def versions(cluster: Any, path: Path) -> dict[str, Any]:
    """Of the file's objects: a number that grows with each change of what was asked for."""
    found = [(item["kind"], item["metadata"]) for item in cluster.get("-f", str(path))["items"]]
    return {
        f"{kind} {metadata['name']}": metadata.get("generation", metadata["resourceVersion"])
        for kind, metadata in found
    }


def test_one_apply_makes_everything_and_another_changes_nothing(
    cluster: Any, install: Path, applied: str
) -> None:
    count = len(documents(install))
    assert "Warning" not in applied
    assert applied.count(" created") == len(applied.splitlines()) == count
    before = versions(cluster, install)
    cluster.kubectl("apply", "-f", str(install))
    assert versions(cluster, install) == before and len(before) == count


def test_the_pods_pass_the_namespaces_own_restriction(cluster: Any, applied: str) -> None:
    namespace = cluster.get("namespace", "ocr-system")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    deadline = time.monotonic() + 60
    while len(pods := cluster.get("-n", "ocr-system", "pods")["items"]) < 2:
        assert time.monotonic() < deadline, cluster.kubectl("-n", "ocr-system", "get", "events")
        time.sleep(0.2)
    parts = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods}
    assert parts == {"operator", "api"}


def test_the_resource_leaves_room_for_what_kubectl_remembers(cluster: Any, applied: str) -> None:
    resource = cluster.get("crd", "ocrprojects.ocrproject.dev")
    annotations = resource["metadata"]["annotations"]
    assert LAST_APPLIED in annotations
    assert len(json.dumps(annotations)) < ANNOTATIONS_LIMIT / 2


def test_every_object_says_which_namespace_it_belongs_to(cluster: Any, install: Path, applied: str) -> None:
    listed = cluster.kubectl("api-resources", "--namespaced=false", "--no-headers").splitlines()
    everywhere = {line.split()[-1] for line in listed}
    for document in documents(install):
        expected = None if document["kind"] in everywhere else "ocr-system"
        name = f"{document['kind']} {document['metadata']['name']}"
        assert document["metadata"].get("namespace") == expected, name


def test_nothing_of_helms_own_is_left_in_it(install: Path) -> None:
    kinds = [document["kind"] for document in documents(install)]
    assert kinds[0] == "Namespace" and kinds.count("Namespace") == 1
    assert "helm.sh/hook" not in install.read_text()


def test_the_file_is_replaced_whole_or_not_at_all(manifests: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "dist" / "install.yaml"
    manifests.write(path, ["--set", "image.registry=mirror.example"])
    before = path.read_text()
    assert "image: mirror.example/ocr-operator:" in before
    with pytest.raises(subprocess.CalledProcessError):
        manifests.write(path, ["--set", "operator.replicas=two"])
    assert path.read_text() == before
    assert [found.name for found in path.parent.iterdir()] == ["install.yaml"]
