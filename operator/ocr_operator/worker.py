"""Carries out decisions: takes a key, looks, asks `reconcile`, acts, and comes back when that failed.

Deletes come before creates and creates before the status, so that whatever a crash leaves undone is seen
and done by the next look; names are deterministic, so nothing is done twice.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ocr_contract.resource import API_VERSION, KIND, LABEL_PROJECT
from ocr_operator.decision import Decision, Event, Observed, Refusal
from ocr_operator.documents import Document, name_of, owner_uid
from ocr_operator.errors import ApiError, Conflict, NotFound, Refused
from ocr_operator.kube import Kube
from ocr_operator.reconcile import reconcile
from ocr_operator.settings import Settings
from ocr_operator.store import Key, Store, key_of, without_noise
from ocr_operator.work_queue import WorkQueue

log = logging.getLogger(__name__)

MAX_LOOKS = 4
"""A first look, one for Jobs that had to be read, one for a Job that was refused; one to spare."""


class Worker:
    """Reconciles one key at a time; several workers share store and queue."""

    def __init__(
        self,
        store: Store,
        queue: WorkQueue[Key],
        kube: Kube,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._queue = queue
        self._kube = kube
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """For ever; errors of one key never end the worker."""
        while True:
            key = await self._queue.get()
            try:
                await self._reconcile(key)
            except ApiError as error:
                delay = self._queue.add_failed(key)
                log.warning("Reconciling %s/%s failed, again in %.1f s: %s", *key, delay, error)
            except Exception:  # a defect met by one project must not stop the others
                delay = self._queue.add_failed(key)
                log.exception("Reconciling %s/%s met a defect, again in %.1f s", *key, delay)
            else:
                self._queue.forgive(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        verified: frozenset[str] = frozenset()
        refused: dict[str, Refusal] = {}
        for _ in range(MAX_LOOKS):
            project = self._store.projects.get(key)
            if project is None or project["metadata"].get("deletionTimestamp"):
                return
            observed = Observed(
                jobs=self._store.jobs_of(project),
                pods=self._store.pods_of(project),
                verified=verified,
                refused=refused,
                claimed_by=self._store.older_claimant(project),
            )
            decision = reconcile(project, observed, self._settings, self._clock())
            if decision.verify:
                for name in decision.verify:
                    await self._verify(key, name)
                verified |= frozenset(decision.verify)
                continue
            newly_refused = await self._act(project, decision)
            if not newly_refused:
                return
            refused |= newly_refused
        raise ApiError(0, "the project changed faster than it could be looked at")

    async def _act(self, project: Document, decision: Decision) -> dict[str, Refusal]:
        """Carry the decision out; what comes back are Jobs that may not be created."""
        key = key_of(project)
        for name in decision.deletes:
            await self._delete(key, name)
        refused = {}
        for job in decision.creates:
            try:
                await self._create(project, job)
            except Refused as error:
                log.warning("Job %s was refused: %s", job["metadata"]["name"], error)
                refused[job["metadata"]["name"]] = Refusal(error.status != 403, str(error))
        if refused:
            return refused
        await self._write_status(project, decision)
        if decision.requeue_after is not None:
            self._queue.add_after(key, decision.requeue_after)
        return {}

    async def _write_status(self, project: Document, decision: Decision) -> None:
        current = {name: part for name, part in (project.get("status") or {}).items() if name != "trainer"}
        if current == decision.status:
            return
        try:
            written = await self._kube.apply_status(project, decision.status)
        except (NotFound, Conflict):
            log.info("Project %s/%s went away before its status was written", *key_of(project))
            return
        self._store.remember_project(without_noise(written))
        for event in decision.events:
            await self._tell(project, event)

    async def _create(self, project: Document, job: Document) -> None:
        namespace, name = job["metadata"]["namespace"], name_of(job)
        try:
            created = await self._kube.create_job(job)
        except Conflict:
            created = await self._kube.read_job(namespace, name)
            if owner_uid(created) != project["metadata"]["uid"]:
                raise Conflict(409, f"Job {name} belongs to something else and is waited for") from None
            log.info("Adopted Job %s/%s", namespace, name)
        else:
            log.info("Created Job %s/%s", namespace, name)
        self._store.remember_job(without_noise(created))

    async def _delete(self, key: Key, name: str) -> None:
        job = self._store.jobs[key][name]
        try:
            await self._kube.delete_job(key[0], name, job["metadata"]["uid"])
        except (NotFound, Conflict):
            self._store.forget_job(job)
        else:
            log.info("Deleted Job %s/%s", key[0], name)

    async def _verify(self, key: Key, name: str) -> None:
        """Make the store hold what the API server has of this Job and its pods."""
        namespace = key[0]
        try:
            job = await self._kube.read_job(namespace, name)
        except NotFound:
            known = self._store.jobs.get(key, {}).get(name)
            if known is not None:
                self._store.forget_job(known)
            return
        self._store.remember_job(without_noise(job))
        selector = f"batch.kubernetes.io/job-name={name},{LABEL_PROJECT}={key[1]}"
        for pod in (await self._kube.list_pods(namespace, selector)).items:
            self._store.remember_pod(without_noise(pod))

    async def _tell(self, project: Document, event: Event) -> None:
        """An Event is a courtesy: that it cannot be written stops nothing."""
        try:
            await self._kube.create_event(
                project["metadata"]["namespace"], _event(project, event, self._clock())
            )
        except ApiError as error:
            log.warning("Event %s of %s was not written: %s", event.reason, name_of(project), error)


def _event(project: Document, event: Event, now: datetime) -> dict[str, Any]:
    metadata = project["metadata"]
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "message": event.message[:1024],
        "source": {"component": "ocr-operator"},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
