"""A pod that was cut off must not write into what its successor took over."""

from pathlib import Path

import pytest

from ocr_trainer.errors import Interrupted
from ocr_trainer.owner import Owner


def test_the_last_start_owns_the_folder(tmp_path: Path) -> None:
    first, second = Owner(tmp_path / "detection", "uid-1"), Owner(tmp_path / "detection", "uid-2")
    first.claim()
    first.check()
    second.claim()
    second.check()
    with pytest.raises(Interrupted, match="uid-2") as caught:
        first.check()
    assert caught.value.reason == "Superseded"


def test_a_start_that_never_claimed_may_not_write(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        Owner(tmp_path, "uid").check()
