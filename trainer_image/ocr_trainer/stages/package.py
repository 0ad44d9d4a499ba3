"""Pack both models with what is needed to use them: model/pthModel.zip.

Equal inputs give equal bytes: members have a fixed order and time.
"""

import hashlib
import json
import logging
import os
import shutil
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadData
from ocr_trainer.owner import Owner

logger = logging.getLogger(__name__)

_TIME = (1980, 1, 1, 0, 0, 0)
_MODELS = (Stage.DETECTION, Stage.RECOGNITION)
_MODEL_FILES = ("config.py", "best.pth")
_VERSIONS = ("ocrproject", "torch", "mmengine", "mmcv-lite", "mmdet", "mmocr")


def run(context: StageContext) -> None:
    """Write pthModel.zip; BadData if a training left no model."""
    run = context.run
    files = {f"{stage}/{name}": run.stage(stage) / name for stage in _MODELS for name in _MODEL_FILES}
    files["dictionary.txt"] = run.dataset / "dictionary.txt"
    for name, path in files.items():
        if not path.is_file():
            raise BadData(f"work/{name} is missing: the training before did not end", reason="NoModel")
    figures = read_figures(run)
    texts = {
        "metrics.json": json.dumps(figures, ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        "README.md": build_model_card(context, figures),
    }
    owner = Owner(run.stage(Stage.PACKAGE), context.pod_uid)
    owner.claim()
    temporary = run.model_zip.with_name(f".{run.model_zip.name}.{context.pod_uid}.tmp")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        with context.progress.task("Packaging the model", total=len(files)) as task:
            with zipfile.ZipFile(temporary, "w") as bundle:
                sums = {name: _add_text(bundle, name, text) for name, text in texts.items()}
                for name, path in files.items():
                    context.check_stop()
                    sums[name] = _add_file(bundle, name, path)
                    task.advance()
                _add_text(bundle, "SHA256SUMS", "".join(f"{sums[n]}  {n}\n" for n in sorted(sums)))
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        owner.check()
        temporary.replace(run.model_zip)
    finally:
        temporary.unlink(missing_ok=True)
    logger.info("Packaged %s, %.1f MB", run.model_zip.name, run.model_zip.stat().st_size / 1e6)


def read_figures(run: RunFolder) -> dict[str, Any]:
    """The data set's figures and each model's best epoch."""
    figures: dict[str, Any] = {"dataset": json.loads((run.dataset / "dataset.json").read_text())}
    for stage in _MODELS:
        path = run.stage(stage) / "metrics.json"
        figures[stage] = json.loads(path.read_text()) if path.is_file() else {}
    return figures


def build_model_card(context: StageContext, figures: dict[str, Any]) -> str:
    """What the model is, how good, trained on what, and how to use it, in Markdown."""
    train, data = context.input.train, figures["dataset"]
    settings = {Stage.DETECTION: train.detection, Stage.RECOGNITION: train.recognition}
    lines = [
        f"# {context.input.project_id}: text detector and recogniser",
        "",
        f"Run `{train.id}`, revision {train.revision}.",
        "",
        "## Data",
        f"{data['trainImages']} images with {data['trainWords']} lines to train, {data['validationImages']} "
        f"with {data['validationWords']} to validate; {data['characters']} characters, the longest text has "
        f"{data['longestText']}. Fingerprint `{data['fingerprint'][:16]}`.",
    ]
    for stage, training in settings.items():
        lines += ["", f"## {stage.capitalize()}", f"Preset `{training.preset}`, {training.epochs} epochs, "
                  f"batch {training.batch_size}. The best epoch on the validation images:", ""]  # fmt: skip
        lines += ["| figure | value |", "|---|---|"]
        lines += [f"| {k} | {v:.4f} |" if isinstance(v, float) else f"| {k} | {v} |"
                  for k, v in sorted(figures[stage].items())]  # fmt: skip
    lines += [
        "",
        "## Use",
        "`detection/` and `recognition/` each hold an mmengine configuration (`config.py`) and weights "
        "(`best.pth`, loadable with `weights_only=True`); `dictionary.txt` holds one character a line.",
        "",
        "## Versions",
        *(f"- {name} {_version(name)}" for name in _VERSIONS),
        "",
    ]
    return "\n".join(lines)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16
    entry.compress_type = method
    return entry


def _add_text(bundle: zipfile.ZipFile, name: str, text: str) -> str:
    data = text.encode()
    bundle.writestr(_entry(name, zipfile.ZIP_DEFLATED), data)
    return hashlib.sha256(data).hexdigest()


def _add_file(bundle: zipfile.ZipFile, name: str, path: Path) -> str:
    """Weights are stored as they are: noise doesn't compress."""
    method = zipfile.ZIP_STORED if path.suffix == ".pth" else zipfile.ZIP_DEFLATED
    with path.open("rb") as source, bundle.open(_entry(name, method), "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
