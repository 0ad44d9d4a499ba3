"""Several processes of one pod train one model together, a GPU each, started by torch's own torchrun.

The stage's process waits and passes a stop on; the ranks build their contexts from a job file. Only the first
rank reports and writes. A rank's own last words reach the stage through a file: torchrun's exit code says no
more than that something failed.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.api_client import StatusApplier
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadConfiguration, BadData, Interrupted, TrainerError, VolumeFull
from ocr_trainer.machine import Machine
from ocr_trainer.openmp import load_openmp
from ocr_trainer.owner import Owner
from ocr_trainer.progress import BarProgress, LogProgress, SilentProgress
from ocr_trainer.reporting import Reporter
from ocr_trainer.training.kinds import DETECTION, RECOGNITION, Kind
from ocr_trainer.training.session import Order, train

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 600
"""torchrun's own 30 s may be too short for a step and a checkpoint; the pod has a grace period anyway."""
_LOOK_EVERY_SECONDS = 0.2
_ERRORS: dict[str, type[TrainerError]] = {
    error.__name__: error for error in (BadConfiguration, BadData, VolumeFull, Interrupted)
}
"""By weight: what one rank says counts more than that others were interrupted by its end."""


def train_together(context: StageContext, kind: Kind, order: Order, machine: Machine) -> None:
    """Start the ranks, wait for them, raise what they raised."""
    with tempfile.TemporaryDirectory(prefix="ocr-ranks-") as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps(_describe(context, kind, order, machine)))
        code = _run(order.processes, job, context.stop)
        said = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("rank*.json"))]
    for name, error in _ERRORS.items():
        for words in said:
            if words["error"] == name:
                raise error(words["message"], reason=words["reason"])
    if code == 0:
        return
    context.check_stop()
    raise RuntimeError(f"torchrun ended with {code}: what happened is in record.log and above")


def _describe(context: StageContext, kind: Kind, order: Order, machine: Machine) -> dict[str, Any]:
    return {
        "stage": kind.stage,
        "input": context.input.model_dump(mode="json", by_alias=True),
        "run": str(context.run.path.resolve()),
        "init": str(context.init.resolve()) if context.init else None,
        "podUid": context.pod_uid,
        "bars": isinstance(context.progress, BarProgress),
        "order": asdict(order),
        "machine": asdict(machine),
    }


def _run(processes: int, job: Path, stop: threading.Event) -> int:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={processes}",
        "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1",
        f"--shutdown-timeout={_GRACE_SECONDS}", "-m", "ocr_trainer.training.ranks", str(job),
    ]  # fmt: skip
    # A session of its own: Ctrl-C on a terminal reaches the ranks through us, once.
    torchrun = subprocess.Popen(command, start_new_session=True)
    try:
        passed_on = False
        while True:
            try:
                return torchrun.wait(_LOOK_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                if stop.is_set() and not passed_on:
                    torchrun.terminate()
                    passed_on = True
    finally:
        if torchrun.poll() is None:
            os.killpg(torchrun.pid, signal.SIGKILL)
            torchrun.wait()


def main(job_file: Path) -> None:
    """One rank; torchrun tells it which by the environment."""
    load_openmp()
    job = json.loads(job_file.read_text())
    rank, machine = int(os.environ["RANK"]), Machine(**job["machine"])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with _group(machine, rank), _context(job, rank, stop) as context:
            kind = DETECTION if job["stage"] == Stage.DETECTION else RECOGNITION
            owner = Owner(context.run.stage(kind.stage), context.pod_uid)
            train(context, kind, Order(**job["order"]), machine, owner.check)
    except TrainerError as error:
        words = {"error": type(error).__name__, "reason": error.reason, "message": error.message}
        job_file.with_name(f"rank{rank}.json").write_text(json.dumps(words))
        sys.exit(error.exit_code)
    except Exception:
        logger.exception("Failed rank %d", rank)
        raise


@contextmanager
def _group(machine: Machine, rank: int) -> Iterator[None]:
    import torch
    from torch import distributed

    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING)
    if machine.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if machine.device == "cuda" else "gloo")
    yield
    distributed.destroy_process_group()  # not after an error: the others would be waited for


@contextmanager
def _context(job: dict[str, Any], rank: int, stop: threading.Event) -> Iterator[StageContext]:
    from ocr_contract.names import run_hash
    from ocr_trainer.pod import keep_log

    given, run = StageInput.model_validate(job["input"]), RunFolder(Path(job["run"]))
    stage, first = Stage(job["stage"]), rank == 0
    if first:
        keep_log(run.record_log)
    apply = StatusApplier(given.namespace, given.name, stage) if given.name and first else None
    reporter = Reporter(stage, run_hash(given.train.id, given.train.revision), run, apply=apply)
    progress = (BarProgress() if job["bars"] else LogProgress()) if first else SilentProgress()
    try:
        yield StageContext(
            given,
            run,
            None,
            reporter,
            job["podUid"],
            stop,
            progress,
            Path(job["init"]) if job["init"] else None,
        )
    finally:
        reporter.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
