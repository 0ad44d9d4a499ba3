"""What the Dockerfile makes: small images with labels, the same bytes each time, and lists of their parts."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ocr_cluster import images
from ocr_cluster.node import Node

REPOSITORY = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
LOCKED = {p["name"]: p["version"] for p in tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]}
MEGABYTE = 1_000_000

pytestmark = pytest.mark.e2e


def built(
    node: Node, target: str, arguments: dict[str, str], afresh: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The layers' descriptors and the configuration of the image, as docker would push them."""
    name = images.full_name(f"ocr-{target}:measured")

    def blob(digest: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(node.ctr("content", "get", digest))
        return document

    output = f"type=image,name={name},compression=uncompressed,rewrite-timestamp=true"
    images.build(node, REPOSITORY, target, output, arguments, afresh)
    try:
        manifest = blob(node.ctr("images", "ls", f"name=={name}").splitlines()[1].split()[2])
        return manifest["layers"], blob(manifest["config"]["digest"])
    finally:
        node.ctr("images", "rm", name)


@pytest.mark.parametrize("target", ["operator", "api"])
def test_a_service_is_small_labelled_nobodys_root_and_the_same_when_built_again(
    node: Node, target: str
) -> None:
    arguments = {"SOURCE_DATE_EPOCH": "1700000000", "REVISION": "0123abc", "CREATED": "2026-11-28T00:00:00Z"}
    layers, configuration = built(node, target, arguments)

    size = sum(layer["size"] for layer in layers)
    assert size < 250 * MEGABYTE, f"{size / MEGABYTE:.0f} MB: {[layer['size'] for layer in layers]}"
    assert configuration["config"]["User"] == "1000:1000"
    labels = configuration["config"]["Labels"]
    said = {name: labels.get(f"org.opencontainers.image.{name}") for name in ("title", "licenses", "version")}
    assert said == {"title": f"ocr-{target}", "licenses": "Apache-2.0", "version": VERSION}
    assert labels["org.opencontainers.image.description"]
    assert labels["org.opencontainers.image.revision"] == arguments["REVISION"]
    assert labels["org.opencontainers.image.created"] == arguments["CREATED"]

    # What these stages make is copied again only if it is not the same as it was.
    stages = ("program", f"{target}-environment")
    again, _ = built(node, target, arguments | {"REVISION": "another"}, afresh=stages)
    assert [layer["digest"] for layer in again] == [layer["digest"] for layer in layers]


def test_the_lists_name_what_is_installed_with_the_locked_versions(node: Node, tmp_path: Path) -> None:
    images.build(node, REPOSITORY, "sbom", f"type=local,dest={tmp_path}")

    found = {}
    for image in ("operator", "api", "trainer"):
        document = json.loads((tmp_path / f"ocr-{image}.cdx.json").read_text())
        assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
        assert document["metadata"]["component"]["version"] == VERSION
        found[image] = {c["purl"].partition("@")[0]: c["version"] for c in document["components"]}
        assert {"pkg:generic/python", "pkg:deb/debian/libc6", "pkg:pypi/ocrproject"} <= found[image].keys()
    for image, package in (
        ("operator", "kopf"),
        ("api", "fastapi"),
        ("trainer", "torch"),
        ("trainer", "mmocr"),
    ):
        assert found[image][f"pkg:pypi/{package}"] == LOCKED[package]
    assert "pkg:pypi/torch" not in found["operator"].keys() | found["api"].keys()


def test_nothing_but_the_sources_is_sent_to_the_build(node: Node, tmp_path: Path) -> None:
    context, dockerfile, sent = (tmp_path / name for name in ("context", "dockerfile", "sent"))
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    known = [path for path in done.stdout.splitlines() if (REPOSITORY / path).is_file()]
    stray = [".env", ".venv/python", "notes.txt", "operator/.env", "api/ocr_api/__pycache__/app.pyc"]
    for path in (*known, *stray):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_bytes((REPOSITORY / path).read_bytes() if path in known else b"secret")
    dockerfile.mkdir()
    (dockerfile / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    command = [str(node.binaries / "buildctl"), f"--addr=unix://{node.layout.buildkit_socket}", "build",
               "--frontend=dockerfile.v0", f"--local=context={context}", f"--local=dockerfile={dockerfile}",
               f"--output=type=local,dest={sent}"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)

    files = {"pyproject.toml", "uv.lock", "README.md", "LICENSE"}
    folders = ("images/", "operator/", "api/", "trainer_image/", "configs/")
    wanted = {path for path in known if path in files or path.startswith(folders)}
    assert {str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file()} == wanted
