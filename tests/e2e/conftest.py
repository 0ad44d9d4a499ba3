"""The machine's one node, and one release on it for all end-to-end tests: its images are made once."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ocr_cluster import images
from ocr_cluster.node import Node
from ocr_cluster.release import TAG, TARGETS, Release

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """Up; stopped at the end if it was not up before."""
    node = Node(REPOSITORY / ".cluster")
    was_up = node.is_up()
    node.up()
    yield node
    if not was_up:
        node.down()


@pytest.fixture(scope="session")
def release(node: Node) -> Iterator[Release]:
    """The chart with images just built from the Dockerfile, in a namespace held to "restricted"."""
    with ExitStack() as stack:
        for target in TARGETS:
            images.build_image(node, REPOSITORY, target, f"ocr-{target}:{TAG}")
        # Not pytest's own folder, which is private to root: the pods are another user.
        volume = Path(stack.enter_context(TemporaryDirectory(prefix="ocr-e2e-")))
        installed = Release(REPOSITORY, node.binaries, node.kubeconfig, f"e2e-{int(time.time())}", volume)
        installed.kubectl("create", "namespace", installed.namespace)
        stack.callback(installed.uninstall)
        installed.kubectl(
            "label", "namespace", installed.namespace, "pod-security.kubernetes.io/enforce=restricted"
        )
        installed.install()
        yield installed
