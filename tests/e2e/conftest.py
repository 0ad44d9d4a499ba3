"""The machine's one node, for all tests that need it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_cluster.node import Node

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
