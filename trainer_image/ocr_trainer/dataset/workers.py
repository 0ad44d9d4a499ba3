"""Images checked on all processors of the pod, in order, by processes.

By processes, because half of a check is Python, for which threads would share one processor: on two of them
3,000 images took 24 to 27 s, and 48 s with threads. They are started anew rather than forked (this process
has threads), end with their parent however it ends, and leave signals to it: it stops handing out work.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2

from ocr_trainer.dataset.check import CheckedImage, Checker, Source, Task
from ocr_trainer.errors import Interrupted
from ocr_trainer.machine import processors

_WORTH_PROCESSES = 200
"""Images: fewer are checked before other processes have started."""
_MOST = 16
"""Processes: each holds 100 MB and a picture, and the one that writes can't keep up with more."""
_WAITING_PER_WORKER = 4

_checker: Checker | None = None
"""A worker's own."""


def check_all(
    root: Path, sources: list[Source], tasks: list[Task], stop: threading.Event
) -> Generator[CheckedImage, None, None]:
    """The tasks' results in their order; Interrupted soon after `stop` is set."""
    workers = min(processors(), _MOST)
    if workers == 1 or len(tasks) < _WORTH_PROCESSES:
        yield from _check_here(root, sources, tasks, stop)
        return
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(root, sources)
    )
    waiting: deque[Future[CheckedImage]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(_check, task))
            if len(waiting) >= workers * _WAITING_PER_WORKER:
                yield _result(waiting, stop)
        while waiting:
            yield _result(waiting, stop)
    except BrokenProcessPool as error:
        check_stop(stop)
        raise RuntimeError(
            "a process that checks images was killed, most likely for want of memory"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_here(
    root: Path, sources: list[Source], tasks: list[Task], stop: threading.Event
) -> Iterator[CheckedImage]:
    checker = Checker(root, sources)
    try:
        for task in tasks:
            check_stop(stop)
            yield checker.check(task)
    finally:
        checker.close()


def _result(waiting: "deque[Future[CheckedImage]]", stop: threading.Event) -> CheckedImage:
    check_stop(stop)
    return waiting.popleft().result()


def check_stop(stop: threading.Event) -> None:
    """Raise Interrupted once the stage was asked to stop."""
    if stop.is_set():
        raise Interrupted("stopped while images were checked; the next start checks them again")


def _start(root: Path, sources: list[Source]) -> None:
    global _checker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _checker = Checker(root, sources)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _check(task: Task) -> CheckedImage:
    assert _checker
    return _checker.check(task)
