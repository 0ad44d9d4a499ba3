"""Pack both models with what is needed to use them: model/pthModel.zip.

Before that they are tried together, once, on validation images: the model card says how much the detector's
boxes cost, and which lines and characters are got wrong. What that gave is kept, so packing the same models
again gives the same bytes.
"""

import hashlib
import json
import logging
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ocr_contract.atomic import read_object, replace_json, replacing
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer import ngrams
from ocr_trainer.bundle import file_hash, write_bundle
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadData
from ocr_trainer.evaluation import Evaluation
from ocr_trainer.machine import processors
from ocr_trainer.metrics import Text
from ocr_trainer.model_card import build_model_card
from ocr_trainer.owner import Owner
from ocr_trainer.testing.images import TestImage, listed_images

logger = logging.getLogger(__name__)

_MODELS = (Stage.DETECTION, Stage.RECOGNITION)
_VERSIONS = ("ocrproject", "torch", "torchvision", "numpy", "mmengine", "mmcv-lite", "mmdet", "mmocr")
_EVALUATED = 100
"""Validation images at most: a few thousand lines tell a figure to a percent, without hours on processors."""


def run(context: StageContext) -> None:
    """Write pthModel.zip; BadData if a training left no model."""
    run = context.run
    sources = [run.stage(stage) / name for stage in _MODELS for name in ("config.py", "best.pth")]
    for path in (*sources, run.dataset / "dictionary.txt"):
        if not path.is_file():
            raise BadData(
                f"{path.relative_to(run.path)} is missing: the training before did not end", reason="NoModel"
            )
    owner = Owner(run.stage(Stage.PACKAGE), context.pod_uid)
    owner.claim()
    members = _model_files(run)
    figures = _read_figures(run) | {"evaluation": _evaluate(context, members)}
    versions = {name: _version(name) for name in _VERSIONS}
    members["metrics.json"] = _as_json(figures)
    members["README.md"] = build_model_card(context.input, figures, versions).encode()
    with context.progress.task("Packaging the model", len(members)) as task:

        def written() -> None:
            context.check_stop()
            task.advance()

        with replacing(run.model_zip, durable=True) as target:
            write_bundle(target, members, written)
            owner.check()
    logger.info("Packaged %s, %.1f MB", run.model_zip.name, run.model_zip.stat().st_size / 1e6)


def _model_files(run: RunFolder) -> dict[str, Path | bytes]:
    """What the models themselves need, by their places in the bundle."""
    import torch
    from mmengine.config import Config

    from ocr_trainer.bundle_config import detection_files, recognition_files, without_places

    members: dict[str, Path | bytes] = {"dictionary.txt": (run.dataset / "dictionary.txt").read_bytes()}
    for stage in _MODELS:
        folder = run.stage(stage)
        trained = Config.fromfile(str(folder / "config.py"))
        members[f"{stage}/train_config.py"] = without_places(trained).encode()
        members[f"{stage}/best.pth"] = folder / "best.pth"
        if stage is Stage.DETECTION:
            meta = torch.load(folder / "best.pth", map_location="cpu", weights_only=True, mmap=True)["meta"]
            files = detection_files(trained, meta)
        else:
            files = recognition_files(trained)
            if (folder / ngrams.FILE_NAME).is_file():
                members[f"{stage}/{ngrams.FILE_NAME}"] = (folder / ngrams.FILE_NAME).read_bytes()
        members |= {f"{stage}/{name}": content for name, content in files.items()}
    return members


def _evaluate(context: StageContext, members: dict[str, Path | bytes]) -> dict[str, Any]:
    """The bundle's models on validation images; what was found before, where they are the same."""
    listing = context.run.dataset / "detection" / "val.json"
    parts = [
        name.encode() + (c if isinstance(c, bytes) else file_hash(c).encode()) for name, c in members.items()
    ]
    key = hashlib.sha256(b"\0".join([*parts, file_hash(listing).encode()])).hexdigest()
    kept = context.run.stage(Stage.PACKAGE) / "evaluation.json"
    if (known := read_object(kept)).get("key") == key:
        found: dict[str, Any] = known["figures"]
        return found
    images = _some(listed_images(context.run, listing))
    with tempfile.TemporaryDirectory(prefix="ocr-model-") as folder:
        _lay_out(Path(folder), members)
        found = _measure(context, Path(folder), images)
    replace_json(kept, {"key": key, "figures": found})
    return found


def _some(images: list[TestImage]) -> list[TestImage]:
    """At most so many, spread evenly."""
    step = max(1.0, len(images) / _EVALUATED)
    return [images[int(number * step)] for number in range(min(len(images), _EVALUATED))]


def _lay_out(folder: Path, members: dict[str, Path | bytes]) -> None:
    """The bundle as it will be unpacked; weights are linked, not copied."""
    for name, content in members.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.symlink_to(content.resolve())


def _measure(context: StageContext, bundle: Path, images: list[TestImage]) -> dict[str, Any]:
    from ocr_trainer.inference import Pipeline
    from ocr_trainer.testing.reading import read_images

    pipeline = Pipeline.open(bundle)
    evaluation = Evaluation()
    with context.progress.task("Trying the models together", len(images)) as task:
        for result in read_images(pipeline, images, processors(), context.check_stop):
            found = [
                Text(line.polygon, reading.text)
                for line, reading in zip(result.found, result.readings, strict=True)
            ]
            if not result.error:
                evaluation.add(result.image.name, result.truth or [], found, result.true_readings)
            task.advance()
    return evaluation.document()


def _read_figures(run: RunFolder) -> dict[str, Any]:
    """The data set's figures and each model's best epoch."""
    dataset = json.loads((run.dataset / "dataset.json").read_text())
    dataset.pop("given", None)  # of the files' times, which say nothing of the model
    figures: dict[str, Any] = {"dataset": dataset}
    for stage in _MODELS:
        figures[stage] = read_object(run.stage(stage) / "metrics.json")
    return figures


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
