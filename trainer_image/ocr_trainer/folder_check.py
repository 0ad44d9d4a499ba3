"""`ocr-trainer check FOLDER`: what prepare would say about a folder, without leaving anything in it."""

import tempfile
import threading
from pathlib import Path

from ocr_contract.exit_codes import ExitCode
from ocr_contract.spec import Dataset
from ocr_trainer.dataset.figures import in_words
from ocr_trainer.dataset.findings import FindingsFile
from ocr_trainer.dataset.folder import FileIndex
from ocr_trainer.dataset.preparation import Preparation
from ocr_trainer.errors import WrongCall
from ocr_trainer.progress import BarProgress


def check_folder(folder: Path, settings: Dataset) -> int:
    """Print findings and figures; BadData where the folder can't be trained on."""
    from rich.console import Console

    if not folder.is_dir():
        raise WrongCall(f"there is no folder {folder}")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with (
        tempfile.TemporaryDirectory(prefix="ocr-check-") as scratch,
        FindingsFile(Path(scratch) / "findings.jsonl") as findings,
    ):
        preparation = Preparation(
            FileIndex.scan(folder), Path(scratch), settings, findings, BarProgress(), threading.Event()
        )
        try:
            summary = preparation.write(with_test=False)
        finally:
            for line in findings.lines():
                console.print(line)
    for line in in_words(summary):
        console.print(line)
    return ExitCode.DONE
