"""A training's configuration rewritten as one that mmocr's inferencers open, without this package.

What only a training needs is left out, our parts are replaced by mmocr's own where the weights are the same,
and paths are relative to the configuration's own place.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ocr_trainer.model_types import part_files, stock_types
from ocr_trainer.models import page_size, set_calibration

_HERE = "{{ fileDirname }}"
"""mmengine puts the configuration's folder in its place."""
_MMOCR_PADS = (0.4, 0.2)
"""Left and right, above and below: what MMOCRInferencer cuts out around a found line, in its heights."""
_WITH_PARTS = """
import sys

# The parts that mmocr doesn't have are defined in files beside this one.
if "{{ fileDirname }}" not in sys.path:
    sys.path.insert(0, "{{ fileDirname }}")

"""


def detection_files(trained: Config, meta: dict[str, Any]) -> dict[str, bytes]:
    """The detector's files but its weights, by name in its folder; meta: its best checkpoint's."""
    set_calibration(trained, meta)
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "keep_ratio": True, **page_size(trained)},
        {"type": "PackTextDetInputs", "meta_keys": ("img_path", "ori_shape", "img_shape", "scale_factor")},
    ]
    own = {"long_side": trained.long_side, "score_threshold": trained.score_threshold}
    about = (
        "Finds lines of text. Pages are resized to `long_side` pixels; lines below `score_threshold`,\n"
        "which was best on the validation images, are left out."
    )
    return _files(about, trained.model.to_dict(), pipeline, own, "TextDetLocalVisualizer", [])


def recognition_files(trained: Config) -> dict[str, bytes]:
    """The recogniser's files but its weights and dictionary, by name in its folder."""
    reading = dict(trained.reading)
    about = "Reads a line from its picture, which holds `pad_x` and `pad_y` of the line's height around it."
    transform = Path(str(files("ocr_trainer"))) / "bundled" / "line_transform.py"
    model = _with_dictionary(trained.model.to_dict())
    pipeline = _line_pipeline(reading)
    found = _files(about, model, pipeline, {"reading": reading}, "TextRecogLocalVisualizer", [transform])
    return found | {"found_lines.py": _found_lines(reading).encode()}


def _found_lines(reading: dict[str, Any]) -> str:
    """The configuration for lines as MMOCRInferencer cuts them: wider than the recogniser learnt."""
    pads = zip(_MMOCR_PADS, (reading["pad_x"], reading["pad_y"]), strict=True)
    trim = tuple(round(max(0.0, theirs - ours) / (1 + 2 * _MMOCR_PADS[1]), 4) for theirs, ours in pads)
    loader = {"dataset": {"pipeline": _line_pipeline(reading, trim=trim)}}
    about = "config.py for MMOCRInferencer with a detector: it cuts lines wider than the recogniser learnt."
    text = Config({"test_dataloader": loader}).pretty_text
    return f'"""{about}"""\n\n_base_ = ["config.py"]\n{text}\n'


def _line_pipeline(reading: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    resize = {key: reading[key] for key in ("height", "step", "widest", "squeeze")}
    meta = ("img_path", "ori_shape", "img_shape", "valid_ratio")
    return [
        {"type": "LoadImageFromFile"},
        {"type": "ResizeLine", **resize, **more},
        {"type": "PackTextRecogInputs", "meta_keys": meta},
    ]


def without_places(trained: Config) -> str:
    """A training's configuration as it ran, its paths relative to the run's folder."""
    return f"{Config(_relative(trained.to_dict())).pretty_text}\n"


def _files(
    about: str,
    model: dict[str, Any],
    pipeline: list[dict[str, Any]],
    own: dict[str, Any],
    visualizer: str,
    parts: list[Path],
) -> dict[str, bytes]:
    model = stock_types(model)
    parts = [*part_files(model), *parts]
    content: dict[str, Any] = {"default_scope": "mmocr"}
    if parts:
        names = sorted(path.stem for path in parts)
        content["custom_imports"] = {"imports": names, "allow_failed_imports": False}
    dataset = {"type": "OCRDataset", "pipeline": pipeline}
    content |= {
        **own,
        "model": model,
        "test_dataloader": {"batch_size": 1, "dataset": dataset},
        "visualizer": {"type": visualizer, "name": "visualizer", "vis_backends": []},
    }
    text = f'"""{about}"""\n' + (_WITH_PARTS if parts else "\n") + Config(content).pretty_text + "\n"
    return {"config.py": text.encode(), **{path.name: path.read_bytes() for path in parts}}


def _with_dictionary(model: Any) -> Any:
    """The model's configuration with the bundle's dictionary."""
    if isinstance(model, dict):
        return {
            key: f"{_HERE}/../dictionary.txt" if key == "dict_file" else _with_dictionary(value)
            for key, value in model.items()
        }
    return model


def _relative(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _relative(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_relative(item) for item in tree)
    if isinstance(tree, str) and tree.startswith("/"):
        inside = tree.rpartition("/work/")
        return f"work/{inside[2]}" if inside[1] else "."
    return tree
