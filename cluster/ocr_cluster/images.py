"""Images for the node: BuildKit builds the project's Dockerfile straight into the kubelet's image store.

No registry, no export, no import; the pod of a new image starts at once. Layers stay uncompressed: nothing is
sent anywhere, and compressing torch's 4.5 GiB takes longer than building it.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ocr_cluster import base_image, progress
from ocr_cluster.errors import ClusterError
from ocr_cluster.lock import node_lock
from ocr_cluster.node import Node

BASE_IMAGE = "docker.io/library/python:3.11-slim"
REGISTRY = "https://registry-1.docker.io/v2/"
PULL_SECONDS = 600.0


def build_image(
    node: Node, context: Path, target: str, name: str, build_arguments: dict[str, str] | None = None
) -> None:
    """Build that target of the folder's Dockerfile; pods use it by that name, such as ocr-api:dev."""
    started = time.monotonic()
    output = f"type=image,name={full_name(name)},unpack=true,compression=uncompressed"
    build(node, context, target, output, build_arguments)
    print(f"    {name} in {time.monotonic() - started:.0f} s", flush=True)


def build(
    node: Node,
    context: Path,
    target: str,
    output: str,
    build_arguments: dict[str, str] | None = None,
    afresh: Sequence[str] = (),
) -> None:
    """Build that target into any output that BuildKit knows; stages named afresh come from no cache."""
    if "python:3.11-slim" in (context / "Dockerfile").read_text():
        ensure_base_image(node)
    arguments = [f"--opt=build-arg:{key}={value}" for key, value in (build_arguments or {}).items()]
    progress.run(
        [
            str(node.binaries / "buildctl"),
            f"--addr=unix://{node.layout.buildkit_socket}",
            "build",
            "--progress=plain",
            "--frontend=dockerfile.v0",
            f"--local=context={context}",
            f"--local=dockerfile={context}",
            f"--opt=target={target}",
            *([f"--opt=no-cache={','.join(afresh)}"] if afresh else []),
            *arguments,
            f"--output={output}",
        ],
        log=node.layout.log(f"image-{target}"),
    )


def full_name(name: str) -> str:
    """The name as containerd knows it: ocr-api:dev is docker.io/library/ocr-api:dev."""
    first, _, rest = name.partition("/")
    if not rest:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def ensure_base_image(node: Node) -> None:
    """The Dockerfile's base image: the public one where its registry answers, else a stand-in made here."""
    with node_lock(address="\0ocr-cluster/base-image"):  # whoever else wants it waits for this one
        if not node.has_image(BASE_IMAGE):
            _fetch_base_image(node)


def _fetch_base_image(node: Node) -> None:
    if registry_answers():
        try:
            print(f"    pulling {BASE_IMAGE}", flush=True)
            node.ctr("images", "pull", BASE_IMAGE, seconds=PULL_SECONDS)
            return
        except ClusterError as error:
            print(f"    {error}", flush=True)
    print("    the public image cannot be pulled here: taking a stand-in with this machine's own Python")
    archive = base_image.ensure_archive(BASE_IMAGE, node.layout.run / "base-image")
    node.ctr("images", "import", str(archive))


def registry_answers(seconds: float = 5.0) -> bool:
    """Whether the public registry itself is there: it greets a stranger with 401 and its API's version."""
    try:
        with urllib.request.urlopen(REGISTRY, timeout=seconds):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401 and "docker-distribution-api-version" in error.headers
    except OSError:
        return False
