"""A node's configuration keeps everything in its own folder, and its images are what they say they are."""

import hashlib
import json
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocr_cluster import images, node_config, oci
from ocr_cluster.__main__ import main
from ocr_cluster.errors import ClusterError
from ocr_cluster.node import LONGEST_FOLDER, Node

FOLDER = Path("/checkout/.cluster")
LAYOUT = node_config.Layout(FOLDER)


def strings(value: Any) -> Iterator[str]:
    """Every string in the document."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(tomllib.loads(node_config.containerd_toml(LAYOUT)), id="containerd"),
        pytest.param(tomllib.loads(node_config.buildkitd_toml(LAYOUT)), id="buildkitd"),
        pytest.param(json.loads(node_config.cni_conflist(LAYOUT)), id="cni"),
        pytest.param(
            json.loads(node_config.kubelet_config(LAYOUT, FOLDER / "a", FOLDER / "b", FOLDER / "c")),
            id="kubelet",
        ),
    ],
)
def test_every_path_is_below_the_nodes_folder(document: dict[str, Any]) -> None:
    paths = [text.removeprefix("unix://") for text in strings(document) if "/" in text]
    outside = [p for p in paths if p.startswith("/") and not Path(p).is_relative_to(FOLDER)]
    # What is not: Debian's plugins, the node's cgroup, the pods' route to the machine.
    assert set(outside) <= {str(node_config.CNI_BINARIES), f"/{node_config.CGROUP}"}


def test_nothing_of_the_node_listens_to_other_machines() -> None:
    kubelet = json.loads(node_config.kubelet_config(LAYOUT, FOLDER, FOLDER, FOLDER))
    commands = [*node_config.kube_proxy_command(LAYOUT, FOLDER), kubelet["address"], LAYOUT.plan().address]
    assert not any("0.0.0.0" in argument for argument in commands)


def test_a_folder_too_deep_for_the_kubelets_sockets_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * (LONGEST_FOLDER + 1))
    with pytest.raises(ClusterError, match=f"at most {LONGEST_FOLDER} characters"):
        Node(deep).up()
    assert not deep.exists()


def test_a_folder_without_tools_says_how_to_get_them(capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too deep for a node
        assert main(["--dir", folder, "up"]) == 1
    assert "python -m ocr_cluster build" in capsys.readouterr().err


def test_status_of_a_node_that_never_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dir", str(tmp_path), "status"]) == 3
    assert "not up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("ocr-api:dev", "docker.io/library/ocr-api:dev"),
        ("team/ocr-api:dev", "docker.io/team/ocr-api:dev"),
        ("localhost/ocr-api:dev", "localhost/ocr-api:dev"),
        ("registry.example:5000/ocr-api:dev", "registry.example:5000/ocr-api:dev"),
    ],
)
def test_image_names_are_those_of_docker(given: str, full: str) -> None:
    assert images.full_name(given) == full


def test_an_image_archive_is_complete_and_every_digest_is_true(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"#!x")
    layer = oci.layer_of({"pause": tmp_path / "program"}, tmp_path / "layer.tar")
    oci.write_image(tmp_path / "image.tar", "localhost/pause:1", layer, command=["/pause"])

    with tarfile.open(tmp_path / "image.tar") as archive:
        contents = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]

    def blob(descriptor: dict[str, Any]) -> bytes:
        kind, digest = descriptor["digest"].split(":")
        data = contents[f"blobs/{kind}/{digest}"]
        assert hashlib.sha256(data).hexdigest() == digest and len(data) == descriptor["size"]
        return data

    (entry,) = json.loads(contents["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "localhost/pause:1"
    manifest = json.loads(blob(entry))
    config = json.loads(blob(manifest["config"]))
    assert config["config"]["Cmd"] == ["/pause"]
    assert blob(manifest["layers"][0]) == layer.read_bytes()
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
