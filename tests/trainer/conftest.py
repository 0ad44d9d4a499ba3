"""Fixtures of the trainer's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from annotated_folder import AnnotatedFolder


@pytest.fixture
def annotated(tmp_path: Path) -> AnnotatedFolder:
    """An empty run's folder to fill."""
    folder = tmp_path / "run"
    folder.mkdir()
    return AnnotatedFolder(folder)


@pytest.fixture
def another(tmp_path: Path) -> Callable[[AnnotatedFolder], AnnotatedFolder]:
    """A second COCO file for the same folder."""
    return lambda first: AnnotatedFolder(first.path)
