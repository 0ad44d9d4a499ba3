"""Many images are checked by several processes: with the same result, and none outlives its parent."""

import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from annotated_folder import AnnotatedFolder
from ocr_trainer.dataset import workers
from ocr_trainer.dataset.check import Task
from ocr_trainer.dataset.coco import NO_PLACES, ImageEntry
from ocr_trainer.errors import Interrupted
from prepared import dataset, findings, run_prepare


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes, however few processors and images there are."""
    monkeypatch.setattr(workers, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(workers, "processors", lambda: 2)


def test_processes_find_what_one_finds(annotated: AnnotatedFolder, request: pytest.FixtureRequest) -> None:
    annotated.pages(12)
    annotated.text(3, "nowhere", segmentation=[], bbox=[])
    annotated.write()
    alone = run_prepare(annotated)
    summary, found = dataset(alone), findings(alone)
    request.getfixturevalue("several")
    annotated.write()  # newer: prepared anew
    together = run_prepare(annotated)
    assert (dataset(together)["fingerprint"], findings(together)) == (summary["fingerprint"], found)
    assert found == {("error", "no-outline"): 1}


@pytest.mark.usefixtures("several")
def test_stopping_ends_the_processes(annotated: AnnotatedFolder) -> None:
    annotated.pages(40)
    entry = ImageEntry("")
    tasks = [Task(f"page{n}.png", entry, None, NO_PLACES, with_lines=False) for n in range(40)]
    stop = threading.Event()
    results = workers.check_all(annotated.path, [], tasks, stop)
    assert next(results).usable
    stop.set()
    with pytest.raises(Interrupted):
        list(results)
    assert multiprocessing.active_children() == []


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    page = cv2.imencode(".png", np.full((40, 60, 3), 200, np.uint8))[1].tobytes()
    for number in range(400):
        (tmp_path / f"{number}.png").write_bytes(page)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, threading\nfrom pathlib import Path\n"
        "from ocr_trainer.dataset import coco, workers\nfrom ocr_trainer.dataset.check import Task\n"
        "if __name__ == '__main__':\n"
        "    workers.processors = lambda: 2\n"
        "    nobody = coco.ImageEntry('')\n"
        "    tasks = [Task(f'{n}.png', nobody, None, coco.NO_PLACES, False) for n in range(400)]\n"
        f"    results = workers.check_all(Path({str(tmp_path)!r}), [], tasks, threading.Event())\n"
        "    next(results)\n"
        "    print('started', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout and parent.stdout.readline() == "started\n"
        children = _children(parent.pid)
        checkers = [child for child in children if "spawn_main" in _command(child)]
        assert len(checkers) == 2
        _wait_until(lambda: all(_ignores_sigterm(child) for child in checkers))
        parent.kill()
    _wait_until(lambda: not any(_command(child) for child in children))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _ignores_sigterm(pid: int) -> bool:
    """Signals are the parent's: it stops handing out work."""
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def _children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
