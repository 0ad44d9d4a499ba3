"""The largest batch that fits is found, and one that doesn't is told together with one that does."""

from pathlib import Path
from typing import Any

import pytest

from numbers_run import run_stage, stage_context
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.machine import Machine
from ocr_trainer.training.batch_size import Probe, largest_that_fits
from ocr_trainer.training.kinds import RECOGNITION
from ocr_trainer.training.session import configure
from tiny_training import copy_run, load, with_changes


@pytest.mark.parametrize("room", [0, 1, 2, 3, 7, 8, 31, 32, 33, 100, 1000, 5000])
@pytest.mark.parametrize("most", [1, 5, 64, 1000])
def test_the_search_ends_within_a_sixteenth_below_the_limit(room: int, most: int) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= room

    found, limit = largest_that_fits(fits, most), min(room, most)
    assert found <= limit and limit - found <= max(1, found // 16)
    assert found == limit or limit > 1
    assert all(1 <= size <= most for size in tried) and len(tried) == len(set(tried)) <= 16


class SmallMemory:
    """A fault that can't be made here: forward of more pixels than fit raises what a GPU's allocator does."""

    def __init__(self, model: Any, pixels: int) -> None:
        self.model, self.pixels, self.seen = model, pixels, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        import torch

        pixels = sum(picture.shape[1] * picture.shape[2] for picture in data["inputs"])
        self.seen = max(self.seen, pixels)
        if pixels > self.pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return self.model.train_step(data, optim_wrapper)


@pytest.mark.training
def test_batches_are_tried_on_the_heaviest_lines(prepared: RunFolder, tmp_path: Path) -> None:
    """Real steps of a real model, in a memory made small."""
    run = copy_run(prepared, tmp_path / "first")
    with stage_context(Stage.RECOGNITION, run, with_changes("recognition")) as context:
        config, _ = configure(context, RECOGNITION, Machine(), 1)
    from mmocr.registry import MODELS

    pixels = 20 * 32 * 64
    model = SmallMemory(MODELS.build(config.model), pixels)
    probe = Probe(config, model)
    found = largest_that_fits(probe.fits, probe.most)
    assert probe.fits(found) and not probe.fits(found + max(1, found // 16) + 1)
    assert 1 < found < probe.most and model.seen > pixels


@pytest.mark.training
def test_a_step_without_memory_is_told_with_the_batch_that_fits(
    prepared: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from ocr_trainer.training import parts

    parts.register()
    from mmocr.models.textdet import DBNet

    step = DBNet.train_step

    def train_step(self: Any, data: Any, optim_wrapper: Any) -> Any:
        if len(data["inputs"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return step(self, data, optim_wrapper)

    monkeypatch.setattr(DBNet, "train_step", train_step)
    run = copy_run(prepared, tmp_path / "first")
    with pytest.raises(
        BadConfiguration, match=r"detection\.batchSize 4 doesn't fit the memory: 2 fits"
    ) as told:
        run_stage(Stage.DETECTION, run, with_changes("detection"))
    assert told.value.reason == "OutOfMemory"


@pytest.mark.training
def test_without_a_gpu_zero_is_the_presets_own_batch(prepared: RunFolder, tmp_path: Path) -> None:
    run = copy_run(prepared, tmp_path / "first")
    run_stage(Stage.DETECTION, run, with_changes("detection", batchSize=0, epochs=1))
    assert load(run.stage("detection") / "last.pth")["meta"]["batch_size"] == 4
