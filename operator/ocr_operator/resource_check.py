"""Waits at the start until the cluster serves OcrProjects that have every field this operator knows.

On an older resource gates would be lost and statuses refused, so nothing is done meanwhile, and /readyz says
why: a rollout keeps the replicas that work. When the resource was upgraded, it goes on by itself.
"""

import asyncio
import logging
import time

from ocr_contract.resource_schema import complaint
from ocr_operator.errors import ApiError, Refused
from ocr_operator.kube import Kube
from ocr_operator.sight import Sight

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


class ResourceCheck:
    """`wait` once; `problem` is for /readyz meanwhile."""

    def __init__(self, kube: Kube, sight: Sight) -> None:
        self._kube = kube
        self._sight = sight
        self.problem: str | None = None
        """Why there is nothing to work on; None: there is, or the API server has not answered yet."""

    async def wait(self) -> None:
        """Return when there is nothing to wait for."""
        while True:
            try:
                found = await self._look()
            except ApiError as error:
                self._sight.complain("has not answered", str(error))
                log.warning("The API server does not answer yet, again in %.0f s: %s", RETRY_SECONDS, error)
            else:
                self._sight.answer(time.monotonic())
                if found is not None and found != self.problem:
                    log.error("Doing nothing until this is put right: %s", found)
                self.problem = found
                if found is None:
                    return
            await asyncio.sleep(RETRY_SECONDS)

    async def _look(self) -> str | None:
        """What is wrong with the resource, if anything."""
        if not await self._kube.serves_projects():
            return complaint(None, "operator")
        try:
            described = await self._kube.describe_projects()
        except Refused as error:  # by a cluster that shows less than Kubernetes does by default
            log.warning("Going on without knowing whether OcrProjects have every field: %s", error)
            return None
        return complaint(described, "operator")
