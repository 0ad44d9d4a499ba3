"""What a dictionary of a configuration may hold: the parameters of the class that its `type` names.

Read from the classes themselves, so that every option of mmocr, mmengine and torch is known and no list of
them has to be kept; needs `compat.install()` first.
"""

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parameter:
    kinds: frozenset[str]
    """Of `bool int float str list dict none any`; empty: nothing is known."""


_OF_UNTYPED: dict[str, tuple[str, ...]] = {
    "paramwise_cfg": (
        "custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult",
        "dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate",
    ),
    "clip_grad": ("type", "max_norm", "norm_type", "error_if_nonfinite", "clip_value"),
    "randomness": ("seed", "diff_rank_seed", "deterministic"),
}  # fmt: skip
"""Dictionaries without a `type`, and what mmengine reads from them."""
_BESIDE_CONSTRUCTOR: dict[str, tuple[str, ...]] = {
    "optim_wrapper": ("constructor", "paramwise_cfg", "optimizer"),
    "param_scheduler": ("convert_to_iter_based",),
    "norm_cfg": ("requires_grad",),
}
"""What mmengine or mmcv takes out of a dictionary before the class is made."""
_GIVEN = ("self", "optimizer", "dataloader", "runner", "params")
"""What the one who builds passes, never the configuration."""


def parameters(where: Mapping[str, Any], path: Sequence[str]) -> dict[str, Parameter]:
    """Names that may be set in `where`, the configuration's dictionary at `path`, beside those it has."""
    names = [part for part in path if not part.isdigit()]
    name = names[-1] if names else ""
    known: dict[str, Parameter] = {}
    if isinstance(kind := where.get("type"), str) and (made := _class(kind)):
        known = _constructor(made)
    elif name.endswith("_dataloader"):
        from torch.utils.data import DataLoader

        known = _constructor(DataLoader)
    beside = (*_OF_UNTYPED.get(name, ()), *_BESIDE_CONSTRUCTOR.get(name, ()))
    return known | {other: Parameter(frozenset()) for other in beside if other not in known}


def _class(kind: str) -> Any:
    """The class registered under this name, in whichever of mmocr's registries or their parents."""
    from mmengine.registry import Registry
    from mmocr import registry

    for candidate in vars(registry).values():
        if isinstance(candidate, Registry) and (found := candidate.get(kind)):
            return found
    return None


def _constructor(made: Any) -> dict[str, Parameter]:
    """Parameters by name: the class's own and, where it passes `**kwargs` on, those of its bases."""
    if not inspect.isclass(made):
        return _signature(made)
    found: dict[str, Parameter] = {}
    for owner in made.__mro__:
        constructor = owner.__dict__.get("__init__")
        if constructor is None or owner is object:
            continue
        found = _signature(constructor) | found
        if all(p.kind is not p.VAR_KEYWORD for p in inspect.signature(constructor).parameters.values()):
            break
    return found


def _signature(function: Any) -> dict[str, Parameter]:
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        hints = {}
    return {
        name: Parameter(frozenset(_kinds(hints.get(name), p.default)))
        for name, p in inspect.signature(function).parameters.items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and name not in _GIVEN
    }


def _kinds(hint: Any, default: Any) -> set[str]:
    """What a parameter takes, by its annotation and by its default: annotations are not always right."""
    kinds = _kinds_of_hint(hint) if hint is not None else set()
    if default is None:
        return kinds | {"none"} if kinds else {"any"}
    return kinds if default is inspect.Parameter.empty else kinds | {kind_of(default)}


def _kinds_of_hint(hint: Any) -> set[str]:
    """`int | None` -> {int, none}; `any` for what says nothing that can be checked."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(_kinds_of_hint(argument) for argument in typing.get_args(hint)))
    made = origin or hint
    if made is type(None):
        return {"none"}
    if not inspect.isclass(made):
        return {"any"}
    if exact := next((kind for kind, types_ in _KINDS.items() if made in types_), None):
        return {exact}
    if issubclass(made, Mapping):
        return {"dict"}
    return {"list"} if issubclass(made, Sequence) else {"any"}


_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "int": (int,), "float": (float,), "str": (str,), "dict": (dict,), "list": (list, tuple),
}  # fmt: skip
"""In this order: a bool is an int to Python."""


def kind_of(value: Any) -> str:
    """One of `bool int float str dict list none any`."""
    if value is None:
        return "none"
    return next((kind for kind, types_ in _KINDS.items() if isinstance(value, types_)), "any")
