"""How full the shared volume is, asked of it at each scrape.

A volume whose server is gone answers no call and lets go of no caller: it is asked in a thread of its own,
one at a time, for which nobody waits longer than a moment and which keeps no process from ending.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PATIENCE_SECONDS = 2.0
"""For one answer; Prometheus itself waits 10 s for a page."""


@dataclass(frozen=True)
class Room:
    """Bytes of the volume, and those that a user who is not root may still write."""

    size: int
    free: int


def measure(root: Path) -> Room:
    """Ask the volume."""
    found = os.statvfs(root)
    return Room(found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail)


class Space(Collector):
    """What the volume has answered last, for one event loop."""

    def __init__(
        self,
        root: Path,
        measure: Callable[[Path], Room] = measure,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._root, self._measure, self._clock, self._patience = root, measure, clock, patience
        self._room: Room | None = None
        self._asked: asyncio.Future[Room | None] | None = None
        self._silent_since: float | None = None
        """Since when every question was left without an answer."""

    async def look(self) -> None:
        """Ask anew, or go on waiting for what was asked before, but never for long."""
        if self._asked is None:
            loop = asyncio.get_running_loop()
            self._asked = loop.create_future()
            if self._silent_since is None:
                self._silent_since = self._clock()
            threading.Thread(target=self._ask, args=(loop, self._asked), daemon=True).start()
        asked = self._asked
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await asyncio.shield(asked)
        if not asked.done():
            self._room = None

    def collect(self) -> Iterator[Metric]:
        silence = 0.0 if self._silent_since is None else self._clock() - self._silent_since
        yield GaugeMetricFamily(
            "ocr_api_volume_silence_seconds", "How long the volume has told no size; 0: it has", silence
        )
        if self._room is not None:
            yield GaugeMetricFamily("ocr_api_volume_size_bytes", "Bytes of the volume", self._room.size)
            yield GaugeMetricFamily(
                "ocr_api_volume_free_bytes", "Bytes of the volume that may still be written", self._room.free
            )

    def _ask(self, loop: asyncio.AbstractEventLoop, asked: "asyncio.Future[Room | None]") -> None:
        try:
            room = self._measure(self._root)
        except OSError:  # it was unmounted, or its server has refused
            room = None
        with suppress(RuntimeError):  # the process ends and its loop is closed
            loop.call_soon_threadsafe(self._take, asked, room)

    def _take(self, asked: "asyncio.Future[Room | None]", room: Room | None) -> None:
        self._room, self._asked = room, None
        if room is not None:
            self._silent_since = None
        if not asked.done():
            asked.set_result(room)
