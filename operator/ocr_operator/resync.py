"""A slow second look at everything, for what a watch may have missed.

A watch that was cut off lists again, but a list does not say what was deleted meanwhile. Here the lists
are compared with what is remembered, ghosts are forgotten, and every project is looked at once more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from ocr_contract.resource import LABEL_PROJECT
from ocr_operator.documents import Document
from ocr_operator.errors import ApiError
from ocr_operator.kube import Kube, Listing
from ocr_operator.store import Key, Store, without_noise
from ocr_operator.work_queue import WorkQueue

log = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
SETTLE_SECONDS = 2.0
"""Watches that were cut off together list again one after another: one look after the last is enough."""


async def resync_forever(
    store: Store, queue: WorkQueue[Key], kube: Kube, namespace: str, wanted: asyncio.Event
) -> None:
    """Now and then, and soon after it was `wanted`, until cancelled."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY_SECONDS):
                await wanted.wait()
        await asyncio.sleep(SETTLE_SECONDS)
        wanted.clear()
        try:
            await resync(store, queue, kube, namespace)
        except ApiError as error:
            log.warning("Resync failed, again in %.0f s: %s", SETTLE_SECONDS, error)
            wanted.set()


async def resync(store: Store, queue: WorkQueue[Key], kube: Kube, namespace: str) -> None:
    """List everything once and enqueue every project."""
    listed = await kube.list_projects(namespace)
    take_over(listed, list(store.projects.values()), store.remember_project, store.forget_project)
    for listing, known, remember, forget in (
        (await kube.list_jobs(namespace, LABEL_PROJECT), store.jobs, store.remember_job, store.forget_job),
        (await kube.list_pods(namespace, LABEL_PROJECT), store.pods, store.remember_pod, store.forget_pod),
    ):
        take_over(listing, [item for items in known.values() for item in items.values()], remember, forget)
    for key in store.projects:
        queue.add(key)


def take_over(
    listing: Listing,
    known: list[Document],
    remember: Callable[[Document], object],
    forget: Callable[[Document], object],
) -> None:
    """Remember what is listed, and forget what is older than the list and not in it."""
    there = {item["metadata"]["uid"] for item in listing.items}
    for item in listing.items:
        remember(without_noise(item))
    for document in known:
        metadata = document["metadata"]
        if metadata["uid"] not in there and int(metadata["resourceVersion"]) <= listing.version:
            forget(document)
