"""Tells the platform where a training stands; keeps metrics.jsonl. A hook of mmengine's, nothing patched."""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ocr_contract.legacy import Word
from ocr_trainer.progress import Progress, Task
from ocr_trainer.training.journal import Journal, step_interval
from ocr_trainer.training.keepers import BestKeeper
from ocr_trainer.training.kinds import Kind
from ocr_trainer.training.learning_check import why_not_learning
from ocr_trainer.training.pace import Pace

logger = logging.getLogger(__name__)

Update = Callable[..., None]
"""Reporter.update_detection or update_recognition."""

_WINDOW = 50
"""Steps that a reported loss is the mean of."""
_MOST_PARTS = 16


class StatusHook(Hook):  # type: ignore[misc]
    """Belongs to the first rank alone, and counts the images of all."""

    priority = "VERY_LOW"

    def __init__(
        self,
        kind: Kind,
        update: Update,
        say: Callable[[Word], None],
        progress: Progress,
        journal: Journal,
        best: BestKeeper,
    ) -> None:
        self._kind, self._update, self._say = kind, update, say
        self._progress, self._journal, self._best = progress, journal, best
        self._stack = ExitStack()
        self._task: Task | None = None
        self._pace = Pace(time.monotonic)
        self._recent: deque[dict[str, float]] = deque(maxlen=_WINDOW)
        self._unrecorded: list[dict[str, float]] = []
        self._epoch_losses: list[float] = []
        self._images = self._seen = 0
        self._interval = 1
        self._doubted = False

    def before_train(self, runner: Runner) -> None:
        loop = runner.train_loop
        self._journal.forget_after(loop.epoch, loop.iter)
        self._interval = step_interval(loop.max_iters)
        self._images = len(loop.dataloader.dataset)
        self._update(
            total_epochs=loop.max_epochs, total_images=self._images, epoch=loop.epoch,
            best_epoch=self._best.epoch,
        )  # fmt: skip
        # A last epoch that an earlier process trained is only to be validated.
        self._say(self._kind.training if loop.epoch < loop.max_epochs else self._kind.trained)
        task = self._progress.task(self._kind.title, loop.max_iters, done=loop.iter)
        self._task = self._stack.enter_context(task)

    def before_train_epoch(self, runner: Runner) -> None:
        self._epoch_losses, self._seen = [], 0
        self._pace.resume()
        if runner.epoch:
            self._update(now=True, state=self._kind.training.name)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        del runner, batch_idx, data_batch
        self._pace.data_came()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del data_batch
        losses = {name: value for name, value in outputs.items() if "loss" in name}
        self._recent.append(losses)
        self._unrecorded.append(losses)
        self._epoch_losses.append(losses["loss"])
        loop = runner.train_loop
        seen = loop.batches.seen[batch_idx]
        self._pace.step_done(seen - self._seen if self._seen else seen // (batch_idx + 1))
        self._seen = seen
        done = runner.iter + 1
        parts = {name: round(value, 5) for name, value in _means(self._recent).items()}
        figures = {
            "learning_rate": float(runner.optim_wrapper.get_lr()["lr"][0]),
            "samples_per_second": self._pace.items_per_second,
            "data_wait": self._pace.data_wait,
        }
        self._update(
            epoch=runner.epoch + 1,
            images_seen=min(seen, self._images),
            loss=parts.pop("loss"),
            losses=dict(sorted(parts.items())[:_MOST_PARTS]),
            percent=100 * done // loop.max_iters,
            eta_seconds=self._eta(runner),
            **figures,
        )
        if done % self._interval == 0:
            self._journal.add(
                {"step": done, "epoch": runner.epoch + 1, **_means(self._unrecorded),
                 "lr": figures["learning_rate"], "samplesPerSecond": round(figures["samples_per_second"], 3),
                 "dataWait": round(figures["data_wait"], 4)}
            )  # fmt: skip
            self._unrecorded.clear()
        if self._task:
            self._task.advance(note=f"epoch {runner.epoch + 1}, loss {losses['loss']:.3f}")

    def after_train_epoch(self, runner: Runner) -> None:
        epoch, losses = runner.epoch + 1, self._epoch_losses
        end = {
            "epoch": epoch, "iterations": runner.iter,
            "lr": float(runner.optim_wrapper.get_lr()["lr"][0]),
        }  # fmt: skip
        if losses:  # an earlier process may have trained all of the epoch's batches
            mean = round(sum(losses) / len(losses), 5)
            end["loss"] = mean
            self._update(loss=mean)
        self._journal.add(end)
        self._update(now=True, epoch=epoch, images_seen=self._images, not_learning=self._check(runner))
        if epoch == runner.max_epochs:
            self._say(self._kind.trained)

    def before_val_epoch(self, runner: Runner) -> None:
        self._pace.pause()
        # The words come in one order: a validation in between is told by the report's state alone.
        if runner.epoch == runner.max_epochs:
            self._say(self._kind.validating)
        else:
            self._update(now=True, state=self._kind.validating.name)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        del runner, batch_idx, data_batch, outputs
        self._update()  # the heartbeat

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._pace.validated()
        found = self._kind.figures_of(metrics or {})
        self._journal.add({"epoch": runner.epoch, **found})
        figures = {name: found[name] for name in self._kind.figures}
        self._update(now=True, best_epoch=self._best.epoch, not_learning=self._check(runner), **figures)
        if runner.epoch == runner.max_epochs:
            self._say(self._kind.validated)

    def after_train(self, runner: Runner) -> None:
        """The figures that stay are those of the model that stays: the best epoch's, not the last one's."""
        del runner
        self._update(now=True, eta_seconds=0, percent=100, **self._best.figures)

    def close(self) -> None:
        """Take the bar off the terminal, however the training ended."""
        self._stack.close()

    def _check(self, runner: Runner) -> str | None:
        why = why_not_learning(self._journal.records, runner.max_epochs, self._kind.figures)
        if why and not self._doubted:
            logger.warning("The training seems not to learn: %s", why)
        self._doubted = why is not None
        return why

    def _eta(self, runner: Runner) -> int:
        loop = runner.train_loop
        left = max(0, loop.max_iters - runner.iter - 1)
        return self._pace.seconds_left(left, loop.validations_after(runner.epoch))


def _means(losses: Any) -> dict[str, float]:
    """Each part's mean over the steps that have it."""
    names = dict.fromkeys(name for part in losses for name in part)
    return {
        name: sum(values) / len(values)
        for name in names
        if (values := [part[name] for part in losses if name in part])
    }
