"""Checkpoints on a volume whose pods are killed at any moment, whose disk fills up, whose bits may rot.

A checkpoint is written beside its place, flushed and read back before it takes that place, and the one before
stays as previous.pth until the training has ended. So whatever happens, one of the two can be gone on from.
"""

import logging
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from ocr_contract.atomic import replacing
from ocr_trainer.errors import naming_full_volume

logger = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.pth", "previous.pth", "best.pth"
_BLOCK = 1 << 20


class Unusable(Exception):
    """A file that is no whole checkpoint; says why."""


def replace_checkpoint(path: Path, checkpoint: bytes | memoryview, previous: Path | None = None) -> None:
    """Write a checkpoint beside `path`, and put it in its place once it has verified.

    previous: what becomes of the checkpoint that was there. VolumeFull, and nothing touched, if there's no
    room.
    """
    with naming_full_volume(path), replacing(path, durable=True) as file:
        file.write(checkpoint)
        file.flush()
        os.fsync(file.fileno())
        verify(Path(file.name))
        if previous is not None and path.exists():
            path.replace(previous)


def verify(path: Path) -> None:
    """Unusable unless every byte of the file is as it was written: torch keeps a checksum of each part."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as part:
                    while part.read(_BLOCK):
                        pass
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError) as error:
        raise Unusable(f"{path.name} is damaged ({error})") from error


def load(path: Path) -> dict[str, Any]:
    """A verified checkpoint on the CPU; Unusable if it is none."""
    import pickle

    import torch

    verify(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise Unusable(f"{path.name} is no checkpoint ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("meta"), dict):
        raise Unusable(f"{path.name} is no checkpoint of a training")
    return loaded


def newest(folder: Path, fingerprint: str) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint of this training, with its meta; None: start from the beginning."""
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            meta = load(path)["meta"]
        except Unusable as error:
            logger.warning("Passed over a checkpoint: %s", error)
            continue
        if meta.get("run") == fingerprint:
            logger.info("Went on from %s: epoch %s, iteration %s", name, meta.get("epoch"), meta.get("iter"))
            return path, meta
        logger.info("Passed over %s: another training wrote it", name)
    return None


def remove_left_overs(folder: Path) -> None:
    """What writers of killed pods had not finished; nobody else writes here, we own the folder."""
    for path in folder.glob(".*.tmp"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
