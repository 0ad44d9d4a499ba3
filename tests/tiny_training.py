"""The smallest trainings that are trainings: seconds each, on ten drawn pages."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from numbers_run import draw_pages, run_stage
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.progress import Task

_CROP = "train_dataloader.dataset.pipeline.2"
SETTINGS: dict[str, Any] = {
    "id": "first",
    "detection": {
        "preset": "dbnet_r18_tiny", "epochs": 3, "batchSize": 4, "evaluateEvery": 2,
        "overrides": {
            "amp": "off", "long_side": 160, f"{_CROP}.size": 96, f"{_CROP}.long_side": [280, 360],
        },
    },
    # Dropout, attention and many learning rates: what a careless resume gets wrong.
    "recognition": {
        "preset": "satrn_small", "epochs": 3, "batchSize": 16, "evaluateEvery": 2,
        "overrides": {
            "amp": "off", "model.backbone.hidden_dim": 32, "model.encoder.n_layers": 1,
            "model.encoder.n_head": 2, "model.encoder.d_k": 16, "model.encoder.d_v": 16,
            "model.encoder.d_model": 32, "model.encoder.d_inner": 32, "model.decoder.n_layers": 1,
            "model.decoder.d_embedding": 32, "model.decoder.n_head": 2, "model.decoder.d_model": 32,
            "model.decoder.d_inner": 32, "model.decoder.d_k": 16, "model.decoder.d_v": 16,
        },
    },
}  # fmt: skip


def with_changes(kind: str, **changes: Any) -> dict[str, Any]:
    """The settings with some of one model's replaced."""
    return SETTINGS | {kind: SETTINGS[kind] | changes}


def prepare(folder: Path) -> RunFolder:
    """A run's folder whose data are prepared: ten pages to train on, two to validate."""
    rng = np.random.default_rng(5)
    for name, count in (("train", 10), ("val", 2)):
        draw_pages(folder, name, count, rng)
    run_stage(Stage.PREPARE, RunFolder(folder), SETTINGS)
    return RunFolder(folder)


def copy_run(run: RunFolder, folder: Path) -> RunFolder:
    """The same data in another place."""
    shutil.copytree(run.path, folder)
    return RunFolder(folder)


def load(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


class StopAfter:
    """A progress that asks for a stop when so many batches are trained, by the signal that a pod gets."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:  # noqa: ARG002
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        yield self

    def advance(self, steps: int = 1, *, note: str = "") -> None:  # noqa: ARG002
        self.left -= steps
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def sigterm_stops() -> Iterator[threading.Event]:
    """In this process, as in a pod."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
