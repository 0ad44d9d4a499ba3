"""Fixtures of the trainer's tests."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from annotated_folder import AnnotatedFolder
from ocr_contract.volume import RunFolder


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


@pytest.fixture(scope="session")
def trained_numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that went through all stages, `first` in a project's folder of its own.

    Workers of pytest-xdist share one training, and each gets a copy that nobody else writes into.
    """
    from numbers_run import train_numbers

    own = tmp_path_factory.mktemp("volume") / "train" / "numbers" / "first"
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent / "trained-numbers" if parallel else own
    shared.parent.mkdir(parents=True, exist_ok=True)
    with shared.with_name(f"{shared.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "testResult.json").exists():
            shutil.rmtree(shared, ignore_errors=True)
            train_numbers(shared)
    if parallel:
        shutil.copytree(shared, own)
    return own


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose data are prepared, for the smallest trainings; nobody trains in it."""
    from tiny_training import prepare

    return prepare(tmp_path_factory.mktemp("prepared") / "train" / "numbers" / "first")
