"""The time that a self-test has, and whether somebody wants it to end."""

import threading
from collections.abc import Callable

from ocr_api.selftest.errors import Stopped


class Pace:
    """stop: set by a signal. Heeded where nothing is half done: between calls, never within one."""

    def __init__(self, seconds: float, stop: threading.Event, clock: Callable[[], float]) -> None:
        self.seconds, self._stop, self._clock = seconds, stop, clock
        self._begun = clock()

    @property
    def elapsed(self) -> float:
        return self._clock() - self._begun

    @property
    def is_over(self) -> bool:
        return self.elapsed >= self.seconds

    def pause(self, seconds: float) -> None:
        """Let time pass; Stopped as soon as somebody wants the end."""
        if self._stop.wait(seconds):
            raise Stopped
