"""A queue of keys that somebody should look at again: each key once, never in two hands, later on request.

The semantics are those of client-go's work queue, which level-triggered controllers rely on: a key added
twice is handed out once; a key added while it is in work is handed out again when that work is done; a
key that failed comes back later and later.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_DELAY = 0.05
LONGEST_DELAY = 60.0


class WorkQueue(Generic[Key]):
    """For one event loop; nothing here is thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: deque[Key] = deque()
        self._waiting: dict[Key, float] = {}
        """Keys to be handed out and since when, longest first; in `_ready` unless they are in work."""
        self._in_work: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wakeup = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def oldest_wait(self) -> float:
        """For how many seconds the key that waits longest has been due; 0: none waits."""
        return self._clock() - next(iter(self._waiting.values())) if self._waiting else 0.0

    def add(self, key: Key) -> None:
        """Hand the key out as soon as a worker is free."""
        if key in self._waiting:
            return
        self._waiting[key] = self._clock()
        if key not in self._in_work:
            self._ready.append(key)
            self._wakeup.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key in so many seconds; of several such wishes the earliest counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        known = self._timers.get(key)
        if known is not None:
            if known.when() <= due:
                return
            known.cancel()
        self._timers[key] = loop.call_at(due, self._expire, key)

    def add_failed(self, key: Key) -> float:
        """Add the key after a delay that doubles with each failure in a row; returns the delay."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(count, 20))
        self.add_after(key, delay)
        return delay

    def forgive(self, key: Key) -> None:
        """The key's work succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key; `done` must follow."""
        while self._closed or not self._ready:
            self._wakeup.clear()
            await self._wakeup.wait()
        key = self._ready.popleft()
        del self._waiting[key]
        self._in_work.add(key)
        self._idle.clear()
        return key

    def done(self, key: Key) -> None:
        """The key is out of work; hand it out again if it was added meanwhile."""
        self._in_work.discard(key)
        if not self._in_work:
            self._idle.set()
        if key in self._waiting:
            self._ready.append(key)
            self._wakeup.set()

    def close(self) -> None:
        """Hand out nothing more, and cancel what is due later."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def idle(self) -> None:
        """Return when no key is in work."""
        await self._idle.wait()

    def _expire(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)
