"""Posts reports to one address: each project's in order, retried for long, given up in the end.

Few senders serve all projects through a work queue of their own, as workers do: a project is never in two
hands, so its reports stay in order, and one that cannot be sent holds up no other project's.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import aiohttp

from ocr_operator.logs import about
from ocr_operator.store import Key
from ocr_operator.telling.messages import Message
from ocr_operator.telling.news import Report
from ocr_operator.telling.outbox import Letter, Outbox
from ocr_operator.work_queue import WorkQueue

log = logging.getLogger(__name__)

SENDERS = 4
WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Of the 4xx; the others would be answered again, as would redirects, which are not followed."""


class Outcome(StrEnum):
    SENT = "sent"
    FAILED = "failed"
    """Refused by the receiver, or given up."""
    DROPPED = "dropped"
    """Progress that gave way to newer progress."""
    RETRIED = "retried"


@dataclass(frozen=True)
class Patience:
    """Seconds, and how many progress reports of a project may wait."""

    attempt: float = 15.0
    first_delay: float = 1.0
    longest_delay: float = 300.0
    progress: float = 3600.0
    """After so long nobody wants to hear of it any more."""
    end: float = 24 * 3600.0
    most_progress: int = 16


@dataclass(frozen=True)
class _Answer:
    sent: bool
    retry: bool = False
    retry_after: float = 0.0
    problem: str = ""


class Delivery:
    """`offer` returns at once; `run` sends until it is cancelled."""

    def __init__(
        self,
        name: str,
        url: str,
        write: Callable[[Report, int], Message],
        count: Callable[[str, Outcome], None],
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        """What logs and metrics call it; the URL may hold a token and is in neither."""
        self._url = url
        self._write = write
        self._count = count
        self._patience = patience or Patience()
        self._outbox = Outbox(self._patience.most_progress)
        self._queue = WorkQueue[Key]()
        self._in_flight = 0

    @property
    def waiting(self) -> int:
        """Reports that are not sent yet."""
        return len(self._outbox) + self._in_flight

    def offer(self, report: Report) -> None:
        """Take the report; it will be sent when its turn comes."""
        self._note_dropped(self._outbox.put(Letter(report, time.monotonic())))
        self._queue.add(report.project)

    async def run(self) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._patience.attempt)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                asyncio.TaskGroup() as senders,
            ):
                for _ in range(SENDERS):
                    senders.create_task(self._send_for_ever(session))
        finally:
            self._queue.close()
            # Whoever works next, this process or another, tells what was not told.
            self._queue = WorkQueue[Key]()
            self._outbox.clear()

    async def _send_for_ever(self, session: aiohttp.ClientSession) -> None:
        while True:
            project = await self._queue.get()
            try:
                await self._send_first(session, project)
            except Exception:  # a defect met by one report must not keep the others
                log.exception("A report of %s/%s to %s met a defect", *project, self.name)
                self._count(self.name, Outcome.FAILED)
            finally:
                if (first := self._outbox.first(project)) is not None:
                    self._queue.add_after(project, max(0.0, first.not_before - time.monotonic()))
                self._queue.done(project)

    async def _send_first(self, session: aiohttp.ClientSession, project: Key) -> None:
        first = self._outbox.first(project)
        if first is None or first.not_before > time.monotonic():
            return
        letter = self._outbox.take(project)
        self._in_flight += 1
        try:
            with about(project="/".join(project), run=letter.report.run):
                self._settle(letter, await self._post(session, letter.report))
        finally:
            self._in_flight -= 1

    def _settle(self, letter: Letter, answer: _Answer) -> None:
        if answer.sent:
            self._count(self.name, Outcome.SENT)
        elif answer.retry:
            self._retry(letter, answer)
        else:
            self._fail(answer.problem)

    async def _post(self, session: aiohttp.ClientSession, report: Report) -> _Answer:
        headers, body = self._write(report, int(time.time()))
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                status, hint = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Only its kind: the text of some errors holds the URL.
            return _Answer(sent=False, retry=True, problem=f"no answer ({type(error).__name__})")
        if 200 <= status < 300:
            return _Answer(sent=True)
        retry = status >= 500 or status in WORTH_ANOTHER_TRY
        after = float(hint) if hint.isdecimal() else 0.0
        return _Answer(sent=False, retry=retry, retry_after=after, problem=f"answer {status}")

    def _retry(self, letter: Letter, answer: _Answer) -> None:
        patience, now = self._patience, time.monotonic()
        longest = patience.end if letter.report.is_end else patience.progress
        backoff = min(patience.longest_delay, patience.first_delay * 2.0 ** min(letter.tries, 30))
        # Half of it by chance: receivers that come back are not hit by all projects at once.
        delay = max(backoff * random.uniform(0.5, 1.0), min(answer.retry_after, longest))
        if now + delay > letter.written + longest:
            self._fail(f"given up after {letter.tries + 1} tries: {answer.problem}")
            return
        log.log(
            logging.WARNING if letter.tries == 0 else logging.DEBUG,
            "A report to %s could not be sent and is tried again: %s",
            self.name,
            answer.problem,
        )
        self._count(self.name, Outcome.RETRIED)
        again = replace(letter, tries=letter.tries + 1, not_before=now + delay)
        self._note_dropped(self._outbox.put_back(again))

    def _fail(self, problem: str) -> None:
        self._count(self.name, Outcome.FAILED)
        log.warning("A report to %s was not sent: %s", self.name, problem)

    def _note_dropped(self, letter: Letter | None) -> None:
        if letter is not None:
            self._count(self.name, Outcome.DROPPED)
            log.debug("A progress report to %s gave way to newer ones", self.name)
