"""One stage from start to end, the same in a pod and on a laptop: report, run, say how it ended."""

import importlib
import threading
from pathlib import Path

from ocr_contract.legacy import Word
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder, TestFolder
from ocr_trainer.context import StageContext
from ocr_trainer.errors import Interrupted, naming_full_volume
from ocr_trainer.progress import Progress
from ocr_trainer.reporting import Apply, Reporter


def execute(
    stage: Stage,
    given: StageInput,
    run: RunFolder,
    own_test: TestFolder | None,
    *,
    pod_uid: str,
    stop: threading.Event,
    progress: Progress,
    apply: Apply | None,
    init: Path | None = None,
) -> None:
    """Run it; whatever it raises goes on to the caller, after the platform's status says so.

    own_test: the folder of a test of its own; None for the stages of a run. init: the folder that the
    training's initFrom names.
    """
    test = own_test or (run.test if given.train.run_test else None)
    reporter = Reporter(stage, given.run_key, run, test, own_test=own_test is not None, apply=apply)
    try:
        # Imported now: two of the stages bring torch, which --help and the data checks do without.
        module = importlib.import_module(f"ocr_trainer.stages.{stage}")
        with naming_full_volume(run.path):
            module.run(StageContext(given, run, test, reporter, pod_uid, stop, progress, init))
        if stage is (Stage.TEST if test else Stage.PACKAGE):
            reporter.word(Word.SUCCEEDED)
    except Interrupted:
        raise
    except Exception:
        reporter.word(Word.FAILED)
        raise
    finally:
        reporter.close()


def log_path(run: RunFolder, own_test: TestFolder | None) -> Path:
    """Where the stage's log is kept; a test of its own may not write into the run's folder."""
    return own_test.path / "log" / "record.log" if own_test else run.record_log
