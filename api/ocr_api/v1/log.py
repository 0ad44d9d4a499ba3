"""The end of a log that is being written, and what comes after it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from ocr_api.files import Volume

_BLOCK = 64 * 1024
_MAX_TAIL = 4 * 1024 * 1024
_LOOK_SECONDS = 0.5
_LAST_LOOKS = 4
"""Once the run has ended: the last lines may come a moment after its status."""


class Tail(NamedTuple):
    text: bytes
    end: int
    """Where in the file it ends."""


def tail(volume: Volume, path: str, lines: int) -> Tail | None:
    """The last `lines` lines, 4 MiB at most; None where there is no file."""
    with volume.reading(path) as file:
        if file is None:
            return None
        end = start = file.seek(0, os.SEEK_END)
        text = b""
        while start > 0 and end - start < _MAX_TAIL and text.count(b"\n") <= lines:
            size = min(_BLOCK, start)
            start -= size
            file.seek(start)
            text = file.read(size) + text
        kept = text.splitlines(keepends=True)[-lines:]
        return Tail(b"".join(kept), end)


async def follow(
    volume: Volume, path: str, place: int, under_way: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """What is written from `place` on, until the run is over; from the start of a file that was cut short."""
    looks = _LAST_LOOKS
    while looks:
        block = await run_in_threadpool(_read, volume, path, place)
        if block is None:  # shorter than before: written anew
            place, block = 0, await run_in_threadpool(_read, volume, path, 0) or b""
        if block:
            place += len(block)
            yield block
            continue
        looks = _LAST_LOOKS if under_way() else looks - 1
        await asyncio.sleep(_LOOK_SECONDS)


def _read(volume: Volume, path: str, place: int) -> bytes | None:
    """A block at the place; None where the file ends before it."""
    with volume.reading(path) as file:
        if file is None:
            return b"" if place == 0 else None
        if file.seek(0, os.SEEK_END) < place:
            return None
        file.seek(place)
        return file.read(_BLOCK)
