"""The watching half: kopf hears of OcrProjects, Jobs and pods; everything heard is remembered and queued.

The one module that knows kopf. Only `on.event` handlers and indices are used: kopf's change handlers,
timers and daemons would write finalizers and annotations to the resource and turn events into triggers.
The indices hold nothing; kopf calls no event handler before all indexed kinds are listed once, so that
no project is looked at before its Jobs are known. Handlers are coroutines: kopf runs plain functions in
threads, and neither store nor queue is for more than one.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import aiohttp
import kopf

from ocr_contract.resource import GROUP, LABEL_PROJECT, PLURAL, VERSION
from ocr_operator.documents import Document
from ocr_operator.settings import Settings
from ocr_operator.store import Key, Store, without_noise
from ocr_operator.work_queue import WorkQueue

SERVER_TIMEOUT = 300
"""Seconds after which the API server ends a watch and kopf lists again: bounds what a lost event can cost."""
CONNECT_TIMEOUT = 10.0
LIST_TIMEOUT = 30.0
_JOBS = ("batch", "v1", "jobs")
_PODS = ("v1", "pods")
_LEASES = ("coordination.k8s.io", "v1", "leases")
_KINDS = {PLURAL: "project", "jobs": "job", "pods": "pod", "leases": "lease"}


@dataclasses.dataclass(frozen=True)
class Hearing:
    """Who is told of what the watches show; kinds are project, job, pod and lease."""

    saw: Callable[[str, int], None]
    """An event's kind and version."""
    listed: Callable[[str, float], None]
    """A kind was listed, and at which monotonic time that was asked for."""
    lease: Callable[[Document], None]
    """The Lease, each time it was written; the first time when every kind is listed and remembered."""
    took_signals: Callable[[], None]
    """kopf has made itself the process' signal handler."""


async def watch(
    settings: Settings, kubeconfig: str | None, store: Store, queue: WorkQueue[Key], hearing: Hearing
) -> None:
    """Watch until cancelled."""
    tasks = await kopf.spawn_tasks(
        registry=build_registry(kubeconfig, store, queue, hearing),
        settings=_kopf_settings(settings),
        namespaces=[settings.namespace],
        standalone=True,
    )
    hearing.took_signals()
    await kopf.run_tasks(tasks, ignored=_AllTasks())


def build_registry(
    kubeconfig: str | None, store: Store, queue: WorkQueue[Key], hearing: Hearing
) -> kopf.OperatorRegistry:
    """The handlers, bound to this store and queue."""
    registry = kopf.OperatorRegistry()
    labels = {LABEL_PROJECT: kopf.PRESENT}
    listed = False

    def is_first_list(**_: Any) -> bool:
        """Later the events alone tell: kopf would call both for each, at a tenth of the processor time."""
        return not listed

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> Any:
        found = kopf.login_with_kubeconfig(**kwargs) if kubeconfig else _login_with_service_account(**kwargs)
        return found and _with_traced_lists(found, hearing)

    @kopf.index(GROUP, VERSION, PLURAL, when=is_first_list, registry=registry)
    async def know_project(*, body: kopf.Body, **_: Any) -> None:
        store.remember_project(without_noise(dict(body)))

    @kopf.index(*_JOBS, labels=labels, when=is_first_list, registry=registry)
    async def know_job(*, body: kopf.Body, **_: Any) -> None:
        store.remember_job(without_noise(dict(body)))

    @kopf.index(*_PODS, labels=labels, when=is_first_list, registry=registry)
    async def know_pod(*, body: kopf.Body, **_: Any) -> None:
        store.remember_pod(without_noise(dict(body)))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def project_changed(event: Any, **_: Any) -> None:
        project = without_noise(event["object"])
        hearing.saw("project", _version(project))
        if event["type"] == "DELETED":
            for key in store.forget_project(project):
                queue.add(key)
        else:
            queue.add(store.remember_project(project))

    @kopf.on.event(*_JOBS, labels=labels, registry=registry)
    async def job_changed(event: Any, **_: Any) -> None:
        job = without_noise(event["object"])
        hearing.saw("job", _version(job))
        queue.add(store.forget_job(job) if event["type"] == "DELETED" else store.remember_job(job))

    @kopf.on.event(*_PODS, labels=labels, registry=registry)
    async def pod_changed(event: Any, **_: Any) -> None:
        pod = without_noise(event["object"])
        hearing.saw("pod", _version(pod))
        queue.add(store.forget_pod(pod) if event["type"] == "DELETED" else store.remember_pod(pod))

    @kopf.on.event(*_LEASES, registry=registry)
    async def lease_changed(event: Any, **_: Any) -> None:
        nonlocal listed
        listed = True
        hearing.saw("lease", _version(event["object"]))
        hearing.lease(event["object"])

    return registry


def _version(document: Document) -> int:
    return int(document["metadata"]["resourceVersion"])


def _login_with_service_account(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """By the address that every pod is given: kopf's own way asks DNS, which a cluster may lack."""
    connection = kopf.login_with_service_account(**kwargs)
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if connection is None or not host:
        return connection
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return dataclasses.replace(connection, server=server)


def _with_traced_lists(connection: kopf.ConnectionInfo, hearing: Hearing) -> kopf.AiohttpSession:
    """The connection, over a session that tells when a kind was listed: kopf has no handler for that."""

    async def starts(_: object, context: Any, __: object) -> None:
        context.asked = time.monotonic()

    async def ends(_: object, context: Any, request: aiohttp.TraceRequestEndParams) -> None:
        kind = _KINDS.get(request.url.name)
        if kind and "watch" not in request.url.query and request.response.status == 200:
            hearing.listed(kind, context.asked)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(starts)
    trace.on_request_end.append(ends)
    connector = aiohttp.TCPConnector(limit=0, ssl=connection.as_ssl_context())
    return kopf.AiohttpSession(
        server=connection.server,
        default_namespace=connection.default_namespace,
        priority=connection.priority,
        expiration=connection.expiration,
        aiohttp_session=aiohttp.ClientSession(
            connector=connector, headers=connection.as_http_headers(), trace_configs=[trace]
        ),
    )


class _AllTasks(Collection[Any]):
    """Every task is somebody else's: when it ends, kopf waits for the tasks of the whole event loop."""

    def __contains__(self, task: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Delays:
    """Seconds before each new attempt of a request, without end: after a last one kopf would give up."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0)
        while True:
            yield 5.0


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf copies and compares each object for change handlers, of which there are none here.

    Left in place, that took a third of the processor time of a burst of a thousand projects.
    """

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:  # noqa: ARG002
        raise AssertionError("only change handlers store a difference")


def _kopf_settings(ours: Settings) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # no rights to watch CRDs and namespaces are needed
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.connect_timeout = CONNECT_TIMEOUT
    settings.watching.inactivity_timeout = ours.watch_silence_seconds
    settings.networking.connect_timeout = CONNECT_TIMEOUT
    settings.networking.request_timeout = LIST_TIMEOUT
    settings.networking.error_backoffs = _Delays()
    settings.process.ultimate_exiting_timeout = None
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.queueing.idle_timeout = 1.0  # a handler is over at once: nothing is worth waiting for
    settings.queueing.exit_timeout = 1.0
    for resource in (_JOBS, _PODS):
        settings.watching.label_selectors[resource] = LABEL_PROJECT
    settings.watching.field_selectors[_LEASES] = f"metadata.name={ours.lease_name}"
    return settings
