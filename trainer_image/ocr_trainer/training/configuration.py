"""From a preset and the user's settings to the complete mmengine configuration: a pure function.

A preset is a training of a certain length and batch (`made_for`); asked for another length its schedule is
stretched, asked for another batch its learning rate is scaled. What the machine decides comes after what the
user asks for; the user's dotted overrides come last.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ocr_contract.spec import Training
from ocr_contract.stages import Stage
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.machine import Machine
from ocr_trainer.training.overrides import apply_overrides

_FEWEST_LINES_SHARE = 8
"""A batch of the narrowest lines holds about this many times `batchSize`."""
_SLOWEST_DECODER_STEPS = 200
"""Positions that NRTR's decoder has."""
_CACHE_SHARE = 4
"""A quarter of the memory may hold decoded pages; model, loaders and the volume's own cache need the rest."""
_FUSED_OPTIMIZERS = {"Adagrad", "Adam", "AdamW", "SGD"}
_LINEAR_OPTIMIZERS = ("SGD",)


@dataclass(frozen=True)
class TrainingData:
    """Where prepare left the data, and how much of it there is."""

    root: Path
    """The run's folder."""
    dataset: Path
    items: int
    """Training images of the detector, or lines of the recogniser."""
    longest_text: int

    @property
    def dictionary(self) -> Path:
        return self.dataset / "dictionary.txt"


def build_config(
    stage: Stage, preset: Path, training: Training, data: TrainingData, machine: Machine, work_dir: Path
) -> Config:
    """The configuration of one training; BadConfiguration if an override doesn't fit.

    `batchSize` 0 is the preset's own; who knows what fits a GPU puts that in its place before.
    """
    config = Config.fromfile(str(preset))
    batch_size = training.batch_size or config.made_for.batch_size
    _set_length(config, training, batch_size, data)
    _set_rate(config, training, batch_size * machine.processes)
    for name in ("train_dataloader", "val_dataloader"):
        loader = config[name]
        loader.num_workers = machine.workers
        loader.persistent_workers = machine.workers > 0
    config.train_dataloader.batch_size = batch_size
    config.train_dataloader.batch_sampler.epochs = training.epochs
    for decoder in _holding(config.model.to_dict(), "max_seq_len"):
        limit = min(data.longest_text + 1, _SLOWEST_DECODER_STEPS)
        config.merge_from_dict({f"model.{decoder}max_seq_len": limit})
    for copied in ("train_pipeline", "val_pipeline"):  # into the loaders; overriding these would do nothing
        config.pop(copied, None)
    config.work_dir = str(work_dir)
    config.experiment_name = str(stage)
    apply_overrides(config, f"{stage}.overrides", training.overrides)
    _use_precision(config, stage, machine)
    _fuse_steps(config)
    if stage is Stage.DETECTION:
        _place_pages(config, data, machine)
    else:
        _place_lines(config, data)
    return config


def _set_length(config: Config, training: Training, batch_size: int, data: TrainingData) -> None:
    """Epochs, validations, and the preset's schedule stretched to them."""
    config.train_cfg.max_epochs = training.epochs
    config.train_cfg.val_interval = training.evaluate_every
    # mmengine refuses a phase without a single iteration, which a tiny dataset's share of an epoch may be.
    shortest = min(1.0, 2 * _FEWEST_LINES_SHARE * batch_size / max(data.items, 1))
    for scheduler in config.param_scheduler:
        for key in ("end", "T_max"):
            if scheduler.get("by_epoch") and key in scheduler:
                stretched = scheduler[key] * training.epochs / config.made_for.epochs
                scheduler[key] = max(stretched, shortest)


def _set_rate(config: Config, training: Training, batch: int) -> None:
    """The user's learning rate, or the preset's scaled to the batch; the schedule's lowest rate with it."""
    optimizer = config.optim_wrapper.optimizer
    factor = rate_factor(optimizer.type, batch / config.made_for.batch_size)
    if training.learning_rate is not None:
        factor = training.learning_rate / optimizer.lr
    optimizer.lr *= factor
    for scheduler in config.param_scheduler:
        if "eta_min" in scheduler:
            scheduler.eta_min *= factor


def rate_factor(optimizer: str, times: float) -> float:
    """How the learning rate changes with a batch so many times as large.

    SGD's rate is proportional to the batch (Goyal et al. 2017, arXiv:1706.02677). Adam divides by the
    gradient's own size, which falls with the root of the batch, so its rate goes with the root (Malladi et
    al. 2022, arXiv:2205.10287): proportionally scaled, a GPU's batch would make our presets diverge.
    """
    return times if optimizer in _LINEAR_OPTIMIZERS else math.sqrt(times)


def _use_precision(config: Config, stage: Stage, machine: Machine) -> None:
    if config.amp not in ("auto", "off"):
        raise BadConfiguration(
            f"{stage}.overrides: 'amp' must be auto or off, not {config.amp!r}", reason="BadOverride"
        )
    if config.amp == "auto" and machine.amp is not None and config.optim_wrapper.type == "OptimWrapper":
        config.optim_wrapper.type = "AmpOptimWrapper" if machine.device == "cuda" else "CpuAmpOptimWrapper"
        config.optim_wrapper.dtype = machine.amp


def _fuse_steps(config: Config) -> None:
    """One kernel for an optimizer's step; torch's plain one takes seven operations for each weight."""
    optimizer = config.optim_wrapper.optimizer
    if optimizer.type in _FUSED_OPTIMIZERS and not {"fused", "foreach"} & set(optimizer):
        optimizer.fused = True


def _place_pages(config: Config, data: TrainingData, machine: Machine) -> None:
    for loader, name in ((config.train_dataloader, "train"), (config.val_dataloader, "val")):
        loader.dataset.data_root = str(data.root)
        loader.dataset.ann_file = str(data.dataset / "detection" / f"{name}.json")
    for step in config.val_dataloader.dataset.pipeline:
        if step.type == "Resize":
            step.scale = (config.long_side, config.long_side)
    # Every loader process of every GPU's process keeps pages of its own.
    caches = max(1, machine.workers) * machine.processes
    for step in config.train_dataloader.dataset.pipeline:
        if step.get("megabytes") == "auto":
            step.megabytes = (machine.memory >> 20) // _CACHE_SHARE // caches


def _place_lines(config: Config, data: TrainingData) -> None:
    for loader, name in ((config.train_dataloader, "train"), (config.val_dataloader, "val")):
        loader.dataset.path = str(data.dataset / "recognition" / f"{name}.lmdb")
        loader.dataset.reading = config.reading
    set_dictionary(config, data.dictionary)


def set_dictionary(config: Config, dictionary: Path) -> None:
    """Name the file of characters wherever the model asks for one."""
    for place in _holding(config.model.to_dict(), "dict_file"):
        config.merge_from_dict({f"model.{place}dict_file": str(dictionary)})


def _holding(tree: dict[str, Any], key: str, prefix: str = "") -> Iterator[str]:
    """Dotted prefixes (`decoder.`) of the dictionaries in `tree` that hold `key`."""
    if key in tree:
        yield prefix
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _holding(value, key, f"{prefix}{name}.")
