"""From a preset and the user's settings to the complete mmengine configuration: a pure function.

A preset is a training of a certain length; asked for another, its schedule is stretched. The user's dotted
overrides come last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ocr_contract.spec import Training
from ocr_contract.stages import Stage
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.machine import Machine

_FEWEST_LINES_SHARE = 8
"""A batch of the narrowest lines holds about this many times `batchSize`."""
_SLOWEST_DECODER_STEPS = 200
"""Positions that NRTR's decoder has."""


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
    """The configuration of one training; BadConfiguration if an override doesn't fit."""
    config = Config.fromfile(str(preset))
    _set_length(config, training, data)
    for name in ("train_dataloader", "val_dataloader"):
        loader = config[name]
        loader.num_workers = machine.workers
        loader.persistent_workers = machine.workers > 0
    config.train_dataloader.batch_size = training.batch_size
    config.train_dataloader.batch_sampler.epochs = training.epochs
    if training.learning_rate is not None:
        config.optim_wrapper.optimizer.lr = training.learning_rate
    if machine.amp is not None:
        config.optim_wrapper.type = "AmpOptimWrapper"
        config.optim_wrapper.dtype = machine.amp
    for decoder in _holding(config.model.to_dict(), "max_seq_len"):
        limit = min(data.longest_text + 1, _SLOWEST_DECODER_STEPS)
        config.merge_from_dict({f"model.{decoder}max_seq_len": limit})
    config.work_dir = str(work_dir)
    config.experiment_name = str(stage)
    _apply_overrides(config, stage, training.overrides)
    if stage is Stage.DETECTION:
        _place_pages(config, data)
    else:
        _place_lines(config, data)
    return config


def _set_length(config: Config, training: Training, data: TrainingData) -> None:
    """Epochs, validations, and the preset's schedule stretched to them."""
    made_for = config.train_cfg.max_epochs
    config.train_cfg.max_epochs = training.epochs
    config.train_cfg.val_interval = training.evaluate_every
    # mmengine refuses a phase without a single iteration, which a tiny dataset's share of an epoch may be.
    shortest = min(1.0, 2 * _FEWEST_LINES_SHARE * training.batch_size / max(data.items, 1))
    for scheduler in config.param_scheduler:
        for key in ("end", "T_max"):
            if scheduler.get("by_epoch") and key in scheduler:
                scheduler[key] = max(scheduler[key] * training.epochs / made_for, shortest)


def _place_pages(config: Config, data: TrainingData) -> None:
    for loader, name in ((config.train_dataloader, "train"), (config.val_dataloader, "val")):
        loader.dataset.data_root = str(data.root)
        loader.dataset.ann_file = str(data.dataset / "detection" / f"{name}.json")
    for step in config.val_dataloader.dataset.pipeline:
        if step.type == "Resize":
            step.scale = (config.long_side, config.long_side)


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


def _apply_overrides(config: Config, stage: Stage, overrides: dict[str, Any]) -> None:
    """Set dotted keys; all but the last part of a key must exist, so that a misspelling is not overlooked."""
    for key, value in overrides.items():
        where: Any = config
        parts = key.split(".")
        for depth, part in enumerate(parts[:-1]):
            where = _step(where, part)
            if where is None:
                raise _no_such_key(stage, key, ".".join(parts[: depth + 1]))
        last = parts[-1]
        if isinstance(where, list):
            if _step(where, last) is None:
                raise _no_such_key(stage, key, key)
        elif not isinstance(where, dict | Config) or (where is config and last not in config):
            raise _no_such_key(stage, key, key)
        try:
            config.merge_from_dict({key: value})
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadConfiguration(
                f"{stage}.overrides: {key!r} can't be set to {value!r}: {error}", reason="BadOverride"
            ) from error


def _step(where: Any, part: str) -> Any:
    if isinstance(where, list):
        return where[int(part)] if part.isdigit() and int(part) < len(where) else None
    return where.get(part) if isinstance(where, dict | Config) else None


def _no_such_key(stage: Stage, key: str, missing: str) -> BadConfiguration:
    return BadConfiguration(
        f"{stage}.overrides: {key!r} doesn't fit the preset: there is no {missing!r}", reason="BadOverride"
    )
