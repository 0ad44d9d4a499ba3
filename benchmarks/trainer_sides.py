"""The two sides of `make bench-trainer`, each a process of its own that works while it has the turn.

`ours` runs the trainer's own stages as a Job does; `stock` runs mmocr 1.0.1 as it is configured, through
mmengine's Runner, and reads one image and one line at a time as the old service did. Standard input says
`{"seconds": s}`, standard output answers `{"items", "steps", "seconds", ...}`; the first turn warms up. The
parent stops the whole process between its turns, threads and loaders included, and never leaves it behind.
`alone` runs one of the trainer's stages to its end.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder


class Over(BaseException):
    """The parent has closed the pipe; not an Exception, so that nothing on the way takes it for a failure."""


class Turns:
    """Work is counted; when the turn's time is over, the figures go out and the next turn is waited for."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers
        self._items = self._steps = 0
        self._seconds, self._begun, self._cpu = 0.0, time.monotonic(), time.process_time()
        self._more: dict[str, Any] = {}

    def done(self, items: int, **more: Any) -> None:
        """A step of so many items; `more`: numbers to add up, tables to join."""
        self._items, self._steps = self._items + items, self._steps + 1
        for name, value in more.items():
            if isinstance(value, dict):
                self._more.setdefault(name, {}).update(value)
            else:
                self._more[name] = self._more.get(name, 0) + value
        if time.monotonic() - self._begun >= self._seconds:
            took, cpu = time.monotonic() - self._begun, time.process_time() - self._cpu
            figures = {"items": self._items, "steps": self._steps, "seconds": took, "cpu": cpu, **self._more}
            print(json.dumps(figures), file=self._answers, flush=True)
            self.wait()

    def wait(self) -> None:
        line = sys.stdin.readline()
        if not line:
            raise Over
        self._items = self._steps = 0
        self._more = {}
        self._seconds = float(json.loads(line)["seconds"])
        self._begun, self._cpu = time.monotonic(), time.process_time()


def measure_training(turns: Turns) -> None:
    """Give every Runner that is trained from now on a hook that takes turns."""
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    class TurnsHook(Hook):  # type: ignore[misc]
        priority = "LOWEST"
        since = time.monotonic()

        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            del runner, batch_idx, data_batch
            self.loading = time.monotonic() - self.since

        def after_train_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            del runner, batch_idx, outputs
            turns.done(len(data_batch["inputs"]), loading=self.loading)
            self.since = time.monotonic()

    train = Runner.train

    def train_in_turns(runner: Any) -> Any:
        runner.register_hook(TurnsHook())
        return train(runner)

    Runner.train = train_in_turns


# ---- ours -------------------------------------------------------------------------------------------------


def run_stage(stage: Stage, run: Path, train: dict[str, Any]) -> None:
    """One of the trainer's stages, as `ocr-trainer run` starts it."""
    from ocr_trainer.execution import execute
    from ocr_trainer.progress import LogProgress

    given = StageInput.model_validate({"projectId": "receipts", "train": train})
    execute(
        stage, given, RunFolder(run), None, pod_uid="benchmark", stop=threading.Event(),
        progress=LogProgress(), apply=None,
    )  # fmt: skip


# ---- stock ------------------------------------------------------------------------------------------------


def stock_config(name: str) -> Any:
    """One of the configurations that mmocr ships."""
    import mmocr
    from mmengine.config import Config

    return Config.fromfile(Path(mmocr.__file__).parent / ".mim" / "configs" / name)


def stock_training(stage: Stage, run: Path, train: dict[str, Any], size: int) -> Any:
    """mmocr's own configuration, with the preset's model in mmocr's own classes, on the run's data.

    size: side of the detector's square, width of the recogniser's pictures (100: as mmocr has it; else lines
    padded to `size`, which is what mmocr's NRTR and SAR do for texts of any length).
    """
    from mmengine.config import Config

    from ocr_trainer.model_types import stock_types
    from ocr_trainer.presets import preset_path

    settings = train[stage]
    preset = Config.fromfile(preset_path(stage, settings["preset"]))
    preset.merge_from_dict({k: v for k, v in settings.get("overrides", {}).items() if k.startswith("model.")})
    listing = run / "work" / "dataset" / "detection" / "train.json"
    if stage is Stage.DETECTION:
        config = stock_config("textdet/dbnet/dbnet_resnet18_fpnc_1200e_icdar2015.py")
        preset.model.det_head.module_loss.pop("min_sidelength", None)
        for step in config.train_pipeline:
            if step.type in ("Resize", "Pad"):
                step["scale" if step.type == "Resize" else "size"] = (size, size)
    else:
        config = stock_config("textrecog/satrn/satrn_shallow-small_5e_st_mj.py")
        listing = line_files(run)
        if size != 100:
            rescale = {"type": "RescaleToHeight", "height": 32, "min_width": 32, "max_width": size}
            config.train_pipeline[2:3] = [
                rescale | {"width_divisor": 4}, {"type": "PadToWidth", "width": size}
            ]  # fmt: skip
    config.model = stock_types(preset.model.to_dict())
    for place in holding(config.model, "dict_file"):
        place["dict_file"] = str(run / "work" / "dataset" / "dictionary.txt")
    for place in holding(config.model, "max_seq_len"):
        place["max_seq_len"] = longest_text(run) + 1  # its own 25 would cut the texts that ours learns
    dataset = {"type": "OCRDataset", "data_root": str(run), "ann_file": str(listing)}
    return _for_training(config, dataset | {"pipeline": config.train_pipeline}, settings["batchSize"])


def _for_training(config: Any, dataset: dict[str, Any], batch_size: int) -> Any:
    for part in (
        "val_dataloader",
        "val_cfg",
        "val_evaluator",
        "test_dataloader",
        "test_cfg",
        "test_evaluator",
    ):
        config[part] = None
    config.default_hooks.checkpoint = None  # neither side writes checkpoints or validates here
    config.train_cfg = {"type": "EpochBasedTrainLoop", "max_epochs": 10**4}
    config.train_dataloader = {
        "batch_size": batch_size,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "dataset": dataset,
    }
    config.work_dir = str(Path(dataset["data_root"]) / "work" / "stock")
    return config


def line_files(run: Path) -> Path:
    """The run's training lines as mmocr keeps them, a file each, cut as for our validation."""
    from ocr_trainer.line_shape import LineShape

    listing = run / "work" / "stock" / "lines.json"
    if listing.exists():
        return listing
    import cv2
    import lmdb
    import numpy as np

    from ocr_trainer.dataset.crops import Crop, encode

    shape = LineShape(height=32, step=32, widest=480, squeeze=0.7, pad_x=0.15, pad_y=0.1)
    folder = listing.parent / "lines"
    folder.mkdir(parents=True)
    entries = []
    source = str(run / "work" / "dataset" / "recognition" / "train.lmdb")
    with lmdb.open(source, readonly=True, lock=False) as environment, environment.begin() as lines:
        for number in range(1, int(lines.get(b"num-samples")) + 1):
            label = json.loads(lines.get(b"label-%09d" % number))
            image = cv2.imdecode(np.frombuffer(lines.get(b"image-%09d" % number), np.uint8), cv2.IMREAD_COLOR)
            file = folder / f"{number:06}.jpg"
            file.write_bytes(encode(shape.cut(Crop(image, tuple(label["box"])))))
            entries.append({"img_path": str(file), "instances": [{"text": label["text"]}]})
    metainfo = {"dataset_type": "TextRecogDataset", "task_name": "textrecog"}
    listing.write_text(json.dumps({"metainfo": metainfo, "data_list": entries}))
    return listing


def holding(tree: Any, key: str) -> Iterator[dict[str, Any]]:
    """The dictionaries of a tree that hold `key`."""
    if isinstance(tree, dict):
        if key in tree:
            yield tree
        for value in tree.values():
            yield from holding(value, key)


def longest_text(run: Path) -> int:
    return int(json.loads((run / "work" / "dataset" / "dataset.json").read_text())["longestText"])


def train_stock(stage: Stage, run: Path, train: dict[str, Any], size: int) -> None:
    from mmengine.runner import Runner

    from ocr_trainer.training import recogniser_parts  # noqa: F401  the slim CRNN's backbone

    Runner.from_cfg(stock_training(stage, run, train, size)).train()


def read_one_by_one(run: Path, test: Path, turns: Turns) -> None:
    """Each image by itself through mmocr's own classes in float32, each of its lines by itself."""
    import cv2
    import mmcv
    import torch
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS
    from mmocr.structures import TextDetDataSample, TextRecogDataSample

    from ocr_trainer.dataset.crops import rectify
    from ocr_trainer.line_shape import LineShape
    from ocr_trainer.model_types import stock_types
    from ocr_trainer.models import set_calibration
    from ocr_trainer.training import box_parts, recogniser_parts  # noqa: F401  boxes, the slim CRNN's backbone

    init_default_scope("mmocr")

    def load(stage: Stage) -> tuple[Any, Any]:
        config = Config.fromfile(run / "work" / stage / "config.py")
        checkpoint = torch.load(run / "work" / stage / "best.pth", weights_only=True)
        if stage is Stage.DETECTION:
            set_calibration(config, checkpoint["meta"])
        model = MODELS.build(stock_types(config.model.to_dict()))
        model.load_state_dict(checkpoint["state_dict"])
        return model.eval(), config

    def predict(model: Any, picture: Any, sample: Any) -> Any:
        inputs = torch.from_numpy(picture.transpose(2, 0, 1).copy())
        with torch.no_grad():
            return model.test_step({"inputs": [inputs], "data_samples": [sample]})[0]

    detector, detection = load(Stage.DETECTION)
    recogniser, recognition = load(Stage.RECOGNITION)
    shape = LineShape(**recognition.reading)
    for path in cycle(sorted(test.glob("*.jpg"))):
        image = cv2.imread(str(path))
        page = mmcv.imrescale(image, (detection.long_side, detection.long_side))
        factor = (page.shape[1] / image.shape[1], page.shape[0] / image.shape[0])
        shapes = {"img_shape": page.shape[:2], "ori_shape": image.shape[:2], "scale_factor": factor}
        found = predict(detector, page, TextDetDataSample(metainfo=shapes)).pred_instances
        texts = []
        for polygon in found.polygons:
            corners = polygon.reshape(-1, 2).astype(float).clip(0, image.shape[1::-1])
            crop = rectify(image, corners)
            line = None if crop is None else shape.cut(crop)
            if line is None:
                texts.append("")
                continue
            line = shape.resize(line, shape.width_of(line))
            size = {"valid_ratio": 1.0, "img_shape": line.shape[:2], "ori_shape": line.shape[:2]}
            texts.append(predict(recogniser, line, TextRecogDataSample(metainfo=size)).pred_text.item)
        turns.done(1, texts={path.name: texts})


def read_ours(run: Path, test: Path, turns: Turns) -> None:
    """The trainer's own pipeline, as the test stage calls it."""
    from ocr_trainer.inference import Pipeline
    from ocr_trainer.machine import processors
    from ocr_trainer.testing.images import TestImage
    from ocr_trainer.testing.reading import read_images

    detection, recognition = run / "work" / "detection", run / "work" / "recognition"
    pipeline = Pipeline.load(
        detection / "config.py", detection / "best.pth", recognition / "config.py", recognition / "best.pth",
        run / "work" / "dataset" / "dictionary.txt",
    )  # fmt: skip
    images = [TestImage(path.name, path) for path in sorted(test.glob("*.jpg"))]
    for image in read_images(pipeline, cycle(images), processors(), lambda: None):
        turns.done(1, texts={image.image.name: [reading.text for reading in image.readings]})


def end_with_parent() -> None:
    """However it ends: a stopped process would see neither a closed pipe nor a polite signal."""
    set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    task = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is no answer
    ours = task["side"] != "stock"
    if ours:
        from ocr_trainer.openmp import load_openmp

        load_openmp()
    from ocr_trainer import compat

    compat.install()
    turns = Turns(answers)
    stage, run = Stage(task["stage"]), Path(task["run"])
    if task["side"] == "alone":
        run_stage(stage, run, task["train"])
        return
    try:
        turns.wait()
        if stage is Stage.TEST:
            (read_ours if ours else read_one_by_one)(run, Path(task["test"]), turns)
        elif ours:
            measure_training(turns)
            run_stage(stage, run, task["train"])
        else:
            measure_training(turns)
            train_stock(stage, run, task["train"], task["size"])
    except Over:
        pass


if __name__ == "__main__":
    main()
