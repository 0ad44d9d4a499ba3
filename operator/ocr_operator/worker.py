"""Carries out decisions: takes a key, looks, asks `reconcile`, acts, and comes back when that failed.

Deletes come before creates and creates before the status, so that whatever a crash leaves undone is seen
and done by the next look; names are deterministic, so nothing is done twice.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from ocr_contract.resource import API_VERSION, KIND, LABEL_PROJECT
from ocr_operator.decision import Decision, Event, Observed, Refusal
from ocr_operator.documents import Document, name_of, owner_uid
from ocr_operator.errors import ApiError, Conflict, NotFound, Refused
from ocr_operator.kube import Kube
from ocr_operator.logs import about_job, about_project
from ocr_operator.reconcile import reconcile
from ocr_operator.resync import take_over
from ocr_operator.settings import Settings
from ocr_operator.store import Key, Store, key_of, without_noise
from ocr_operator.waiting import NAME_TAKEN
from ocr_operator.work_queue import WorkQueue

log = logging.getLogger(__name__)

DONE, ERROR, DEFECT = "done", "error", "defect"
"""How an attempt to reconcile a key ends."""
MAX_LOOKS = 6
"""A first look, one after Jobs and one after the project were read, one for a refused Job; two to spare."""
_NOT_OURS = "is there already and not this project's; it is waited for: delete it if nobody needs it"


class Observer(Protocol):
    """Who counts what workers do."""

    def reconciled(self, result: str, seconds: float) -> None:
        """A key was looked at: DONE, ERROR or DEFECT."""

    def wrote_status(self, before: Document, after: Document) -> None:
        """A project's status was written."""


class Worker:
    """Reconciles one key at a time; several workers share store and queue."""

    def __init__(
        self,
        store: Store,
        queue: WorkQueue[Key],
        kube: Kube,
        settings: Settings,
        clock: Callable[[], datetime],
        observer: Observer,
    ) -> None:
        self._store = store
        self._queue = queue
        self._kube = kube
        self._settings = settings
        self._clock = clock
        self._observer = observer

    async def run(self) -> None:
        """For ever; errors of one key never end the worker."""
        while True:
            key = await self._queue.get()
            started = time.perf_counter()
            with about_project(key, self._store.projects.get(key)):
                result = await self._attend(key)
            self._observer.reconciled(result, time.perf_counter() - started)

    async def _attend(self, key: Key) -> str:
        """Reconcile the key, and see to it that it comes back where that failed."""
        try:
            await self._reconcile(key)
        except ApiError as error:
            delay = self._queue.add_failed(key)
            log.warning("Reconciling %s/%s failed, again in %.1f s: %s", *key, delay, error)
            return ERROR
        except Exception:  # a defect met by one project must not stop the others
            delay = self._queue.add_failed(key)
            log.exception("Reconciling %s/%s met a defect, again in %.1f s", *key, delay)
            return DEFECT
        else:
            self._queue.forgive(key)
            return DONE
        finally:
            self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        verified: frozenset[str] = frozenset()
        project_verified = False
        refused: dict[str, Refusal] = {}
        for _ in range(MAX_LOOKS):
            project = self._store.projects.get(key)
            if project is None:
                return
            observed = Observed(
                jobs=self._store.jobs_of(project),
                pods=self._store.pods_of(project),
                verified=verified,
                project_verified=project_verified,
                refused=refused,
                claimed_by=self._store.older_claimant(project),
            )
            decision = reconcile(project, observed, self._settings, self._clock())
            if decision.verify:
                await self._verify(key, decision.verify)
                verified |= frozenset(decision.verify)
            if decision.verify_project:
                await self._verify_project(project)
                project_verified = True
            if decision.verify or decision.verify_project:
                continue
            newly_refused = await self._act(project, decision)
            if not newly_refused:
                return
            refused |= newly_refused
        raise ApiError(0, "the project changed faster than it could be looked at")

    async def _act(self, project: Document, decision: Decision) -> dict[str, Refusal]:
        """Carry the decision out; what comes back are Jobs that may not be created."""
        key = key_of(project)
        for name in decision.force_deletes:
            await self._delete_by_force(key, name)
        for name in decision.deletes:
            await self._delete(key, name)
        refused = {}
        for job in decision.creates:
            with about_job(job):
                try:
                    await self._create(project, job)
                except Refused as error:
                    log.warning("Job %s was refused: %s", name_of(job), error)
                    refused[name_of(job)] = Refusal(error.status != 403, str(error))
                except Conflict as error:
                    log.warning("%s", error)
                    refused[name_of(job)] = Refusal(False, str(error), NAME_TAKEN)
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
        except NotFound:
            log.info("Project %s/%s went away before its status was written", *key_of(project))
            return
        except Conflict:  # another has its name by now
            await self._verify_project(project)
            raise
        self._store.remember_project(without_noise(written))
        self._observer.wrote_status(project, written)
        for event in decision.events:
            await self._tell(project, event)

    async def _create(self, project: Document, job: Document) -> None:
        namespace, name = job["metadata"]["namespace"], name_of(job)
        try:
            created = await self._kube.create_job(job)
        except Conflict:
            created = await self._kube.read_job(namespace, name)
            if owner_uid(created) != project["metadata"]["uid"]:
                raise Conflict(409, f"Job {name} {_NOT_OURS}") from None
            log.info("Adopted Job %s/%s", namespace, name)
        else:
            log.info("Created Job %s/%s", namespace, name)
        self._store.remember_job(without_noise(created))

    async def _delete(self, key: Key, name: str) -> None:
        job = self._store.jobs[key][name]
        with about_job(job):
            try:
                deleted = await self._kube.delete_job(key[0], name, job["metadata"]["uid"])
            except NotFound:
                self._store.forget_job(job)
            except Conflict:  # another has its name by now
                await self._verify(key, (name,))
                raise
            else:
                if deleted is not None:  # it stays until its pods are gone
                    self._store.remember_job(without_noise(deleted))
                log.info("Deleted Job %s/%s", key[0], name)

    async def _delete_by_force(self, key: Key, name: str) -> None:
        """End a pod that its silent node does not end. Its Job lets go of it only when it has failed."""
        pod = self._store.pods[key][name]
        uid = pod["metadata"]["uid"]
        try:
            if await self._kube.delete_pod(key[0], name, uid) is not None:
                await self._kube.fail_pod(key[0], name, uid)
        except (NotFound, Conflict):
            pass  # gone meanwhile
        self._store.forget_pod(pod)
        log.warning("Deleted pod %s/%s by force: its node is silent", key[0], name)

    async def _verify(self, key: Key, jobs: tuple[str, ...]) -> None:
        """Make the store hold what the API server has of these Jobs and of the project's pods."""
        namespace, project = key
        for name in jobs:
            try:
                self._store.remember_job(without_noise(await self._kube.read_job(namespace, name)))
            except NotFound:
                if known := self._store.jobs.get(key, {}).get(name):
                    self._store.forget_job(known)
        listing = await self._kube.list_pods(namespace, f"{LABEL_PROJECT}={project}")
        remembered = list(self._store.pods.get(key, {}).values())
        take_over(listing, remembered, self._store.remember_pod, self._store.forget_pod)

    async def _verify_project(self, project: Document) -> None:
        """Make the store hold the project as the API server has it, its pods' last reports included."""
        try:
            self._store.remember_project(without_noise(await self._kube.read_project(*key_of(project))))
        except NotFound:
            self._store.forget_project(project)

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
