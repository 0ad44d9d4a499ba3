"""How a training talks to the outside: progress, checkpoints, a stop. mmengine's hooks, nothing patched."""

import io
import json
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ocr_contract.atomic import replace_bytes, replace_json
from ocr_contract.legacy import Word
from ocr_trainer.errors import BadConfiguration, Interrupted
from ocr_trainer.progress import Progress, Task
from ocr_trainer.training.kinds import Kind
from ocr_trainer.training.runner import ResumableEpochLoop, plain, replace_checkpoint

logger = logging.getLogger(__name__)

Update = Callable[..., None]
"""Reporter.update_detection or update_recognition."""

_SAVE_SECONDS = 300.0
"""A long epoch's training is worth a checkpoint though no validation is due."""


_DIVERGED = 50
"""Batches in a row without a finite loss: mixed precision skips a few, a diverged model never comes back."""


class StatusHook(Hook):  # type: ignore[misc]
    """Tells the platform where the training stands; keeps curves.jsonl."""

    priority = "VERY_LOW"

    def __init__(
        self, kind: Kind, update: Update, say: Callable[[Word], None], progress: Progress, curves: Path
    ) -> None:
        self._kind, self._update, self._say = kind, update, say
        self._progress, self._curves = progress, curves
        self._stack = ExitStack()
        self._task: Task | None = None
        self._images = self._seen = 0
        self._losses: list[float] = []
        self._seconds, self._iterations, self._validation_seconds = 0.0, 0, 0.0
        self._since = 0.0

    def before_train(self, runner: Runner) -> None:
        loop = runner.train_loop
        self._forget_after(loop.epoch)
        self._images = len(loop.dataloader.dataset)
        self._update(total_epochs=loop.max_epochs, total_images=self._images, epoch=loop.epoch)
        self._say(self._kind.training)
        task = self._progress.task(self._kind.title, loop.max_iters, done=loop.iter)
        self._task = self._stack.enter_context(task)

    def before_train_epoch(self, runner: Runner) -> None:
        self._seen, self._losses, self._since = 0, [], time.monotonic()
        if runner.epoch:
            self._say(self._kind.training)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del batch_idx
        loss = float(outputs["loss"].detach())
        self._losses.append(loss)
        if len(self._losses) >= _DIVERGED and not any(map(math.isfinite, self._losses[-_DIVERGED:])):
            raise BadConfiguration(
                f"the loss of epoch {runner.epoch + 1} is no number any more: "
                f"lower {self._kind.stage}.learningRate",
                reason="Diverged",
            )
        self._seen += len(data_batch["inputs"])
        self._iterations += 1
        now = time.monotonic()
        self._seconds, self._since = self._seconds + now - self._since, now
        recent = self._losses[-50:]
        self._update(
            epoch=runner.epoch + 1,
            images_seen=min(self._seen, self._images),
            loss=round(sum(recent) / len(recent), 5),
            eta_seconds=self._eta(runner),
        )
        if self._task:
            self._task.advance(note=f"epoch {runner.epoch + 1}, loss {recent[-1]:.3f}")

    def after_train_epoch(self, runner: Runner) -> None:
        losses = self._losses or [0.0]
        mean = round(sum(losses) / len(losses), 5)
        self._update(now=True, epoch=runner.epoch + 1, images_seen=self._images, loss=mean)
        rate = float(runner.optim_wrapper.get_lr()["lr"][0])
        self._record({"epoch": runner.epoch + 1, "iterations": runner.iter, "loss": mean, "rate": rate})
        if runner.epoch + 1 == runner.max_epochs:
            self._say(self._kind.trained)

    def before_val_epoch(self, runner: Runner) -> None:
        del runner
        self._since = time.monotonic()
        self._say(self._kind.validating)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._validation_seconds = time.monotonic() - self._since
        found = figures_of(self._kind, metrics or {})
        self._update(now=True, **{name: found[name] for name in self._kind.figures})
        self._record({"epoch": runner.epoch, **found})
        self._say(self._kind.validated)

    def after_train(self, runner: Runner) -> None:
        del runner
        self._update(now=True, eta_seconds=0)

    def close(self) -> None:
        """Take the bar off the terminal, however the training ended."""
        self._stack.close()

    def _eta(self, runner: Runner) -> int:
        loop = runner.train_loop
        left: int = max(0, loop.max_iters - runner.iter - 1)
        validations: int = (loop.max_epochs - 1) // loop.val_interval - runner.epoch // loop.val_interval + 1
        return round(left * self._seconds / self._iterations + validations * self._validation_seconds)

    def _forget_after(self, epoch: int) -> None:
        """Drop what an earlier process recorded beyond its last checkpoint: those epochs come again."""
        kept = [record for record in read_curves(self._curves) if record["epoch"] <= epoch]
        replace_bytes(self._curves, "".join(json.dumps(record) + "\n" for record in kept).encode())

    def _record(self, line: dict[str, Any]) -> None:
        with self._curves.open("a") as file:
            file.write(json.dumps(plain(line)) + "\n")


def figures_of(kind: Kind, metrics: dict[str, float]) -> dict[str, float]:
    """mmocr's metrics without their prefix; 0 for a figure that is missing."""
    named = {name.rsplit("/", 1)[-1]: float(value) for name, value in metrics.items()}
    return {name: named.get(name, 0.0) for name in kind.figures} | (
        {"threshold": named["threshold"]} if "threshold" in named else {}
    )


def read_curves(curves: Path) -> list[dict[str, Any]]:
    """The lines of curves.jsonl; a torn last one is no record."""
    records = []
    for line in curves.read_text().splitlines() if curves.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            logger.warning("Dropped a torn line of %s", curves.name)
    return records


def validated_epochs(curves: Path, kind: Kind) -> set[int]:
    """Epochs whose validation stands in curves.jsonl."""
    return {int(record["epoch"]) for record in read_curves(curves) if kind.rank[0] in record}


class CheckpointKeeper(Hook):  # type: ignore[misc]
    """Keeps last.pth, from which a training goes on, and best.pth, which is the model.

    last.pth is written when an epoch that shall be validated ends (the last always is), when a save is five
    minutes old, and at a stop: then with the number of batches of the epoch that are done.
    """

    priority = "LOWEST"

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        fingerprint: str,
        stop: threading.Event,
        check_owner: Callable[[], None],
        characters: list[str] | None,
    ) -> None:
        """characters: the recogniser's dictionary, kept with the weights that know it."""
        self._kind, self._folder, self._fingerprint = kind, folder, fingerprint
        self._characters = {"characters": characters} if characters is not None else {}
        self._stop, self._check_owner = stop, check_owner
        self._saved_at = time.monotonic()
        self._best: tuple[float, ...] = ()
        self.best_epoch: int | None = None
        self.validated: set[int] = set()
        """Epochs that an earlier process validated."""

    def resume_best(self, metrics: dict[str, Any]) -> None:
        """The best epoch of an earlier process."""
        self._best = tuple(float(metrics[name]) for name in self._kind.rank)
        self.best_epoch = int(metrics["epoch"])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Only a checkpoint of this very run holds a place to go on from."""
        meta = checkpoint.get("meta", {})
        loop = runner.train_loop
        if meta.get("run") == self._fingerprint and isinstance(loop, ResumableEpochLoop):
            loop.batches.begin, epoch = int(meta["batches_done"]), int(meta["epoch"])
            due = epoch % loop.val_interval == 0 or epoch == loop.max_epochs
            ended = epoch > 0 and not loop.batches.begin
            loop.validation_due = ended and due and epoch not in self.validated

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del data_batch, outputs
        if self._stop.is_set():
            batches = batch_idx + 1
            self._save_last(runner, epoch=runner.epoch, iterations=runner.iter + 1, batches_done=batches)
            raise Interrupted(
                f"stopped in epoch {runner.epoch + 1} after {batches} batches; a checkpoint is written"
            )

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        due = epoch % runner.train_loop.val_interval == 0 or epoch == runner.max_epochs
        if due or time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._save_last(runner, epoch=epoch, iterations=runner.iter, batches_done=0)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del batch_idx, data_batch, outputs
        if self._stop.is_set():
            raise Interrupted(f"stopped while epoch {runner.epoch} was validated; it will be validated again")

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        found = figures_of(self._kind, metrics or {})
        rank = tuple(found[name] for name in self._kind.rank)
        if rank <= self._best:
            return
        self._check_owner()
        record = {"epoch": runner.epoch, **plain(found)}
        model = runner.model.module if hasattr(runner.model, "module") else runner.model
        weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
        meta = {
            "epoch": runner.epoch, "iter": runner.iter, "run": self._fingerprint, "metrics": record,
            **self._characters,
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save({"meta": meta, "state_dict": weights}, buffer)
        replace_bytes(self._folder / "best.pth", buffer.getvalue(), durable=True)
        replace_json(self._folder / "metrics.json", record)
        self._best, self.best_epoch = rank, runner.epoch
        logger.info("Epoch %d is the best so far: %s", runner.epoch, found)

    def _save_last(self, runner: Runner, *, epoch: int, iterations: int, batches_done: int) -> None:
        self._check_owner()
        meta = {"epoch": epoch, "iter": iterations, "batches_done": batches_done, "run": self._fingerprint}
        meta |= self._characters
        replace_checkpoint(
            self._folder / "last.pth",
            lambda path: runner.save_checkpoint(str(path.parent), path.name, meta=meta),
        )
        self._saved_at = time.monotonic()
