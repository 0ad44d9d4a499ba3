"""Hears of each change of a project and hands what is worth telling to every delivery."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from ocr_operator.documents import Document
from ocr_operator.logs import about
from ocr_operator.settings import Settings
from ocr_operator.store import Store, key_of
from ocr_operator.telling.delivery import Delivery, Outcome
from ocr_operator.telling.messages import cloud_event, status_report
from ocr_operator.telling.news import reports_between

log = logging.getLogger(__name__)


def deliveries_of(settings: Settings, count: Callable[[str, Outcome], None]) -> tuple[Delivery, ...]:
    """Those that the settings name; there may be none."""
    found = []
    if url := settings.status_report_url:
        secrets = settings.status_report_secrets
        found.append(
            Delivery("status_report", url, lambda report, time: status_report(report, time, secrets), count)
        )
    if url := settings.cloudevents_url:
        found.append(Delivery("cloudevents", url, lambda report, _: cloud_event(report), count))
    return tuple(found)


class Teller:
    """One for all deliveries: what they are told is the same."""

    def __init__(self, store: Store, deliveries: Sequence[Delivery], clock: Callable[[], datetime]) -> None:
        self._store = store
        self._deliveries = deliveries
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled, which it must be when another replica leads. First what the one before may owe."""
        if not self._deliveries:
            await asyncio.Event().wait()
        for project in self._store.projects.values():
            self._project_changed(None, project)
        self._store.on_change.append(self._project_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                for delivery in self._deliveries:
                    tasks.create_task(delivery.run())
        finally:
            self._store.on_change.remove(self._project_changed)

    def _project_changed(self, before: Document | None, after: Document) -> None:
        """Tell what is news; never raises, never waits."""
        if self._store.older_claimant(after):
            return  # of two projects with one projectID the platform hears of the one that works
        try:
            reports = reports_between(before, after, self._clock())
        except Exception:  # a defect here must not keep anybody from working on the project
            with about(project="/".join(key_of(after))):
                log.exception("What became of a project could not be told")
            return
        for report in reports:
            for delivery in self._deliveries:
                delivery.offer(report)
