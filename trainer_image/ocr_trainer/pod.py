"""A stage in its pod: input from the environment, last words into the termination message, an exit code."""

import logging
import os
import signal
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from ocr_contract.exit_codes import ExitCode, LastWords
from ocr_contract.stage_input import POD_UID_VARIABLE, STAGE_INPUT_VARIABLE, StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder, TestFolder
from ocr_trainer.api_client import StatusApplier
from ocr_trainer.errors import Interrupted, TrainerError, WrongCall
from ocr_trainer.execution import execute, log_path
from ocr_trainer.progress import LogProgress
from ocr_trainer.settings_errors import in_words

logger = logging.getLogger(__name__)

TERMINATION_LOG_VARIABLE = "OCR_TERMINATION_LOG"
_TERMINATION_LOG = "/dev/termination-log"
_FAILED = 1
_LONGEST_MESSAGE = 2048
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_in_pod(
    stage: Stage, environ: Mapping[str, str], run_mount: Path, test_mount: Path, init_mount: Path
) -> int:
    """Run the stage; the exit code."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    termination_log = Path(environ.get(TERMINATION_LOG_VARIABLE, _TERMINATION_LOG))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        given = _read_input(environ)
        run, own_test = RunFolder(run_mount), TestFolder(test_mount) if given.test else None
        keep_log(log_path(run, own_test))
        apply = StatusApplier(given.namespace, given.name, stage) if given.name else None
        logger.info("Started %s of run %s", stage, given.train.id)
        execute(
            stage, given, run, own_test,
            pod_uid=environ.get(POD_UID_VARIABLE) or str(uuid.uuid4()),
            stop=stop, progress=LogProgress(), apply=apply,
            init=init_mount if init_mount.is_dir() else None,
        )  # fmt: skip
    except Interrupted as error:
        logger.info("Stopped %s: %s", stage, error.message)
        return _end(termination_log, error.reason, error.message, error.exit_code)
    except TrainerError as error:
        logger.error("Failed %s: %s", stage, error.message)
        return _end(termination_log, error.reason, error.message, error.exit_code)
    except Exception as error:
        logger.exception("Failed %s", stage)
        return _end(termination_log, "InternalError", _one_line(error), _FAILED)
    logger.info("Finished %s", stage)
    return ExitCode.DONE


def keep_log(path: Path) -> None:
    """Append to the log file, too; without one where the volume can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        logger.warning("Could not write %s: %s", path, error)
        return
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.getLogger().addHandler(handler)


def _read_input(environ: Mapping[str, str]) -> StageInput:
    document = environ.get(STAGE_INPUT_VARIABLE)
    if not document:
        raise WrongCall(
            f"{STAGE_INPUT_VARIABLE} is not set: a stage is started by the operator; "
            "on your own machine it is `ocr-trainer run project.yaml`"
        )
    try:
        return StageInput.model_validate_json(document)
    except ValidationError as error:
        raise WrongCall(f"{STAGE_INPUT_VARIABLE}: {in_words(error)}") from error


def _end(termination_log: Path, reason: str, message: str, code: int) -> int:
    words = LastWords(reason=reason[:64], message=message[:_LONGEST_MESSAGE])
    # Outside a pod there is no such file, and nobody who would read it.
    if termination_log.is_file() and os.access(termination_log, os.W_OK):
        termination_log.write_text(words.model_dump_json())
    return code


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
