"""A user's dotted overrides: each checked against what is there before anything is built, then set.

mmengine sets whatever it is given: a misspelt key is overlooked, or ends a training hours later. Here a key
must name something that the preset holds, or a parameter of the class that its dictionary's `type` names.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from mmengine.config import Config

from ocr_trainer.errors import BadConfiguration
from ocr_trainer.training.parameters import Parameter, kind_of, parameters

_SETTINGS = {
    "train_cfg.max_epochs": "epochs",
    "train_cfg.val_interval": "evaluateEvery",
    "train_dataloader.batch_size": "batchSize",
    "optim_wrapper.optimizer.lr": "learningRate",
}
"""Keys that have a setting of their own, from which more than the key follows."""
_OF_THE_RUN = (
    "work_dir", "experiment_name", "resume", "load_from", "launcher", "made_for*", "default_scope",
    "*_dataloader.dataset.ann_file", "*_dataloader.dataset.data_root", "*_dataloader.dataset.path",
    "*_dataloader.dataset.reading", "*.dict_file", "train_dataloader.batch_sampler.epochs",
)  # fmt: skip
"""Keys that the run sets itself."""
_ANY_KEY = ("custom_keys",)
"""Dictionaries whose keys are the user's own (mmengine's paramwise_cfg.custom_keys: parts of the model)."""
_SIZES = ("scale", "size", "pad_size", "crop_size")
_LISTED = 12


def apply_overrides(config: Config, setting: str, overrides: Mapping[str, Any]) -> None:
    """Set dotted keys; BadConfiguration names the key, what is wrong with it and the nearest that fits.

    setting: what the user calls them, `detection.overrides`. A dictionary is merged into the one that is
    there; with a `type` of its own it replaces it.
    """
    for key, value in overrides.items():
        _set(_Override(config, setting, key), config, key.split("."), value)


def fails_at_once(stage: str, what: str) -> BadConfiguration:
    """For overrides that passed every check and still make a training that can't begin."""
    return BadConfiguration(
        f"{stage}.overrides make a training that fails at once: {what}", reason="BadOverride"
    )


@dataclass(frozen=True)
class _Override:
    """One override, for its complaints."""

    config: Config
    setting: str
    key: str

    def refusal(self, problem: str) -> BadConfiguration:
        return BadConfiguration(f"{self.setting}: {self.key!r} {problem}", reason="BadOverride")


def _set(override: _Override, config: Config, parts: list[str], value: Any) -> None:
    where: Any = config
    for depth, part in enumerate(parts[:-1]):
        where = _entry(override, where, parts, depth, part)
    _set_entry(override, where, parts, value)


def _entry(override: _Override, where: Any, parts: list[str], depth: int, part: str) -> Any:
    """What `part` names in `where`: one step on the way to the last part of a key."""
    if isinstance(where, list | tuple):
        return where[_position(override, where, parts, depth)]
    if not isinstance(where, dict | Config):
        raise override.refusal(f"doesn't fit: {_dotted(parts[:depth])} is {_described(where)}, nothing in it")
    if part not in where:
        raise _unknown(override, where, parts, depth)
    return where[part]


def _set_entry(override: _Override, where: Any, parts: list[str], value: Any) -> None:
    path, last, depth = _dotted(parts), parts[-1], len(parts) - 1
    if path in _SETTINGS:
        stage = override.setting.partition(".")[0]
        raise override.refusal(f"has a setting of its own: use {stage}.{_SETTINGS[path]}")
    if any(fnmatchcase(path, pattern) for pattern in _OF_THE_RUN):
        raise override.refusal("is set by the run itself")
    if isinstance(where, list | tuple):
        position = _position(override, where, parts, depth)
        _check_kind(override, parts, where[position], value, None)
        if isinstance(where, tuple):
            raise override.refusal(f"is one of several: set {_dotted(parts[:-1])}, like {list(where)}")
        where[position] = _merged(override, where[position], parts, value)
        return
    if not isinstance(where, dict | Config):
        raise override.refusal(f"doesn't fit: {_dotted(parts[:-1])} is {_described(where)}, nothing in it")
    free = len(parts) > 1 and any(part in _ANY_KEY for part in parts[:-1])
    known = parameters(where, parts[:-1])
    if last not in where and last not in known and not free:
        raise _unknown(override, where, parts, depth)
    if last in where or last in known:
        _check_kind(override, parts, where.get(last), value, known.get(last), there=last in where)
    where[last] = _merged(override, where.get(last), parts, value)


def _merged(override: _Override, old: Any, parts: list[str], value: Any) -> Any:
    """What is set: a dictionary without a `type` of its own goes into the one that is there."""
    if not isinstance(value, dict) or not isinstance(old, dict) or "type" in value:
        return tuple(value) if isinstance(old, tuple) else _with_tuples(value)
    for key, item in value.items():
        _set_entry(override, old, [*parts, str(key)], item)
    return old


def _with_tuples(value: Any) -> Any:
    """JSON has no tuples, and mmcv takes the size of a picture in nothing else."""
    if isinstance(value, list):
        return [_with_tuples(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: tuple(item) if key in _SIZES and isinstance(item, list) else _with_tuples(item)
        for key, item in value.items()
    }


def _check_kind(
    override: _Override, parts: list[str], old: Any, new: Any, parameter: Parameter | None, there: bool = True
) -> None:
    kinds = set(parameter.kinds) if parameter else set()
    if there:
        kinds.add("any" if old is None and not kinds else kind_of(old))
        if isinstance(old, dict | list):
            kinds.add("none")  # switched off
    if not kinds or "any" in kinds:
        return
    if "float" in kinds:
        kinds.add("int")
    if "int" in kinds and parts[0] == "param_scheduler":
        kinds.add("float")  # epochs, of which a part will do
    if kind_of(new) not in kinds:
        raise override.refusal(f"must be {_wanted(kinds)}, not {_described(new)}{_yaml_hint(new, kinds)}")
    if isinstance(new, list | tuple) and isinstance(old, list | tuple):
        _check_items(override, old, new)


def _check_items(override: _Override, old: Sequence[Any], new: Sequence[Any]) -> None:
    """Numbers stay numbers; a tuple keeps its length."""
    if isinstance(old, tuple) and len(new) != len(old):
        raise override.refusal(f"must hold {len(old)} values, like {list(old)}, not {len(new)}")
    if old and all(kind_of(item) in ("int", "float") for item in old):
        for item in new:
            if kind_of(item) not in ("int", "float"):
                raise override.refusal(f"must hold numbers, like {list(old)}, not {_described(item)}")


_WORDS = {
    "bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text",
    "list": "a list", "dict": "a dictionary", "none": "null",
}  # fmt: skip


def _wanted(kinds: set[str]) -> str:
    shown = [_WORDS[kind] for kind in _WORDS if kind in kinds and not (kind == "int" and "float" in kinds)]
    return " or ".join(shown)


def _described(value: Any) -> str:
    kind = kind_of(value)
    if kind in ("str", "list"):
        return f"the {'text' if kind == 'str' else 'list'} {value!r}"
    return {"dict": "a dictionary", "none": "null", "bool": str(value).lower()}.get(kind, repr(value))


def _yaml_hint(value: Any, kinds: set[str]) -> str:
    """YAML reads 1e-3 as a text."""
    if not isinstance(value, str) or "int" not in kinds:
        return ""
    try:
        return f" (write {float(value)})"
    except ValueError:
        return ""


def _position(override: _Override, where: Sequence[Any], parts: list[str], depth: int) -> int:
    part = parts[depth]
    if part.isdigit() and int(part) < len(where):
        return int(part)
    entries = f"0 to {len(where) - 1}" if where else "none"
    raise override.refusal(f"doesn't fit: {_dotted(parts[:depth])} is a list, its entries are {entries}")


def _unknown(override: _Override, where: Any, parts: list[str], depth: int) -> BadConfiguration:
    part, before = parts[depth], parts[:depth]
    here = list(dict.fromkeys([*where, *parameters(where, before)]))
    place = _dotted(before) or "the preset"
    problem = f"doesn't fit: there is no {part!r} in {place}"
    if near := difflib.get_close_matches(part, here, n=1):
        nearest = _dotted([*before, near[0], *parts[depth + 1 :]])
        return override.refusal(f"{problem}; did you mean {nearest!r}?")
    if not before and (elsewhere := _elsewhere(override.config, parts)):
        return override.refusal(f"{problem}; did you mean {elsewhere!r}?")
    listed = ", ".join(here[:_LISTED]) + (", ..." if len(here) > _LISTED else "")
    return override.refusal(f"{problem}; there are: {listed}")


def _elsewhere(config: Config, parts: list[str]) -> str | None:
    """A key of the whole configuration that ends as the given one does, or looks much like it."""
    key = _dotted(parts)
    every = list(_keys(config.to_dict()))
    ending = [k for k in every if k.endswith(f".{key}")]
    return min(ending, key=len) if ending else next(iter(difflib.get_close_matches(key, every, 1, 0.6)), None)


def _keys(tree: Any, prefix: str = "") -> Iterator[str]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in entries:
        yield f"{prefix}{name}"
        yield from _keys(value, f"{prefix}{name}.")


def _dotted(parts: Sequence[str]) -> str:
    return ".".join(parts)
