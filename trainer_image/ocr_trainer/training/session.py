"""One process's part of a training: the runner with our hooks, and what its errors mean to the user.

The only one, or a rank of several; `Order` is what they all are told.
"""

import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_contract.atomic import read_object, replace_bytes
from ocr_contract.spec import Training
from ocr_trainer.context import StageContext
from ocr_trainer.dataset.dictionary import read_characters
from ocr_trainer.errors import BadData, TrainerError, naming_full_volume
from ocr_trainer.machine import Machine
from ocr_trainer.training.initial_weights import initial_weights
from ocr_trainer.training.kinds import DETECTION, Kind


@dataclass(frozen=True)
class Order:
    fingerprint: str
    """Of the training: the run, its data, its settings."""
    batch_size: int
    """0: the preset's own."""
    go_on_from: str | None
    """The checkpoint's file name; None: from the beginning."""
    processes: int = 1


def use_threads(machine: Machine) -> None:
    """torch computes with what the pod has; OpenCV's own threads would only be in the way."""
    import cv2
    import torch

    torch.set_num_threads(machine.threads)
    cv2.setNumThreads(0)


def train(
    context: StageContext, kind: Kind, order: Order, machine: Machine, check_owner: Callable[[], None]
) -> None:
    """Train to the end or to a stop."""
    from mmengine.dist import get_rank

    from ocr_trainer.training.hooks import StatusHook
    from ocr_trainer.training.journal import Journal
    from ocr_trainer.training.keepers import BestKeeper, LastKeeper
    from ocr_trainer.training.runner import DrawByIteration, Proof
    from ocr_trainer.training.stopping import Stopping

    use_threads(machine)
    folder = context.run.stage(kind.stage)
    training = training_of(context, kind)
    config, data = configure(context, kind, machine, order.batch_size)
    if get_rank() == 0:
        with naming_full_volume(folder / "config.py"):
            replace_bytes(folder / "config.py", config.pretty_text.encode())
    if order.go_on_from:
        config.resume, config.load_from = True, str(folder / order.go_on_from)
    elif training.init_from:
        config.load_from = str(initial_weights(context, kind, training.init_from, data.dictionary))
    if order.processes > 1:
        config.launcher = "pytorch"
        if machine.device == "cpu":
            wrapper = {"type": "MMDistributedDataParallel", "broadcast_buffers": False, "device_ids": None}
            config.model_wrapper_cfg = wrapper
    # mmengine keeps loggers by this name, and names by the second: two trainings in one process may share it.
    config.experiment_name = f"{kind.stage}-{uuid.uuid4().hex[:8]}"
    meta: dict[str, Any] = {"run": order.fingerprint, "batch_size": int(config.train_dataloader.batch_size)}
    if kind is not DETECTION:
        meta["characters"] = read_characters(data.dictionary)
    journal = Journal(folder / "metrics.jsonl")
    last = LastKeeper(kind, folder, meta, Stopping(context.stop), check_owner)
    best = BestKeeper(kind, folder, meta, check_owner)
    if best.resume():
        last.validated = journal.validated(kind.rank[0])
    proof, status = Proof(), None
    hooks: list[Any] = [DrawByIteration(), last, best, proof]
    if get_rank() == 0:
        status = StatusHook(
            kind, updates(context, kind), context.reporter.word, context.progress, journal, best
        )
        hooks.append(status)
    try:
        _run(config, context.run.record_log, hooks)
    except TrainerError:
        raise
    except Exception as error:
        told = _in_the_users_terms(error, kind, training, config, proof)
        if told is None:
            raise
        raise told from error
    finally:
        if status is not None:
            status.close()


def _run(config: Any, record_log: Path, hooks: list[Any]) -> None:
    from ocr_trainer.training.runner import StageRunner

    runner = StageRunner.create(config, record_log)
    try:
        for hook in hooks:
            runner.register_hook(hook)
        runner.train()
    finally:
        runner.close_log()
        runner.remove_empty_log_folder()


def _in_the_users_terms(
    error: Exception, kind: Kind, training: Training, config: Any, proof: Any
) -> TrainerError | None:
    """None: it is no fault of the user's."""
    from ocr_trainer.training.batch_size import explain_out_of_memory, is_out_of_memory
    from ocr_trainer.training.overrides import fails_at_once

    if is_out_of_memory(error):
        traceback.clear_frames(error.__traceback__)  # they hold the failed step's memory
        return explain_out_of_memory(config, kind)
    if training.overrides and not proof.given and not isinstance(error, OSError):
        what = " ".join(str(error).split()) or type(error).__name__
        return fails_at_once(kind.stage, what)
    return None


def configure(context: StageContext, kind: Kind, machine: Machine, batch_size: int) -> tuple[Any, Any]:
    """The training's configuration and its data."""
    from ocr_trainer.presets import preset_path
    from ocr_trainer.training import parts

    parts.register()
    from ocr_trainer.training.configuration import build_config

    training = training_of(context, kind).model_copy(update={"batch_size": batch_size})
    data = training_data(context, kind)
    preset = preset_path(kind.stage, training.preset)
    return build_config(kind.stage, preset, training, data, machine, context.run.stage(kind.stage)), data


def training_data(context: StageContext, kind: Kind) -> Any:
    from ocr_trainer.training.configuration import TrainingData

    dataset = read_dataset(context)
    items = dataset["trainImages" if kind is DETECTION else "trainWords"]
    root = context.run.path.resolve()  # mmengine would join a relative one twice
    return TrainingData(root, context.run.dataset.resolve(), items, dataset["longestText"])


def training_of(context: StageContext, kind: Kind) -> Training:
    """The user's settings of this model."""
    train = context.input.train
    return train.detection if kind is DETECTION else train.recognition


def updates(context: StageContext, kind: Kind) -> Callable[..., None]:
    """Where this model's figures are reported."""
    reporter = context.reporter
    return reporter.update_detection if kind is DETECTION else reporter.update_recognition


def read_dataset(context: StageContext) -> dict[str, Any]:
    """What prepare says of the data; BadData if it hasn't run."""
    dataset = read_object(context.run.dataset / "dataset.json")
    if not dataset:
        raise BadData(
            "the dataset isn't prepared: work/dataset/dataset.json is missing", reason="NotPrepared"
        )
    return dataset
