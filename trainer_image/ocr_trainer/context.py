"""What a stage is given: its input, its folders, where to report, and whether it shall stop."""

import threading
from dataclasses import dataclass
from pathlib import Path

from ocr_contract.stage_input import StageInput
from ocr_contract.volume import RunFolder, TestFolder
from ocr_trainer.errors import Interrupted
from ocr_trainer.progress import Progress
from ocr_trainer.reporting import Reporter


@dataclass(frozen=True)
class StageContext:
    input: StageInput
    run: RunFolder
    test: TestFolder | None
    """Where the test's images lie: the test's own folder, the run's with runTest, else None."""
    reporter: Reporter
    pod_uid: str
    """Who writes: the pod's uid, or a random one of this process where there is no pod."""
    stop: threading.Event
    """Set on SIGTERM and on Ctrl-C: write a checkpoint and raise Interrupted."""
    progress: Progress
    init: Path | None = None
    """The folder that the training's `initFrom` names (`init_subpath`); for prepare the recogniser's."""

    @property
    def run_key(self) -> str:
        """What tells this run or test from another under the same folder: the hash of (id, revision)."""
        return self.input.run_key

    def check_stop(self) -> None:
        """Raise Interrupted if the stage was asked to stop; for stages whose work is simply done again."""
        if self.stop.is_set():
            raise Interrupted("stopped as asked; the next start goes on from here")
