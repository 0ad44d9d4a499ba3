"""One training from start, or from where it stopped, to its end: what both training stages do."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ocr_contract.atomic import read_object, replace_json
from ocr_contract.spec import Training
from ocr_trainer.context import StageContext
from ocr_trainer.errors import naming_full_volume
from ocr_trainer.machine import Machine, this_machine
from ocr_trainer.openmp import load_openmp
from ocr_trainer.owner import Owner
from ocr_trainer.presets import preset_path
from ocr_trainer.training import checkpoints
from ocr_trainer.training.kinds import DETECTION, Kind
from ocr_trainer.training.session import (
    Order,
    configure,
    read_dataset,
    training_data,
    training_of,
    updates,
)
from ocr_trainer.training.session import (
    train as train_here,
)

logger = logging.getLogger(__name__)

_OWN_FILES = (
    checkpoints.LAST, checkpoints.PREVIOUS, checkpoints.BEST,
    "metrics.jsonl", "metrics.json", "done.json", "config.py",
)  # fmt: skip


def train(context: StageContext, kind: Kind, processes: int | None = None) -> None:
    """Train; does nothing where this very training is done already.

    processes: that train together; None: one for each GPU that the pod was given and torch sees.
    """
    load_openmp()
    folder, training = context.run.stage(kind.stage), training_of(context, kind)
    preset_path(kind.stage, training.preset)
    dataset = read_dataset(context)
    fingerprint = _fingerprint(context, training, dataset)
    if read_object(folder / "done.json").get("fingerprint") == fingerprint:
        _report_done(context, kind, read_object(folder / "metrics.json"), training.epochs)
        return
    owner = Owner(folder, context.pod_uid)
    with naming_full_volume(folder):
        owner.claim()
    checkpoints.remove_left_overs(folder)
    machine = this_machine(context.input.gpus if processes is None else processes)
    if kind is DETECTION:
        _check_settings(context, dataset, machine)
    order = _place_order(context, kind, fingerprint, machine)
    if order.processes > 1:
        from ocr_trainer.training.ranks import train_together

        train_together(context, kind, order, machine)
    else:
        train_here(context, kind, order, machine, owner.check)
    (folder / checkpoints.PREVIOUS).unlink(missing_ok=True)
    done = {"fingerprint": fingerprint, "epochs": training.epochs}
    with naming_full_volume(folder / "done.json"):
        replace_json(folder / "done.json", done, durable=True)


def _check_settings(context: StageContext, dataset: dict[str, Any], machine: Machine) -> None:
    """Of both trainings: a wrong one of the recogniser shall not be found after hours of the detector."""
    from ocr_trainer.training import parts

    parts.register()
    from ocr_trainer.training.preflight import check_settings

    check_settings(context.input.train, training_data(context, DETECTION), dataset["trainWords"], machine)


def _place_order(context: StageContext, kind: Kind, fingerprint: str, machine: Machine) -> Order:
    """Where to begin, and with which batch: a resumed training keeps the one it found."""
    folder = context.run.stage(kind.stage)
    order = Order(fingerprint, training_of(context, kind).batch_size, None, machine.processes)
    if found := checkpoints.newest(folder, fingerprint):
        path, meta = found
        return replace(order, batch_size=int(meta["batch_size"]), go_on_from=path.name)
    if any((folder / name).exists() for name in _OWN_FILES):
        logger.info("Started %s anew: no checkpoint in its folder can be gone on from", kind.stage)
    for name in _OWN_FILES:
        (folder / name).unlink(missing_ok=True)
    if order.batch_size == 0 and machine.device == "cuda":
        config, _ = configure(context, kind, machine, batch_size=1)
        from ocr_trainer.training.batch_size import find_batch_size

        return replace(order, batch_size=find_batch_size(config, kind))
    return order


def _fingerprint(context: StageContext, training: Training, dataset: dict[str, Any]) -> str:
    """What makes a training this one: the run, its data, its settings."""
    parts = [context.run_key, dataset["fingerprint"], training.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _report_done(context: StageContext, kind: Kind, metrics: dict[str, Any], epochs: int) -> None:
    logger.info("Skipped %s: this very training is done", kind.stage)
    figures = {name: metrics[name] for name in kind.figures if name in metrics}
    update: Callable[..., None] = updates(context, kind)
    update(
        epoch=epochs, total_epochs=epochs, best_epoch=metrics.get("epoch"), eta_seconds=0, percent=100,
        **figures,
    )  # fmt: skip
    context.reporter.word(kind.validated)
