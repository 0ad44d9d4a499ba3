"""A training's last word are the figures of the weights that it leaves, not those of its last epoch."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ocr_trainer.progress import SilentProgress
from ocr_trainer.training.journal import Journal
from ocr_trainer.training.kinds import DETECTION

FIGURES = [(0.7, 0.5), (0.9, 0.8), (0.6, 0.6)]
"""Precision and recall of three validations: the second is the best."""


def hmean(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)


def told(folder: Path, epochs: range) -> dict[str, Any]:
    """What a process that validates these epochs has told when it ends; the folder is one training's."""
    from ocr_trainer import compat

    compat.install()
    import torch

    from ocr_trainer.training.hooks import StatusHook
    from ocr_trainer.training.keepers import BestKeeper

    latest: dict[str, Any] = {}
    best = BestKeeper(DETECTION, folder, {"run": "one"}, check_owner=lambda: None)
    best.resume()
    status = StatusHook(
        DETECTION,
        lambda **fields: latest.update(fields),
        lambda _word: None,
        SilentProgress(),
        Journal(folder / "metrics.jsonl"),
        best,
    )
    runner: Any = SimpleNamespace(max_epochs=3, iter=0, model=torch.nn.Linear(1, 1))
    for epoch in epochs:
        precision, recall = FIGURES[epoch - 1]
        runner.epoch = epoch
        found = {"precision": precision, "recall": recall, "hmean": hmean(precision, recall)}
        best.after_val_epoch(runner, found)
        status.after_val_epoch(runner, found)
    status.after_train(runner)
    return latest


@pytest.mark.parametrize("stopped_after", [0, 2], ids=["in one go", "resumed after the best epoch"])
def test_the_last_word_are_the_best_epochs_figures(tmp_path: Path, stopped_after: int) -> None:
    if stopped_after:
        told(tmp_path, range(1, stopped_after + 1))
    latest = told(tmp_path, range(stopped_after + 1, 4))
    assert (latest["best_epoch"], latest["precision"], latest["recall"]) == (2, 0.9, 0.8)
    assert latest["hmean"] == hmean(0.9, 0.8)
