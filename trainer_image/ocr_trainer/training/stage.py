"""One training from start, or from where it stopped, to its end: what both training stages do."""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ocr_contract.atomic import replace_bytes, replace_json
from ocr_contract.spec import Training
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadConfiguration, BadData
from ocr_trainer.machine import Machine, let_waiting_threads_sleep, this_machine
from ocr_trainer.owner import Owner
from ocr_trainer.presets import preset_path
from ocr_trainer.training.initial_weights import initial_weights, read_characters
from ocr_trainer.training.kinds import DETECTION, Kind

logger = logging.getLogger(__name__)

_OWN_FILES = ("last.pth", "best.pth", "curves.jsonl", "metrics.json", "done.json", "config.py")


def train(context: StageContext, kind: Kind, training: Training) -> None:
    """Train; does nothing where this very training is done already."""
    let_waiting_threads_sleep()
    folder = context.run.stage(kind.stage)
    preset = preset_path(kind.stage, training.preset)
    dataset = _read_dataset(context)
    fingerprint = _fingerprint(context, training, dataset)
    update: Callable[..., None] = (
        context.reporter.update_detection if kind is DETECTION else context.reporter.update_recognition
    )
    if _read_json(folder / "done.json").get("fingerprint") == fingerprint:
        _report_done(context, kind, update, _read_json(folder / "metrics.json"), training.epochs)
        return
    owner = Owner(folder, context.pod_uid)
    owner.claim()
    if not _belongs(folder / "last.pth", fingerprint):
        for name in _OWN_FILES:
            (folder / name).unlink(missing_ok=True)
    _run(context, kind, training, preset, dataset, fingerprint, update, owner.check)
    replace_json(folder / "done.json", {"fingerprint": fingerprint, "epochs": training.epochs}, durable=True)


def _run(
    context: StageContext, kind: Kind, training: Training, preset: Path, dataset: dict[str, Any],
    fingerprint: str, update: Callable[..., None], check_owner: Callable[[], None],
) -> None:  # fmt: skip
    from ocr_trainer.training import parts

    parts.register()
    from ocr_trainer.training.configuration import TrainingData, build_config
    from ocr_trainer.training.hooks import CheckpointKeeper, StatusHook, validated_epochs
    from ocr_trainer.training.preflight import check_settings
    from ocr_trainer.training.runner import DrawByIteration, PlainCheckpointHook, StageRunner

    folder = context.run.stage(kind.stage)
    machine = this_machine()
    use_threads(machine)
    items = dataset["trainImages" if kind is DETECTION else "trainWords"]
    root = context.run.path.resolve()  # mmengine would join a relative one twice
    data = TrainingData(root, context.run.dataset.resolve(), items, dataset["longestText"])
    if kind is DETECTION:
        check_settings(context.input.train, data, dataset["trainWords"], machine)
    config = build_config(kind.stage, preset, training, data, machine, folder)
    replace_bytes(folder / "config.py", config.pretty_text.encode())
    last = folder / "last.pth"
    if last.exists():
        config.resume, config.load_from = True, str(last)
    elif training.init_from:
        config.load_from = str(initial_weights(context, kind, training.init_from, data.dictionary))
    # mmengine keeps loggers by this name, and names by the second: two trainings in one process may share it.
    config.experiment_name = f"{kind.stage}-{uuid.uuid4().hex[:8]}"
    runner = _create_runner(StageRunner, config, context.run.record_log, kind, training)
    characters = None if kind is DETECTION else read_characters(data.dictionary)
    keeper = CheckpointKeeper(kind, folder, fingerprint, context.stop, check_owner, characters)
    status = StatusHook(kind, update, context.reporter.word, context.progress, folder / "curves.jsonl")
    if best := _read_json(folder / "metrics.json"):
        keeper.resume_best(best)
    for hook in (DrawByIteration(), PlainCheckpointHook(), status, keeper):
        runner.register_hook(hook)
    keeper.validated = validated_epochs(folder / "curves.jsonl", kind)
    try:
        runner.train()
    finally:
        status.close()
        runner.close_log()
        runner.remove_empty_log_folder()
    update(now=True, best_epoch=keeper.best_epoch)


def _create_runner(runner: Any, config: Any, log: Path, kind: Kind, training: Training) -> Any:
    try:
        return runner.create(config, log)
    except (KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
        if not training.overrides:
            raise
        raise BadConfiguration(
            f"{kind.stage}.overrides make a configuration that mmocr refuses: {error}", reason="BadOverride"
        ) from error


def use_threads(machine: Machine) -> None:
    """torch computes with what the pod has; OpenCV's own threads would only be in the way."""
    import cv2
    import torch

    torch.set_num_threads(machine.threads)
    cv2.setNumThreads(0)


def _read_dataset(context: StageContext) -> dict[str, Any]:
    dataset = _read_json(context.run.dataset / "dataset.json")
    if not dataset:
        raise BadData(
            "the dataset isn't prepared: work/dataset/dataset.json is missing", reason="NotPrepared"
        )
    return dataset


def _fingerprint(context: StageContext, training: Training, dataset: dict[str, Any]) -> str:
    """What makes a training this one: the run, its data, its settings."""
    parts = [context.run_key, dataset["fingerprint"], training.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _belongs(checkpoint: Path, fingerprint: str) -> bool:
    """Whether the checkpoint is this training's."""
    import torch

    if not checkpoint.exists():
        return False
    loaded = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return bool(loaded["meta"].get("run") == fingerprint)


def _report_done(
    context: StageContext, kind: Kind, update: Callable[..., None], metrics: dict[str, Any], epochs: int
) -> None:
    logger.info("Skipped %s: this very training is done", kind.stage)
    figures = {name: metrics[name] for name in kind.figures if name in metrics}
    update(epoch=epochs, total_epochs=epochs, best_epoch=metrics.get("epoch"), eta_seconds=0, **figures)
    context.reporter.word(kind.validated)


def _read_json(path: Path) -> dict[str, Any]:
    """The object in the file; empty where there is none."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    assert isinstance(value, dict)
    return value
