"""Holds the Lease: at most one replica works, and a standby goes on where the holder let go or went silent.

The rules are in `lease.py`; here they meet the API server. A holder that could not renew for its deadline
stops to lead, seconds before anybody else may begin, and is a candidate again: its watches go on meanwhile,
and an API server that was merely down makes no process end.
"""

import asyncio
import contextlib
import logging
import math
import time
from datetime import UTC, datetime

from ocr_operator.documents import Document
from ocr_operator.errors import ApiError, Conflict, NotFound
from ocr_operator.kube import Kube
from ocr_operator.lease import Candidate, Sighting, decide, heard, holder, is_free, released
from ocr_operator.sight import Sight

log = logging.getLogger(__name__)

RELEASE_SECONDS = 2.0


class Leadership:
    """For one event loop, by `time.monotonic`; `kube` is a connection that nothing else uses.

    A renewal must not wait behind other calls, and of a pool of dead connections each would cost a timeout.
    """

    def __init__(self, kube: Kube, candidate: Candidate, renew_seconds: float, sight: Sight) -> None:
        self._kube = kube
        self._candidate = candidate
        self._renew_seconds = renew_seconds
        self._sight = sight
        self._sighting: Sighting | None = None
        self._renewed: float | None = None
        """When the last successful renewal was sent; None while another leads."""
        self._changed = asyncio.Condition()
        self._free = asyncio.Event()

    @property
    def leads(self) -> bool:
        """Whether this process may write now, whatever its tasks have noticed of it."""
        return self._renewed is not None and self._left() > 0

    async def keep(self) -> None:
        """Try for the Lease and renew it, until cancelled."""
        while True:
            wait = await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._free.wait()
            self._free.clear()

    async def look(self) -> float:
        """Look at the Lease once and write what there is to write; seconds until the next look."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(min(self._renew_seconds / 2, self._left())):
                wait = await self._step(begun)
        except (Conflict, NotFound):  # somebody else has written, or deleted it: read before the next step
            self._sight.answer(time.monotonic())
            self._sighting, wait = None, self._candidate.retry_seconds / 4
        except TimeoutError:
            self._sight.complain("has not answered", "a call took too long")
            wait = self._candidate.retry_seconds
        except ApiError as error:
            self._sight.complain(
                "has answered with errors" if error.status else "has not answered", str(error)
            )
            wait = self._candidate.retry_seconds
        else:
            self._sight.answer(time.monotonic())
        if self._renewed is not None and self._left() <= 0:
            log.warning("The Lease was not renewed for %.1f s", time.monotonic() - self._renewed)
            await self._set(None)
        return min(wait, self._left())

    def _left(self) -> float:
        """Seconds until this process would stop to lead."""
        if self._renewed is None:
            return math.inf
        return max(0.0, self._renewed + self._renew_seconds - time.monotonic())

    def hear(self, lease: Document) -> None:
        """The watch has shown the Lease: a sign of its holder's life, or that it is free."""
        if self._renewed is None:
            self._sighting = heard(self._sighting, lease, time.monotonic())
            if is_free(self._sighting, time.monotonic()):
                self._free.set()

    async def gained(self) -> None:
        """Return when this process leads."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._renewed is not None)

    async def lost(self) -> None:
        """Return when this process does not lead any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._renewed is None)

    async def release(self) -> None:
        """Let the Lease go, if it is ours, for another to take at once."""
        if self._renewed is None or self._sighting is None:
            return
        self._renewed = None
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._kube.write_lease(released(self._sighting.lease, datetime.now(UTC)))
        except (ApiError, TimeoutError) as error:
            log.warning("The Lease was not let go and will run out: %s", str(error) or "no answer")
        else:
            log.info("Let the Lease go")

    async def _step(self, begun: float) -> float:
        if self._renewed is None or self._sighting is None:
            await self._read()
        step = decide(self._sighting, self._candidate, time.monotonic(), datetime.now(UTC))
        if step.write is not None:
            written = await self._kube.write_lease(step.write)
            self._sighting = Sighting(written, time.monotonic())
            await self._set(begun)
        elif self._renewed is not None:
            log.warning("The Lease was taken by %s", holder(self._sighting.lease) if self._sighting else "?")
            await self._set(None)
        return step.wait

    async def _read(self) -> None:
        try:
            lease = await self._kube.read_lease(self._candidate.namespace, self._candidate.name)
        except NotFound:
            self._sighting = None
        else:
            self._sighting = heard(self._sighting, lease, time.monotonic())

    async def _set(self, renewed: float | None) -> None:
        changes = (renewed is None) != (self._renewed is None)
        self._renewed = renewed
        if changes:
            async with self._changed:
                self._changed.notify_all()
