"""The operator as one process: health, watches and the Lease, and, while it is held, all that acts.

A standby watches, too: what it takes over is remembered already, and a hand-over costs a look at the lists
instead of a start. It costs the memory of a leader.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import time
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from ocr_operator.app import Hearing, watch
from ocr_operator.documents import Document
from ocr_operator.errors import ApiError
from ocr_operator.gauges import Gauges
from ocr_operator.health import build_health_app, serve_health
from ocr_operator.kube import Kube
from ocr_operator.leadership import Leadership
from ocr_operator.lease import Candidate
from ocr_operator.metrics import Metrics
from ocr_operator.resource_check import ResourceCheck
from ocr_operator.resync import resync, resync_forever
from ocr_operator.settings import Settings
from ocr_operator.sight import Sight
from ocr_operator.store import Key, Store
from ocr_operator.telling.teller import Teller, deliveries_of
from ocr_operator.work_queue import WorkQueue
from ocr_operator.worker import Worker

log = logging.getLogger(__name__)

WORKERS = 16
"""Each waits for the API server most of its time: twice as many are quicker, four times as many no more."""
RETRY_SECONDS = 2.0
FINISH_SECONDS = 3.0
"""How long a reconcile in work may go on after SIGTERM, before the Lease is let go."""


async def serve(settings: Settings, kubeconfig: str | None) -> None:
    """Run until SIGTERM or SIGINT."""
    asyncio.get_running_loop().set_exception_handler(report_defect)
    sight = Sight(settings.blind_seconds, settings.lease_renew_seconds, time.monotonic())
    async with contextlib.AsyncExitStack() as ends:

        async def connect(may_write: Callable[[], bool] = lambda: True) -> Kube:
            kube = await Kube.connect(
                kubeconfig, lambda kind, version: sight.expect(kind, version, time.monotonic()), may_write
            )
            ends.push_async_callback(kube.close)
            return kube

        leadership = Leadership(await connect(), _candidate(settings), settings.lease_renew_seconds, sight)
        service = Service(settings, await connect(lambda: leadership.leads), leadership, sight)
        runner = await serve_health(service.health_app(), settings.health_port)
        ends.push_async_callback(runner.cleanup)
        await service.run(kubeconfig)
        log.info("Stopped")


def report_defect(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaits, to the log; but not that a watch of kopf's, stopped amid an event, can't be closed.

    That comes when the loop itself ends, after all the work: a traceback would send people looking.
    """
    if "asyncgen" in context:
        log.debug("%s", context["message"])
    else:
        loop.default_exception_handler(context)


class Service:
    """What the parts of the process share, and the order in which they begin and end."""

    def __init__(self, settings: Settings, kube: Kube, leadership: Leadership, sight: Sight) -> None:
        self._settings = settings
        self._kube = kube
        self._leadership = leadership
        self._sight = sight
        self._resource = ResourceCheck(kube, sight)
        self._store, self._queue = Store(), WorkQueue[Key]()
        self._metrics = Metrics(CollectorRegistry())
        self._deliveries = deliveries_of(settings, self._metrics.reported)
        self._stop = asyncio.Event()
        self._listed = asyncio.Event()
        """Every kind was listed and is remembered."""
        self._listings: set[str] = set()
        self._resync_wanted = asyncio.Event()
        self._metrics.show(
            Gauges(
                self._store,
                self._queue,
                self._deliveries,
                sight,
                leads=lambda: leadership.leads and self._listed.is_set(),
            )
        )

    def health_app(self) -> web.Application:
        """For the kubelet and for Prometheus."""

        def unreadiness() -> str | None:
            listed = None if self._listed.is_set() else "the first lists have not come back"
            return self._sight.silence(time.monotonic()) or self._resource.problem or listed

        return build_health_app(
            sickness=lambda: self._sight.blindness(time.monotonic()),
            unreadiness=unreadiness,
            role=lambda: "leading" if self._leadership.leads else "standby",
            pages=[self._metrics.route()],
        )

    async def run(self, kubeconfig: str | None) -> None:
        """Until a signal; then what is in work is finished and the Lease let go before the watches end."""
        self._take_signals()
        await _until_first_ends(self._stop.wait(), self._resource.wait())
        if self._stop.is_set():
            return
        await self._leadership.look()
        log.info("Started in namespace %s", self._settings.namespace)
        hearing = Hearing(self._saw, self._was_listed, self._lease_changed, self._take_signals)
        watching, keeping, leading = (
            asyncio.create_task(part)
            for part in (
                watch(self._settings, kubeconfig, self._store, self._queue, hearing),
                self._leadership.keep(),
                self._work_while_leading(),
            )
        )
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await _first_ends(stopped, watching, keeping, leading)
        finally:
            self._queue.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FINISH_SECONDS):
                    await self._queue.idle()
            await _end(stopped, keeping, leading)
            await self._leadership.release()
            await _end(watching)

    async def _work_while_leading(self) -> None:
        """Who had to wait for the Lease looks at the lists first: watches may lag behind another's work."""
        knows_all = self._leadership.leads
        while True:
            await self._leadership.gained()
            await self._listed.wait()
            log.info("This replica leads")
            await _until_first_ends(self._leadership.lost(), self._work(knows_all))
            log.warning("This replica stands by")
            knows_all = False

    async def _work(self, knows_all: bool) -> None:
        while not knows_all:
            try:
                await resync(self._store, self._queue, self._kube, self._settings.namespace)
                knows_all = True
            except ApiError as error:
                log.warning("The lists failed, again in %.0f s: %s", RETRY_SECONDS, error)
                await asyncio.sleep(RETRY_SECONDS)
        workers = [
            Worker(self._store, self._queue, self._kube, self._settings, _now, self._metrics)
            for _ in range(WORKERS)
        ]
        await _until_first_ends(
            *(worker.run() for worker in workers),
            resync_forever(
                self._store, self._queue, self._kube, self._settings.namespace, self._resync_wanted
            ),
            Teller(self._store, self._deliveries, _now).run(),
        )

    def _saw(self, kind: str, version: int) -> None:
        self._sight.see(kind, version)
        self._metrics.heard(kind)

    def _was_listed(self, kind: str, asked: float) -> None:
        self._sight.list_again(kind, asked)
        if kind in self._listings:  # a list does not say what was deleted while nobody watched
            self._resync_wanted.set()
        self._listings.add(kind)

    def _lease_changed(self, lease: Document) -> None:
        self._listed.set()
        self._leadership.hear(lease)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)


def _candidate(settings: Settings) -> Candidate:
    return Candidate(
        name=settings.lease_name,
        namespace=settings.namespace,
        identity=f"{socket.gethostname()}_{uuid.uuid4()}",
        holds_seconds=settings.lease_seconds,
        retry_seconds=settings.lease_retry_seconds,
    )


async def _until_first_ends(*parts: Coroutine[Any, Any, Any]) -> None:
    """The parts live and end together: the first to end, well or by an error, ends the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await _first_ends(*tasks)
    finally:
        await _end(*tasks)


async def _first_ends(*tasks: asyncio.Task[Any]) -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> datetime:
    """Whole seconds, as Kubernetes' own timestamps."""
    return datetime.now(UTC).replace(microsecond=0)
