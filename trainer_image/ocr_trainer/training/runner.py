"""mmengine's Runner and epoch loop, extended at the seams they offer: log, configuration, resuming."""

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, Runner

from ocr_trainer.training.ahead import batches_ahead, target_drawer
from ocr_trainer.training.batches import EpochBatches, mix


class StageRunner(Runner):  # type: ignore[misc]
    """Writes its log into the run's record.log and leaves nothing else behind."""

    record_log: Path

    @classmethod
    def create(cls, config: Any, record_log: Path) -> "StageRunner":
        """A runner for `config`; the log is needed while it is being made."""
        record_log.parent.mkdir(parents=True, exist_ok=True)
        named = type(cls.__name__, (cls,), {"record_log": record_log})
        return named.from_cfg(config)  # type: ignore[attr-defined, no-any-return]

    def build_logger(self, log_level: Any = "INFO", log_file: str | None = None, **options: Any) -> MMLogger:
        logger = super().build_logger(log_level, log_file or str(self.record_log), **options)
        # The console is the progress bars' and the pod's log's.
        for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
            logger.removeHandler(handler)
        return logger

    def build_model(self, model: Any) -> Any:
        built = super().build_model(model)
        # Convolutions are a third faster so, on CPU and GPU.
        return built.to(memory_format=torch.channels_last) if self.cfg.channels_last else built

    def dump_config(self) -> None:
        """The stage writes config.py itself, whole."""

    def remove_empty_log_folder(self) -> None:
        """mmengine makes a folder named by the time, for visualisers that we don't have."""
        folder = Path(self.log_dir)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def close_log(self) -> None:
        """Close record.log: the next stage of the same process opens it anew."""
        for handler in list(self.logger.handlers):
            handler.close()
            self.logger.removeHandler(handler)


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):  # type: ignore[misc]
    """Goes on inside an epoch where the last process stopped, and makes up for a validation it missed."""

    validation_due = False
    """The epoch that ended last was to be validated, and wasn't."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.batches: EpochBatches = self.dataloader.batch_sampler
        self._max_iters = self.batches.steps()  # the first epochs may have fewer batches than the others

    def is_due(self, epoch: int) -> bool:
        """Whether a validation follows this epoch, counted from 1; it always does the last."""
        return bool(epoch % self.val_interval == 0 or epoch == self._max_epochs)

    def validations_after(self, epoch: int) -> int:
        """How many are still to come when so many epochs are done."""
        extra = self._max_epochs % self.val_interval != 0
        return int(self._max_epochs // self.val_interval - epoch // self.val_interval + extra)

    def run(self) -> Any:
        for metric in self.runner.val_loop.evaluator.metrics:
            # Where ranks lay their results together; by default that is the process's own folder.
            metric.collect_dir = str(Path(self.runner.work_dir) / ".results.tmp")
        self.runner.call_hook("before_train")
        if self.validation_due:
            self.runner.val_loop.run()
        while self._epoch < self._max_epochs:
            self.run_epoch()
            if self.is_due(self._epoch):
                self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        prepare = target_drawer(self.runner.model)
        with closing(batches_ahead(self.dataloader, prepare)) as batches:
            for index, batch in enumerate(batches, start=self.batches.begin):
                self.run_iter(index, batch)
        self.batches.begin = 0
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One step; hooks get its losses as numbers, so that a GPU is waited for once and not by each."""
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=_numbers(outputs))
        self._iter += 1


def _numbers(losses: dict[str, torch.Tensor]) -> dict[str, float]:
    """All brought from the device at once."""
    values = torch.stack([value.detach().float().mean() for value in losses.values()])
    return dict(zip(losses, values.tolist(), strict=True))


class DrawByIteration(Hook):  # type: ignore[misc]
    """Dropout and whatever else a model draws follow from seed, rank and iteration alone.

    So a resumed training goes on exactly, with nothing to be kept, however data were loaded in between.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        del batch_idx, data_batch
        torch.manual_seed(mix(runner.seed, runner.rank, runner.iter))


class Proof(Hook):  # type: ignore[misc]
    """Whether the configuration has shown that it works: a first batch was trained, and one validated."""

    def __init__(self) -> None:
        self._trained = self._validated = self._validates = False

    @property
    def given(self) -> bool:
        """For what runs now, training or validation."""
        return self._validated if self._validates else self._trained

    def before_val(self, runner: Runner) -> None:
        del runner
        self._validates = True

    def after_val(self, runner: Runner) -> None:
        del runner
        self._validates = False

    def after_train_iter(self, *_: Any, **__: Any) -> None:
        self._trained = True

    def after_val_iter(self, *_: Any, **__: Any) -> None:
        self._validated = True
