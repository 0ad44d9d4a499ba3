"""The source folders are folders, not packages."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", ["operator", "api", "trainer_image", "tests", "cluster"])
def test_a_source_folder_is_no_package(folder: str) -> None:
    """operator/__init__.py would shadow the standard library's operator and break Python."""
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_test_folder_is_a_package() -> None:
    """Modules of one name in several suites are told apart by their folders only without packages."""
    assert not list((ROOT / "tests").rglob("__init__.py"))
