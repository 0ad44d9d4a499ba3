"""Definitions come from the modules that are pinned, and from no others."""

import base64
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_cluster import definitions
from ocr_cluster.definitions import DEFINITIONS, KUBERNETES, RESOURCES, Source
from ocr_cluster.errors import BuildError

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
MODULE, VERSION = "example.org/things", "v1.2.3"
SWAGGER = json.dumps(
    {
        "definitions": {
            "Thing": {
                "type": "object",
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Thing"}],
            }
        }
    }
)
FILES = {"go.mod": f"module {MODULE}\n", definitions.SWAGGER: SWAGGER, "main.go": "package main\n"}


def sum_of(files: dict[str, str]) -> str:
    """Go's h1: over the names in the zip and the sums of the files."""
    names = {f"{MODULE}@{VERSION}/{name}": hashlib.sha256(text.encode()) for name, text in files.items()}
    lines = "".join(f"{names[name].hexdigest()}  {name}\n" for name in sorted(names))
    return f"h1:{base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()}"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A module that a proxy of the test's own serves, from a folder."""
    served = tmp_path / "proxy" / MODULE / "@v"
    served.mkdir(parents=True)
    (served / f"{VERSION}.info").write_text(json.dumps({"Version": VERSION}))
    (served / f"{VERSION}.mod").write_text(FILES["go.mod"])
    with zipfile.ZipFile(served / f"{VERSION}.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(f"{MODULE}@{VERSION}/{name}", text)
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    monkeypatch.setenv("GONOSUMDB", MODULE)
    return Source("things", MODULE, VERSION, sum_of(FILES), (definitions.SWAGGER,))


def test_definitions_are_fetched_once_and_again_when_another_version_is_pinned(
    source: Source, tmp_path: Path
) -> None:
    folder = tmp_path / "definitions"
    assert definitions.fetch(source, folder)
    assert not definitions.fetch(source, folder)
    assert {path.name for path in folder.iterdir()} == {"things"}, "nothing is left beside it"
    names = {path.name for path in (folder / "things").iterdir()}
    assert names == {"_definitions.json", "thing-v1.json", "stamp"}, "only what was named is kept"
    assert definitions.fetch(replace(source, files=()), folder), "it is made of something else"
    assert {path.name for path in (folder / "things").iterdir()} == {"stamp"}


def test_a_module_with_another_sum_is_refused_and_what_there_was_is_kept(
    source: Source, tmp_path: Path
) -> None:
    folder = tmp_path / "definitions"
    assert definitions.fetch(source, folder)
    before = {path.name: path.read_text() for path in (folder / "things").iterdir()}
    forged = replace(source, sum=sum_of(FILES | {"main.go": "package other\n"}))
    with pytest.raises(BuildError, match="not the pinned h1:"):
        definitions.fetch(forged, folder)
    assert {path.name: path.read_text() for path in (folder / "things").iterdir()} == before


def test_a_module_that_is_not_served_is_named(source: Source, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"example.org/things@v9.9.9"):
        definitions.fetch(replace(source, version="v9.9.9"), tmp_path)


@pytest.mark.parametrize("source", (*KUBERNETES, *RESOURCES), ids=lambda source: source.folder)
def test_what_the_build_has_fetched_is_what_is_pinned(source: Source) -> None:
    stamp = DEFINITIONS / source.folder / "stamp"
    assert stamp.exists(), "`python -m ocr_cluster build` fetches them"
    assert stamp.read_text() == definitions.fingerprint(source)


def test_each_version_of_kubernetes_has_its_own_kinds() -> None:
    """Kinds that came or went with a version tell that a folder holds the version that it is named after."""
    came: dict[str, Any] = {
        "mutatingadmissionpolicy-admissionregistration-v1alpha1.json": {"1.32", "1.33", "1.34", "1.35"},
        "servicecidr-networking-v1.json": {"1.33", "1.34", "1.35"},
        "resourceclaim-resource-v1.json": {"1.34", "1.35"},
        "workload-scheduling-v1alpha1.json": {"1.35"},
        "deployment-apps-v1.json": {"1.31", "1.32", "1.33", "1.34", "1.35"},
    }
    for name, versions in came.items():
        found = {path.parent.name for path in DEFINITIONS.glob(f"kubernetes-*/{name}")}
        assert found == {f"kubernetes-{version}" for version in versions}, name


def test_the_newest_kubernetes_is_the_one_that_is_compiled() -> None:
    newest = KUBERNETES[-1]
    assert f"{newest.module} {newest.version} {newest.sum}" in (CLUSTER / "kubernetes" / "go.sum").read_text()


def test_custom_resources_say_which_release_they_are_of() -> None:
    marks = {
        "prometheus-operator": "operator.prometheus.io/version",
        "gateway-api": "gateway.networking.k8s.io/bundle-version",
    }
    for source in RESOURCES:
        documents = [
            yaml.safe_load(path.read_text()) for path in (DEFINITIONS / source.folder).glob("*.yaml")
        ]
        assert len(documents) == len(source.files)
        for document in documents:
            assert document["kind"] == "CustomResourceDefinition"
            if source.folder in marks:
                said = document["metadata"]["annotations"][marks[source.folder]]
                assert said.removeprefix("v") == source.version.removeprefix("v")
