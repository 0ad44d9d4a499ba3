"""Makes the OpenMMLab stack of 2023 import and run under today's torch and numpy, touching nothing on disk.

mmcv's compiled operators exist only as source for this torch. The two that a configuration may ask for,
DCNv2 and non-maximum suppression, run on torchvision's own operators instead; the rest of `mmcv._ext` is a
stand-in that explains itself when called. Each shim is installed only where the real thing is absent.
"""

import importlib.machinery
import importlib.util
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any


class _AbsentOperators(types.ModuleType):
    """`mmcv._ext` for mmcv-lite: every name is there, calling one says what to install."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def absent(*_: Any, **__: Any) -> None:
            raise NotImplementedError(
                f"mmcv's compiled operator {name!r} is not in mmcv-lite: a compiled mmcv is needed"
            )

        return absent


@cache
def install() -> None:
    """Prepare for `import mmcv, mmdet, mmocr`; every module that imports them calls this first."""
    _name_numpy_aliases()
    _declare_torchvision_operators()
    if importlib.util.find_spec("mmcv._ext") is None:
        module = _AbsentOperators("mmcv._ext")
        module.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", None)
        sys.modules["mmcv._ext"] = module
        _use_torchvision_operators(module)
    from mmocr.utils import register_all_modules

    register_all_modules()


def _name_numpy_aliases() -> None:
    """imgaug 0.4.0 (imported by mmocr) uses names that numpy dropped in 1.24."""
    import numpy

    for alias in (bool, int, float, object, complex):
        if alias.__name__ not in vars(numpy):
            setattr(numpy, alias.__name__, alias)


_libraries: list[Any] = []
"""Declared schemas live as long as their library object."""


def _declare_torchvision_operators() -> None:
    """With a CPU-only torch torchvision's library doesn't load, and its import dies on missing schemas."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    assert spec and spec.submodule_search_locations, "torchvision is among the trainer's dependencies"
    libraries = list(Path(spec.submodule_search_locations[0]).glob("_C*.so"))
    try:
        if libraries:
            torch.ops.load_library(str(libraries[0]))
            return
    except OSError:
        pass
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)


def _use_torchvision_operators(extension: types.ModuleType) -> None:
    """DCNv2 and nms by torchvision: same parameters, so checkpoints load either way."""
    import mmcv.ops.modulated_deform_conv as deform
    import torchvision

    def modulated_deform_conv2d(
        input: Any, offset: Any, mask: Any, weight: Any, bias: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, deform_groups: int = 1,
    ) -> Any:  # fmt: skip
        # groups and deform_groups follow from the tensors' shapes.
        del groups, deform_groups
        # The operator exists for float32 only: under autocast it gets that and gives back what it was given.
        tensors = (None if t is None else t.float() for t in (input, offset, weight, bias))
        made = torchvision.ops.deform_conv2d(*tensors, stride, padding, dilation, mask.float())
        return made.to(input.dtype)

    def nms(boxes: Any, scores: Any, iou_threshold: float, offset: int) -> Any:
        del offset  # mmcv's legacy pixel convention; nobody sets it
        return torchvision.ops.nms(boxes, scores, iou_threshold)

    deform.modulated_deform_conv2d = modulated_deform_conv2d
    extension.nms = nms  # type: ignore[attr-defined]
