"""How quick a training is lately: items a second, the share of waiting for data, the time left."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_STEPS = 50


@dataclass(frozen=True)
class _Step:
    seconds: float
    waited: float
    items: int


class Pace:
    """Told at the edges of each step; validations and pauses don't count as steps."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._steps: deque[_Step] = deque(maxlen=_STEPS)
        self._began = self._data_at = self._paused_at = clock()
        self._validation_seconds = 0.0

    def resume(self) -> None:
        """A step begins now, whatever was before."""
        self._began = self._clock()

    def data_came(self) -> None:
        self._data_at = self._clock()

    def step_done(self, items: int) -> None:
        now = self._clock()
        self._steps.append(_Step(now - self._began, self._data_at - self._began, items))
        self._began = now

    def pause(self) -> None:
        """A validation begins."""
        self._paused_at = self._clock()

    def validated(self) -> None:
        self._validation_seconds = self._clock() - self._paused_at

    @property
    def items_per_second(self) -> float:
        return sum(step.items for step in self._steps) / max(self._seconds, 1e-9)

    @property
    def data_wait(self) -> float:
        """0 to 1."""
        return min(1.0, sum(step.waited for step in self._steps) / max(self._seconds, 1e-9))

    def seconds_left(self, steps: int, validations: int) -> int:
        mean = self._seconds / len(self._steps) if self._steps else 0.0
        return round(steps * mean + validations * self._validation_seconds)

    @property
    def _seconds(self) -> float:
        return sum(step.seconds for step in self._steps)
