"""How far a long step is: bars on a person's terminal, a log line now and then in a pod.

with progress.task("Checking images", total=274) as task:
    for image in images:
        ...
        task.advance(note="loss 0.53")
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

logger = logging.getLogger(__name__)

_LOG_EVERY_SECONDS = 15.0


class Task(Protocol):
    def advance(self, steps: int = 1, *, note: str = "") -> None:
        """`steps` more of the total are done; `note` stands beside the bar."""
        ...


class Progress(Protocol):
    def task(self, title: str, total: int, *, done: int = 0) -> AbstractContextManager[Task]:
        """A step of `total` parts, of which `done` were done before."""
        ...


class _LoggedTask:
    def __init__(self, title: str, total: int, done: int, clock: Callable[[], float]) -> None:
        self._title, self._total, self._done, self._before = title, total, done, done
        self._clock = clock
        self._started = self._logged = clock()

    def advance(self, steps: int = 1, *, note: str = "") -> None:
        self._done += steps
        now = self._clock()
        if now - self._logged < _LOG_EVERY_SECONDS:
            return
        self._logged = now
        rate = (self._done - self._before) / (now - self._started)
        left = f", {(self._total - self._done) / rate:.0f} s left" if rate > 0 else ""
        logger.info(
            "%s: %d of %d%s%s", self._title, self._done, self._total, left, f", {note}" if note else ""
        )

    def finish(self) -> None:
        logger.info(
            "%s: %d of %d in %.1f s", self._title, self._done, self._total, self._clock() - self._started
        )


class LogProgress:
    """A log line every quarter of a minute, for logs that nobody watches live."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:
        task = _LoggedTask(title, total, done, self._clock)
        yield task
        task.finish()


class SilentProgress:
    """For processes beside the one that tells."""

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:
        del title, total, done
        yield _SilentTask()


class _SilentTask:
    def advance(self, steps: int = 1, *, note: str = "") -> None:
        pass


class BarProgress:
    """rich's bars on standard error, one at a time, with the time left."""

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:
        from rich import progress as rich
        from rich.console import Console

        columns = (
            rich.TextColumn("{task.description:<24}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            rich.TextColumn("{task.fields[note]}"),
        )
        with rich.Progress(*columns, console=Console(stderr=True)) as bars:
            identifier = bars.add_task(title, total=total, completed=done, note="")

            class Bar:
                def advance(self, steps: int = 1, *, note: str = "") -> None:
                    if note:
                        bars.update(identifier, advance=steps, note=note)
                    else:
                        bars.update(identifier, advance=steps)

            yield Bar()
