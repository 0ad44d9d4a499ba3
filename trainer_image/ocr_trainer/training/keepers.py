"""Hooks that keep last.pth, from which a training goes on, and best.pth, which is the model."""

import io
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ocr_contract.atomic import replace_json
from ocr_trainer.errors import BadConfiguration, Interrupted, naming_full_volume
from ocr_trainer.training.checkpoints import BEST, LAST, PREVIOUS, Unusable, load, replace_checkpoint
from ocr_trainer.training.kinds import Kind
from ocr_trainer.training.runner import ResumableEpochLoop
from ocr_trainer.training.stopping import Stopping

logger = logging.getLogger(__name__)

Meta = dict[str, Any]

_SAVE_SECONDS = 300.0
"""So much work a killed pod may lose."""
_SKIPPED_BY_SCALER = 20
"""Batches in a row without a finite loss that float16's loss scaling is allowed: it skips such steps."""


class LastKeeper(Hook):  # type: ignore[misc]
    """Writes last.pth: before a validation (the last epoch always has one), every five minutes, at a stop.

    meta: what every checkpoint of this training says of itself: `run`, `batch_size`, `characters`.
    Never writes weights that are no numbers.
    """

    priority = "LOWEST"

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        meta: Meta,
        stopping: Stopping,
        check_owner: Callable[[], None],
    ) -> None:
        self._kind, self._folder, self._meta = kind, folder, meta
        self._stopping, self._check_owner = stopping, check_owner
        self._saved_at = time.monotonic()
        self._not_finite = 0
        self.validated: set[int] = set()
        """Epochs that an earlier process validated."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Only a checkpoint of this very run holds a place to go on from."""
        meta = checkpoint.get("meta", {})
        loop = runner.train_loop
        if meta.get("run") == self._meta["run"] and isinstance(loop, ResumableEpochLoop):
            loop.batches.begin, epoch = int(meta["batches_done"]), int(meta["epoch"])
            ended = epoch > 0 and not loop.batches.begin
            loop.validation_due = ended and loop.is_due(epoch) and epoch not in self.validated

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        del data_batch
        stop = self._stopping.anywhere()
        if stop or time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._save(runner, epoch=runner.epoch, batches_done=batch_idx)
        if stop:
            barrier()  # a rank that left early would have the one that writes killed
            raise Interrupted(
                f"stopped in epoch {runner.epoch + 1} after {batch_idx} batches; a checkpoint is written"
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del data_batch
        if math.isfinite(outputs["loss"]):
            self._not_finite = 0
            return
        self._not_finite += 1
        tolerated = _SKIPPED_BY_SCALER if hasattr(runner.optim_wrapper, "loss_scaler") else 0
        if self._not_finite > tolerated:
            raise self._diverged(f"the loss of epoch {runner.epoch + 1}, batch {batch_idx + 1}")

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        if runner.train_loop.is_due(epoch):
            self._save(runner, epoch=epoch, batches_done=0)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del batch_idx, data_batch, outputs
        # Ranks have different numbers of batches here, so each goes by its own signal; nothing is written.
        if self._stopping.here():
            raise Interrupted(f"stopped while epoch {runner.epoch} was validated; it will be validated again")

    def _save(self, runner: Runner, *, epoch: int, batches_done: int) -> None:
        if get_rank() == 0:
            self._check_owner()
            if not _finite(bare(runner.model)):
                raise self._diverged(f"a weight in epoch {runner.epoch + 1}")
            meta = {"epoch": epoch, "iter": runner.iter, "batches_done": batches_done, **self._meta}
            replace_checkpoint(
                self._folder / LAST, _bytes(_state(runner, meta)), previous=self._folder / PREVIOUS
            )
        self._saved_at = time.monotonic()

    def _diverged(self, what: str) -> BadConfiguration:
        kept = f"{LAST} is of before that" if (self._folder / LAST).exists() else "no checkpoint is older"
        return BadConfiguration(
            f"{what} is no finite number any more, so the training stopped ({kept}): "
            f"lower {self._kind.stage}.learningRate",
            reason="Diverged",
        )


class BestKeeper(Hook):  # type: ignore[misc]
    """Writes best.pth and metrics.json when a validation's figures are better than any before.

    Before the validation is recorded: what is recorded is not validated again after a stop.
    """

    priority = "NORMAL"

    def __init__(self, kind: Kind, folder: Path, meta: Meta, check_owner: Callable[[], None]) -> None:
        self._kind, self._folder, self._meta, self._check_owner = kind, folder, meta, check_owner
        self._rank: tuple[float, ...] = ()
        self.epoch: int | None = None
        """The best epoch so far."""
        self.figures: dict[str, float] = {}
        """What its validation found, by the names of `Kind.figures`."""

    def resume(self) -> bool:
        """Take over the best epoch of an earlier process; False if there is none that is whole."""
        try:
            meta = load(self._folder / BEST)["meta"]
        except Unusable:
            return False
        if meta.get("run") != self._meta["run"]:
            return False
        metrics = meta["metrics"]
        self._take(int(meta["epoch"]), metrics)
        if get_rank() == 0:
            replace_json(self._folder / "metrics.json", metrics)
        return True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        found = self._kind.figures_of(metrics or {})
        if self._rank_of(found) <= self._rank:
            return
        self._take(runner.epoch, found)
        if get_rank() != 0:
            return
        self._check_owner()
        record = {"epoch": runner.epoch, **found}
        meta = {"epoch": runner.epoch, "iter": runner.iter, "metrics": record, **self._meta}
        weights = _plain(dict(bare(runner.model).state_dict()))
        replace_checkpoint(self._folder / BEST, _bytes({"meta": meta, "state_dict": weights}))
        with naming_full_volume(self._folder):
            replace_json(self._folder / "metrics.json", record)
        logger.info("Epoch %d is the best so far: %s", runner.epoch, found)

    def _take(self, epoch: int, metrics: Meta) -> None:
        self._rank, self.epoch = self._rank_of(metrics), epoch
        self.figures = {name: float(metrics[name]) for name in self._kind.figures}

    def _rank_of(self, metrics: Meta) -> tuple[float, ...]:
        return tuple(float(metrics[name]) for name in self._kind.rank)


def bare(model: Any) -> Any:
    """The model itself, where several processes train it together."""
    return model.module if hasattr(model, "module") else model


def _finite(model: torch.nn.Module) -> bool:
    tensors = [t for t in model.state_dict().values() if t.is_floating_point()]
    return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())


def _state(runner: Runner, meta: Meta) -> dict[str, Any]:
    """What `runner.resume` reads.

    mmengine's own checkpoints also hold the configuration, which takes a second to print each time, and
    history objects, which `weights_only` refuses.
    """
    information = runner.message_hub.runtime_info
    kept = {name: v for name, v in information.items() if isinstance(v, str | int | float | bool)}
    dataset_meta = getattr(runner.train_dataloader.dataset, "metainfo", {})
    return {
        "meta": {"seed": runner.seed, "dataset_meta": _plain(dataset_meta), **meta},
        "state_dict": _plain(dict(bare(runner.model).state_dict())),
        "message_hub": {"log_scalars": {}, "resumed_keys": {}, "runtime_info": _plain(kept)},
        "optimizer": _plain(runner.optim_wrapper.state_dict()),
        "param_schedulers": [_plain(scheduler.state_dict()) for scheduler in runner.param_schedulers],
    }


def _plain(value: Any) -> Any:
    """In any depth: numpy's numbers as Python's, tensors on the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value


def _bytes(checkpoint: dict[str, Any]) -> memoryview:
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getbuffer()
