"""Asks at the start whether the cluster's OcrProjects have every field that this facade knows.

Until they have, the facade answers what it is asked, but is not ready: it can neither show nor set what an
older resource has no place for, so a rollout must not put it in the place of replicas that do their work.
"""

import asyncio
import logging

from ocr_api.errors import FacadeError, Forbidden
from ocr_api.kube import RETRY_SECONDS, Projects
from ocr_contract.resource_schema import complaint

logger = logging.getLogger(__name__)


class ResourceCheck:
    """`wait` once; `not_ready` is for /readyz meanwhile."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._problem: str | None = None
        self._unknown: str | None = "the OcrProject resource has not been looked at yet"

    @property
    def not_ready(self) -> str | None:
        """Why no caller should be sent here; None: they may."""
        return self._problem or self._projects.not_ready or self._unknown

    async def wait(self) -> None:
        """Return when there is nothing to wait for."""
        while True:
            try:
                found = await self._look()
            except FacadeError as error:  # the watch tells the log of an API server that is down
                self._unknown = f"the OcrProject resource could not be looked at: {error}"
            else:
                if found is not None and found != self._problem:
                    logger.error("Not ready until this is put right: %s", found)
                self._problem, self._unknown = found, None
                if found is None:
                    return
            await asyncio.sleep(RETRY_SECONDS)

    async def _look(self) -> str | None:
        """What is wrong with the resource, if anything."""
        try:
            described = await self._projects.describe()
        except Forbidden as error:  # by a cluster that shows less than Kubernetes does by default
            logger.warning("Going on without knowing whether OcrProjects have every field: %s", error)
            return None
        return complaint(described, "facade")
