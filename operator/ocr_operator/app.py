"""The watching half: kopf hears of OcrProjects, Jobs and pods; everything heard is remembered and queued.

The one module that knows kopf. Only `on.event` handlers and indices are used: kopf's change handlers,
timers and daemons would write finalizers and annotations to the resource and turn events into triggers.
The indices hold nothing; kopf calls no event handler before all indexed kinds are listed once, so that
no project is looked at before its Jobs are known. Handlers are coroutines: kopf runs plain functions in
threads, and neither store nor queue is for more than one.
"""

import asyncio
import dataclasses
import logging
import os
from typing import Any

import kopf

from ocr_contract.resource import GROUP, LABEL_PROJECT, PLURAL, VERSION
from ocr_operator.settings import Settings
from ocr_operator.store import Key, Store, without_noise
from ocr_operator.work_queue import WorkQueue

SERVER_TIMEOUT = 300
"""Seconds after which the API server ends a watch and kopf lists again: bounds what a lost event can cost."""
CONNECT_TIMEOUT = 10.0
_JOBS = ("batch", "v1", "jobs")
_PODS = ("v1", "pods")


def configure_logging(log_format: str) -> None:
    """Text, or one JSON object a line."""
    kopf.configure(log_format=kopf.LogFormat.JSON if log_format == "json" else kopf.LogFormat.FULL)
    logging.getLogger("kopf").setLevel(logging.WARNING)


async def watch(
    settings: Settings, kubeconfig: str | None, store: Store, queue: WorkQueue[Key], ready: asyncio.Event
) -> None:
    """Watch until SIGTERM or SIGINT; `ready` is set when kopf has started."""
    await kopf.operator(
        registry=build_registry(kubeconfig, store, queue),
        settings=_kopf_settings(),
        namespaces=[settings.namespace],
        standalone=True,
        ready_flag=ready,
    )


def build_registry(kubeconfig: str | None, store: Store, queue: WorkQueue[Key]) -> kopf.OperatorRegistry:
    """The handlers, bound to this store and queue."""
    registry = kopf.OperatorRegistry()
    labels = {LABEL_PROJECT: kopf.PRESENT}

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_kubeconfig(**kwargs) if kubeconfig else _login_with_service_account(**kwargs)

    @kopf.index(GROUP, VERSION, PLURAL, registry=registry)
    async def know_project(*, body: kopf.Body, **_: Any) -> None:
        store.remember_project(without_noise(dict(body)))

    @kopf.index(*_JOBS, labels=labels, registry=registry)
    async def know_job(*, body: kopf.Body, **_: Any) -> None:
        store.remember_job(without_noise(dict(body)))

    @kopf.index(*_PODS, labels=labels, registry=registry)
    async def know_pod(*, body: kopf.Body, **_: Any) -> None:
        store.remember_pod(without_noise(dict(body)))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def project_changed(event: Any, **_: Any) -> None:
        project = without_noise(event["object"])
        if event["type"] == "DELETED":
            for key in store.forget_project(project):
                queue.add(key)
        else:
            queue.add(store.remember_project(project))

    @kopf.on.event(*_JOBS, labels=labels, registry=registry)
    async def job_changed(event: Any, **_: Any) -> None:
        job = without_noise(event["object"])
        queue.add(store.forget_job(job) if event["type"] == "DELETED" else store.remember_job(job))

    @kopf.on.event(*_PODS, labels=labels, registry=registry)
    async def pod_changed(event: Any, **_: Any) -> None:
        pod = without_noise(event["object"])
        queue.add(store.forget_pod(pod) if event["type"] == "DELETED" else store.remember_pod(pod))

    return registry


def _login_with_service_account(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """By the address that every pod is given: kopf's own way asks DNS, which a cluster may lack."""
    connection = kopf.login_with_service_account(**kwargs)
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if connection is None or not host:
        return connection
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return dataclasses.replace(connection, server=server)


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


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # no rights to watch CRDs and namespaces are needed
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.connect_timeout = CONNECT_TIMEOUT
    settings.process.ultimate_exiting_timeout = None
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.queueing.idle_timeout = 1.0  # a handler is over at once: nothing is worth waiting for
    settings.queueing.exit_timeout = 1.0
    for resource in (_JOBS, _PODS):
        settings.watching.label_selectors[resource] = LABEL_PROJECT
    return settings
