"""The presets: mmengine configuration files, found by name in the installed package or the source tree."""

from pathlib import Path

from ocr_trainer.errors import BadConfiguration

_PACKAGE = Path(__file__).resolve().parent


def preset_folder(kind: str, package: Path = _PACKAGE) -> Path:
    """The folder of `kind`'s presets ("detection" or "recognition")."""
    installed = package / "configs"
    # An editable install runs from the source tree, where configs/ stands at the top.
    root = installed if installed.is_dir() else package.parents[1] / "configs"
    return root / kind


def preset_names(kind: str) -> list[str]:
    """Every preset of `kind`; files that begin with `_` are bases, not presets."""
    return sorted(p.stem for p in preset_folder(kind).glob("*.py") if not p.stem.startswith("_"))


def preset_path(kind: str, name: str) -> Path:
    """The preset's file, or BadConfiguration naming those that exist."""
    if name not in preset_names(kind):
        raise BadConfiguration(
            f"{kind}.preset {name!r} does not exist; there are: {', '.join(preset_names(kind))}",
            reason="UnknownPreset",
        )
    return preset_folder(kind) / f"{name}.py"
