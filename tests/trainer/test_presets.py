"""Every preset there is really trains, as it is but for small pages, and leaves a model."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numbers_run import draw_pages, run_stage
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.presets import preset_names

pytestmark = pytest.mark.training

SETTINGS: dict[str, Any] = {
    "id": "presets",
    "detection": {
        "epochs": 1,
        "batchSize": 4,
        "overrides": {
            "long_side": 160,
            "train_dataloader.dataset.pipeline.2.size": 96,
            "train_dataloader.dataset.pipeline.2.long_side": [140, 200],
        },
    },
    "recognition": {"epochs": 1, "batchSize": 16, "overrides": {"reading.squeeze": 0.5}},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = RunFolder(tmp_path_factory.mktemp("volume") / "presets")
    rng = np.random.default_rng(1)
    for name, count in (("train", 9), ("val", 2)):
        draw_pages(run.path, name, count, rng)
    run_stage(Stage.PREPARE, run, SETTINGS)
    return run


@pytest.mark.parametrize(
    ("kind", "preset"), [(kind, name) for kind in ("detection", "recognition") for name in preset_names(kind)]
)
def test_a_preset_trains(prepared: RunFolder, tmp_path: Path, kind: str, preset: str) -> None:
    import torch

    run = RunFolder(tmp_path / "run")
    shutil.copytree(prepared.path, run.path)
    run_stage(Stage(kind), run, SETTINGS | {kind: SETTINGS[kind] | {"preset": preset}})
    folder = run.stage(kind)
    best = torch.load(folder / "best.pth", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in best["state_dict"].values())
    assert best["meta"]["epoch"] == json.loads((folder / "metrics.json").read_text())["epoch"] == 1
    assert best["meta"]["iter"] >= 2
    # What an epoch teaches differs from where it began.
    assert math.isfinite(best["meta"]["metrics"]["hmean" if kind == "detection" else "word_acc"])
    assert (folder / "last.pth").exists() and (folder / "done.json").exists()
