"""A trained model from its configuration and weights, ready to predict.

The configuration is a training's own (work/<stage>/config.py) or a bundle's; both name the same model.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ocr_trainer.beam import BeamPostprocessor
from ocr_trainer.model_types import fast_types, part_files
from ocr_trainer.ngrams import FILE_NAME, Ngrams


def load_detector(config_file: Path, weights: Path, device: str) -> tuple[Any, dict[str, Any]]:
    """The detector, and how pages are resized for it (arguments of mmcv.imrescale)."""
    config = _read(config_file)
    checkpoint = _load(weights)
    set_calibration(config, checkpoint["meta"])
    return _build(config.model, checkpoint, device), page_size(config)


def load_recogniser(
    config_file: Path, weights: Path, dictionary: Path, device: str
) -> tuple[Any, dict[str, Any]]:
    """The recogniser, and how lines become pictures for it (fields of LineShape).

    Where n-grams lie beside the weights, what CTC may have read is weighed by them.
    """
    from mmocr.models.textrecog.postprocessors import CTCPostProcessor

    from ocr_trainer.training.configuration import set_dictionary

    config = _read(config_file)
    set_dictionary(config, dictionary.resolve())
    model = _build(config.model, _load(weights), device)
    table = weights.with_name(FILE_NAME)
    if table.is_file() and isinstance(model.decoder.postprocessor, CTCPostProcessor):
        model.decoder.postprocessor = BeamPostprocessor(model.decoder.dictionary, Ngrams.load(table))
    return model, dict(config.reading)


def set_calibration(config: Any, meta: dict[str, Any]) -> None:
    """Give the detector the threshold, and the length of short boxes, that its validation found best."""
    metrics, postprocessor = meta.get("metrics", {}), config.model.det_head.postprocessor
    config.score_threshold = postprocessor.min_text_score = metrics.get("threshold", config.score_threshold)
    if postprocessor.type == "CalibratedDBPostprocessor":
        postprocessor.overhang = metrics.get("overhang", 0.0)


def page_size(config: Any) -> dict[str, Any]:
    """`scale` and `interpolation` of a page, as in the detector's validation."""
    loader = config.get("val_dataloader") or config.test_dataloader  # a bundle has the latter
    step = next(step for step in loader.dataset.pipeline if step.type == "Resize")
    return {
        "scale": (config.long_side, config.long_side),
        "interpolation": step.get("interpolation", "bilinear"),
    }


def _read(config_file: Path) -> Any:
    """The configuration; the parts that a bundle brings along are left where they are, ours are the same."""
    from mmengine.config import Config

    before = list(sys.path)
    try:
        return Config.fromfile(str(config_file), import_custom_modules=False)
    finally:
        sys.path[:] = before


def _load(weights: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(weights, map_location="cpu", weights_only=True)
    return loaded


def _build(model_config: Any, checkpoint: dict[str, Any], device: str) -> Any:
    import torch
    from mmcv.cnn import fuse_conv_bn
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope, init_default_scope
    from mmocr.registry import MODELS

    config = fast_types(model_config.to_dict())
    for path in part_files(config):
        import_module(f"ocr_trainer.training.{path.stem}")  # registers its classes
    if DefaultScope.get_current_instance() is None:
        init_default_scope("mmocr")
    model = MODELS.build(ConfigDict(config))
    model.load_state_dict(checkpoint["state_dict"])
    # A batch norm after a convolution is one more factor of its weights: a quarter less to compute.
    model = fuse_conv_bn(model.eval())
    return model.to(device, memory_format=torch.channels_last)
