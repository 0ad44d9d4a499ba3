"""Our model parts beside mmocr's own: which may stand for each other, and where the others are defined.

A bundle names mmocr's own types wherever the weights are the same, so that mmocr alone can open it; what
reads with the bundle here puts the faster ones back. Parts without a stock twin travel with the bundle as
the file that defines them, which therefore imports nothing of this package.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_STOCK = {
    "SmallTextDBModuleLoss": "DBModuleLoss",
    "FastDBModuleLoss": "DBModuleLoss",
    "FusedSATRNEncoder": "SATRNEncoder",
    "CachedNRTRDecoder": "NRTRDecoder",
    "BatchedCTCPostprocessor": "CTCPostProcessor",
}
"""Ours and mmocr's: the same state dict, the same results beyond float noise."""
_FAST = {stock: ours for ours, stock in _STOCK.items()}
_PARTS = Path(__file__).resolve().parent / "training"


def stock_types(model: Any) -> Any:
    """The model's configuration with mmocr's own types wherever there are some."""
    return _replaced(model, lambda name: _STOCK.get(name, name))


def fast_types(model: Any) -> Any:
    """The model's configuration with our faster types wherever there are some."""
    return _replaced(model, lambda name: _FAST.get(name, name))


def part_files(model: Any) -> list[Path]:
    """The files that define the types of the model's configuration that mmocr doesn't have."""
    homes = {name: path for path in sorted(_PARTS.glob("*_parts.py")) for name in _classes(path)}
    return sorted({homes[name] for name in _types(model) if name in homes})


def _replaced(tree: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(tree, dict):
        return {
            key: rename(value) if key == "type" and isinstance(value, str) else _replaced(value, rename)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return type(tree)(_replaced(item, rename) for item in tree)
    return tree


def _types(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if isinstance(tree.get("type"), str):
            yield tree["type"]
        for value in tree.values():
            yield from _types(value)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _types(item)


def _classes(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
