"""The weights that a training starts from when `initFrom` names some, checked before anything is loaded."""

from pathlib import Path, PurePosixPath

from ocr_contract.stages import Stage
from ocr_trainer.context import StageContext
from ocr_trainer.dataset.dictionary import read_characters
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.training.kinds import Kind

_SHOWN = 20


def initial_weights(context: StageContext, kind: Kind, init_from: str, dictionary: Path) -> Path:
    """The checkpoint's file; BadConfiguration where there is none or where it reads other characters."""
    field = f"{kind.stage}.initFrom"
    if init_from.endswith(".pth"):
        name = PurePosixPath(init_from).name
        missing = f"{field}: there is no file {init_from} on the volume"
    else:
        name = f"work/{kind.stage}/best.pth"
        missing = f"{field}: run {init_from!r} of this project has no trained model ({name} is missing)"
    if context.init is None or not (context.init / name).is_file():
        raise BadConfiguration(missing, reason="NoInitialWeights")
    if kind.stage is Stage.RECOGNITION:
        _check_characters(context.init / name, dictionary, f"{field} {init_from!r}")
    return context.init / name


def _check_characters(checkpoint: Path, dictionary: Path, named: str) -> None:
    """The model's last layer has one place for each character, in the dictionary's order."""
    import torch

    loaded = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    known = loaded.get("meta", {}).get("characters")
    wanted = read_characters(dictionary)
    if known is None or known == wanted:
        return
    parts = [
        f"{what} {_listed(characters)}"
        for what, characters in (
            ("it doesn't know", sorted(set(wanted) - set(known))),
            ("only it knows", sorted(set(known) - set(wanted))),
        )
        if characters
    ]
    raise BadConfiguration(
        f"{named}: that model reads other characters than this run's data holds: "
        f"{'; '.join(parts) or 'the same ones in another order'}",
        reason="OtherCharacters",
    )


def _listed(characters: list[str]) -> str:
    more = f" and {len(characters) - _SHOWN} more" if len(characters) > _SHOWN else ""
    return " ".join(repr(character) for character in characters[:_SHOWN]) + more
