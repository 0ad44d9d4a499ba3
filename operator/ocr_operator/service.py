"""The operator as one process: watches, workers, resync and health in one event loop."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from ocr_operator.app import watch
from ocr_operator.errors import ApiError
from ocr_operator.health import build_health_app, serve_health
from ocr_operator.kube import Kube
from ocr_operator.resync import resync_forever
from ocr_operator.settings import Settings
from ocr_operator.store import Key, Store
from ocr_operator.work_queue import WorkQueue
from ocr_operator.worker import Worker

log = logging.getLogger(__name__)

WORKERS = 8
CRD_RETRY_SECONDS = 2.0


async def serve(settings: Settings, kubeconfig: str | None) -> None:
    """Run until SIGTERM or SIGINT."""
    ready = asyncio.Event()
    health = await serve_health(build_health_app(ready.is_set), settings.health_port)
    kube = await Kube.connect(kubeconfig)
    store, queue = Store(), WorkQueue[Key]()
    try:
        await _wait_for_crd(kube)
        log.info("Started in namespace %s", settings.namespace)
        workers = [Worker(store, queue, kube, settings, _now) for _ in range(WORKERS)]
        await _until_first_ends(
            watch(settings, kubeconfig, store, queue, ready),
            *(worker.run() for worker in workers),
            resync_forever(store, queue, kube, settings.namespace),
        )
        log.info("Stopped")
    finally:
        queue.close()
        await kube.close()
        await health.cleanup()


async def _wait_for_crd(kube: Kube) -> None:
    """The chart may install the CRD after this process has started."""
    while True:
        try:
            if await kube.serves_projects():
                return
            log.warning("The API server does not serve OcrProjects yet, again in %.0f s", CRD_RETRY_SECONDS)
        except ApiError as error:
            log.warning("The API server does not answer yet, again in %.0f s: %s", CRD_RETRY_SECONDS, error)
        await asyncio.sleep(CRD_RETRY_SECONDS)


async def _until_first_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """The parts live and end together: the first to end, by a signal or by an error, ends the others.

    All are tasks before the first one runs: kopf waits seconds for tasks that appeared after it started.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> datetime:
    """Whole seconds, as Kubernetes' own timestamps."""
    return datetime.now(UTC).replace(microsecond=0)
