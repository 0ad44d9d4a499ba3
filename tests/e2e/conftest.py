"""One release for all end-to-end tests: the node and its images are made once."""

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
def release() -> Iterator[Release]:
    """The chart, installed on this machine's node with images just built from the Dockerfile."""
    node = Node(REPOSITORY / ".cluster")
    with ExitStack() as stack:
        if not node.is_up():
            stack.callback(node.down)
        kubeconfig = node.up()
        for target in TARGETS:
            images.build_image(node, REPOSITORY, target, f"ocr-{target}:{TAG}")
        # Not pytest's own folder, which is private to root: the pods are another user.
        volume = Path(stack.enter_context(TemporaryDirectory(prefix="ocr-e2e-")))
        installed = Release(REPOSITORY, node.binaries, kubeconfig, f"e2e-{int(time.time())}", volume)
        stack.callback(installed.uninstall)
        installed.install()
        yield installed
