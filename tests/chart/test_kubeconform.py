"""What the chart renders is valid for each Kubernetes that it says it runs on, not only for the one at hand.

The schemas are stricter than an API server with misspelt fields, of which that only warns.
"""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_values import GOOD, settings, with_api_versions
from ocr_cluster.control_plane import BINARIES
from ocr_cluster.definitions import DEFINITIONS, KUBERNETES, RESOURCES

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"
VERSIONS = [source.folder for source in KUBERNETES]
MONITOR: dict[str, Any] = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "ocr", "namespace": "team"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "endpoints": [{"port": "http", "interval": "30s"}]},
}


def kubeconform(version: str, manifests: Path) -> dict[str, Any]:
    """Its report, on a file or all files of a folder."""
    folders = (version, *(source.folder for source in RESOURCES))
    names = [str(DEFINITIONS / folder / "{{.ResourceKind}}{{.KindSuffix}}.json") for folder in folders]
    locations = [part for name in names for part in ("-schema-location", name)]
    command = [
        str(BINARIES / "kubeconform"),
        "-strict",
        "-verbose",
        "-summary",
        "-output",
        "json",
        *locations,
    ]
    done = subprocess.run([*command, str(manifests)], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    summary = report["summary"]
    assert (done.returncode == 0) == (summary["invalid"] + summary["errors"] + summary["skipped"] == 0)
    return report


def complaints(version: str, folder: Path, **documents: dict[str, Any]) -> dict[str, str]:
    """What it says against each of the objects, by their names here; nothing against a valid one."""
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return {Path(found["filename"]).stem: found["msg"] for found in kubeconform(version, folder)["resources"]}


@pytest.fixture(scope="session")
def rendered(offline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each set of values."""
    folder = tmp_path_factory.mktemp("rendered")
    for number, values in enumerate(GOOD.values()):
        text = offline.helm(
            "template", "ocr", str(CHART), "-n", "team", *with_api_versions(), *settings(values)
        )
        (folder / f"{number}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def deployment(rendered: Path) -> dict[str, Any]:
    documents = yaml.safe_load_all((rendered / "0.yaml").read_text())
    return next(document for document in documents if document and document["kind"] == "Deployment")


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_that_is_rendered_is_valid(rendered: Path, version: str) -> None:
    report = kubeconform(version, rendered)
    wrong = [resource for resource in report["resources"] if resource["status"] != "statusValid"]
    assert wrong == []
    texts = (path.read_text() for path in rendered.iterdir())
    kinds = Counter(kind for text in texts for kind in re.findall(r"^kind: (\w+)$", text, re.MULTILINE))
    assert Counter(resource["kind"] for resource in report["resources"]) == kinds, "none is passed over"


@pytest.mark.parametrize("version", VERSIONS)
def test_mistakes_in_an_object_are_refused(deployment: dict[str, Any], version: str, tmp_path: Path) -> None:
    spec, template = deployment["spec"], deployment["spec"]["template"]

    def with_spec(**changes: Any) -> dict[str, Any]:
        return deployment | {"spec": spec | changes}

    def with_pod(**changes: Any) -> dict[str, Any]:
        return with_spec(template=template | {"spec": template["spec"] | changes})

    said = complaints(
        version,
        tmp_path,
        right=deployment,
        field_of_spec=with_spec(replica=1),
        field_of_pod=with_pod(enableServiceLink=False),
        field_of_metadata=deployment | {"metadata": deployment["metadata"] | {"lables": {}}},
        text_for_a_number=with_spec(replicas="1"),
        text_for_a_list=with_pod(containers="api"),
        nothing_for_text=deployment | {"metadata": {"name": None}},
        without_a_selector=deployment | {"spec": {name: spec[name] for name in spec if name != "selector"}},
        version_that_is_none=deployment | {"apiVersion": "apps/v7"},
    )
    assert said.pop("right") == ""
    expected = {
        "field_of_spec": "additional properties 'replica' not allowed",
        "field_of_pod": "additional properties 'enableServiceLink' not allowed",
        "field_of_metadata": "additional properties 'lables' not allowed",
        "text_for_a_number": "at '/spec/replicas': got string, want integer",
        "text_for_a_list": "at '/spec/template/spec/containers': got string, want array",
        "nothing_for_text": "at '/metadata/name': got null, want string",
        "without_a_selector": "missing property 'selector'",
        "version_that_is_none": "could not find schema for Deployment",
    }
    assert said.keys() == expected.keys()
    assert [name for name in expected if expected[name] not in said[name]] == [], said


@pytest.mark.parametrize("version", VERSIONS)
def test_mistakes_in_anothers_resource_are_refused(version: str, tmp_path: Path) -> None:
    def with_spec(**changes: Any) -> dict[str, Any]:
        return MONITOR | {"spec": MONITOR["spec"] | changes}

    said = complaints(
        version,
        tmp_path,
        right=MONITOR,
        field=with_spec(endpoints=[{"prot": "http"}]),
        interval=with_spec(endpoints=[{"port": "http", "interval": "often"}]),
        selector=MONITOR | {"spec": {"endpoints": []}},
    )
    assert said["right"] == ""
    assert "additional properties 'prot' not allowed" in said["field"]
    assert "at '/spec/endpoints/0/interval': 'often' does not match pattern" in said["interval"]
    assert "missing property 'selector'" in said["selector"]


def test_a_kind_that_a_version_lacks_is_refused_there(tmp_path: Path) -> None:
    cidr = {
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "a"},
        "spec": {"cidrs": ["10.0.0.0/24"]},
    }  # fmt: skip
    said = {
        version: complaints(version, tmp_path, cidr=cidr)["cidr"] for version in (VERSIONS[0], VERSIONS[-1])
    }
    assert said == {"kubernetes-1.31": "could not find schema for ServiceCIDR", "kubernetes-1.35": ""}
