"""A training that was stopped, killed or damaged goes on to exactly the model it would have become."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from numbers_run import run_stage
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.errors import Interrupted
from tiny_training import SETTINGS, StopAfter, copy_run, load, sigterm_stops

pytestmark = pytest.mark.training


@pytest.fixture
def run(prepared: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy to train in."""
    return copy_run(prepared, tmp_path / "first")


@pytest.fixture(scope="module")
def uninterrupted(prepared: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The last checkpoints of trainings that nobody stopped."""
    run = copy_run(prepared, tmp_path_factory.mktemp("whole") / "first")
    for kind in ("detection", "recognition"):
        run_stage(Stage(kind), run, SETTINGS)
    return {kind: load(run.stage(kind) / "last.pth") for kind in ("detection", "recognition")}


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Equal to the last bit, weights, optimiser and schedules alike."""
    import torch

    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}.{index}")
    else:
        assert one == other, where


def assert_same_training(one: dict[str, Any], other: dict[str, Any]) -> None:
    for part in ("state_dict", "optimizer", "param_schedulers"):
        assert_same(one[part], other[part], part)
    assert one["meta"]["iter"] == other["meta"]["iter"]
    assert one["meta"]["batches_done"] == other["meta"]["batches_done"] == 0


def stop_after(run: RunFolder, kind: str, batches: int) -> dict[str, Any]:
    """Train until stopped; the checkpoint's meta."""
    with sigterm_stops() as stop, pytest.raises(Interrupted):
        run_stage(Stage(kind), run, SETTINGS, stop=stop, progress=StopAfter(batches))
    meta: dict[str, Any] = load(run.stage(kind) / "last.pth")["meta"]
    return meta


@pytest.mark.parametrize("kind", ["detection", "recognition"])
def test_a_training_stopped_twice_gives_the_model_of_one_that_was_not(
    run: RunFolder, uninterrupted: dict[str, dict[str, Any]], kind: str
) -> None:
    """Stopped before its first batch and inside its second epoch."""
    assert stop_after(run, kind, 0)["iter"] == 0
    batches = uninterrupted[kind]["meta"]["iter"] // 3 + 1
    meta = stop_after(run, kind, batches)
    assert (meta["epoch"], meta["iter"]) == (1, batches) and meta["batches_done"] > 0
    run_stage(Stage(kind), run, SETTINGS)
    assert_same_training(load(run.stage(kind) / "last.pth"), uninterrupted[kind])
    assert {path.name for path in run.stage(kind).iterdir()} - {"ngrams.json"} == {
        "best.pth", "last.pth", "config.py", "metrics.json", "metrics.jsonl", "done.json", "owner",
    }  # fmt: skip


def test_a_stop_while_validating_validates_again(
    run: RunFolder, uninterrupted: dict[str, dict[str, Any]]
) -> None:
    """Epoch 2 is trained and saved; its figures come in the next start, and nothing is trained twice."""
    from ocr_trainer.reporting import Reporter

    with sigterm_stops() as stop, pytest.MonkeyPatch.context() as patch:
        tell = Reporter.update_detection

        def tell_and_stop(self: Reporter, **fields: Any) -> None:
            tell(self, **fields)
            if fields.get("state") == "DETECTOR_VALIDATING":
                os.kill(os.getpid(), signal.SIGTERM)

        patch.setattr(Reporter, "update_detection", tell_and_stop)
        with pytest.raises(Interrupted, match="validated again"):
            run_stage(Stage.DETECTION, run, SETTINGS, stop=stop)
    folder = run.stage("detection")
    assert load(folder / "last.pth")["meta"]["epoch"] == 2 and not (folder / "best.pth").exists()
    run_stage(Stage.DETECTION, run, SETTINGS)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records if "hmean" in record] == [2, 3]
    assert [record["epoch"] for record in records if "iterations" in record] == [1, 2, 3]
    assert_same_training(load(folder / "last.pth"), uninterrupted["detection"])


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_last_checkpoint_costs_no_more_than_the_way_from_the_one_before(
    run: RunFolder, uninterrupted: dict[str, dict[str, Any]], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    stop_after(run, "detection", 2)
    stop_after(run, "detection", 2)
    folder = run.stage("detection")
    data = bytearray((folder / "last.pth").read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    (folder / "last.pth").write_bytes(
        {"truncated": data[: len(data) // 2], "flipped": data, "empty": b""}[damage]
    )
    (folder / ".last.pth.1234.tmp").write_bytes(b"what a killed pod left")
    with caplog.at_level("INFO"):
        run_stage(Stage.DETECTION, run, SETTINGS)
    assert (
        "last.pth is damaged" in caplog.text
        and "Went on from previous.pth: epoch 0, iteration 2" in caplog.text
    )
    assert_same_training(load(folder / "last.pth"), uninterrupted["detection"])
    assert not list(folder.glob(".*"))


def test_without_any_whole_checkpoint_a_training_starts_anew(
    run: RunFolder, uninterrupted: dict[str, dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    stop_after(run, "detection", 2)
    folder = run.stage("detection")
    (folder / "last.pth").write_bytes(b"no checkpoint")
    with caplog.at_level("INFO"):
        run_stage(Stage.DETECTION, run, SETTINGS)
    assert "Started detection anew" in caplog.text
    assert_same_training(load(folder / "last.pth"), uninterrupted["detection"])
