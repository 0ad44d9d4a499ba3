"""The one door to the Kubernetes API: a watch cache of the namespace's projects, and applies of spec.

Reads are answered from memory, so that a platform that polls costs the API server one watch per replica. The
watch is reopened every 20 s on purpose: each answer to it proves that the cache is not blind.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from ocr_api.errors import BadRequest, Conflict, Unavailable
from ocr_contract.names import project_name
from ocr_contract.project import Project, from_object
from ocr_contract.resource import API_FIELD_MANAGER, GROUP, PLURAL, VERSION

logger = logging.getLogger(__name__)

STALE_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 20
CALL_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 1.0
ATTEMPTS: Final = 8
"""Applies that lost against another writer (a trainer reports every few seconds) before giving up."""

_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)


class Projects:
    """The namespace's OcrProjects. `run` keeps the cache; use as `async with await Projects.connect(...)`."""

    def __init__(self, api_client: client.ApiClient, namespace: str, clock: Callable[[], float]) -> None:
        self._client = api_client
        self._api = client.CustomObjectsApi(api_client)
        self._address = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}
        self._clock = clock
        self._projects: dict[str, Project] = {}
        self._proven: float | None = None

    @classmethod
    async def connect(
        cls, namespace: str, kubeconfig: str | None, clock: Callable[[], float] = time.monotonic
    ) -> Self:
        """A client by the kubeconfig where there is one, else by the pod's own service account."""
        configuration = client.Configuration()
        if kubeconfig:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration), namespace, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    # Reading, from memory

    @property
    def not_ready(self) -> str | None:
        """Why the cache can't be trusted; None: it is fresh."""
        if self._proven is None:
            return "the projects have not been read from the API server yet"
        age = self._clock() - self._proven
        return f"the API server has not answered for {age:.0f} s" if age > STALE_SECONDS else None

    def all(self) -> list[Project]:
        """Every project; Unavailable before the first list."""
        if self._proven is None:
            raise Unavailable(self.not_ready)
        return list(self._projects.values())

    def find(self, project_id: str) -> Project | None:
        """The project with that projectID, whoever made it and under whatever name."""
        if self._proven is None:
            raise Unavailable(self.not_ready)
        usual = self._projects.get(project_name(project_id))
        if usual is not None and usual.project_id == project_id:
            return usual
        return next((p for p in self._projects.values() if p.project_id == project_id), None)

    # Writing

    async def change(
        self, project_id: str, decide: Callable[[dict[str, Any] | None, str], dict[str, Any] | None]
    ) -> Project:
        """Apply what `decide(live object or None, name)` wants, anew where another writer came first."""
        known = self.find(project_id)
        name = known.name if known is not None else project_name(project_id)
        for attempt in range(ATTEMPTS):
            live = await self._get(name)
            if live is not None and (other := from_object(live).project_id) != project_id:
                raise Conflict(f"the name {name!r} is taken by an OcrProject with projectID {other!r}")
            wanted = decide(live, name)
            if wanted is None and live is not None:
                return self._remember(live)
            try:
                applied = await self._call(
                    self._api.patch_namespaced_custom_object(
                        **self._address, name=name, body=wanted, field_manager=API_FIELD_MANAGER, force=True,
                        field_validation="Strict", _content_type="application/apply-patch+yaml",
                        _request_timeout=CALL_SECONDS,
                    )
                )  # fmt: skip
            except ApiException as error:
                if error.status == 409:
                    await asyncio.sleep(0.05 * (attempt + 1))
                    continue
                raise _told(error) from error
            logger.info("Applied %s", name)
            # The client decodes the answer to a change (200) only, not to a creation (201).
            created = await self._get(name) if applied is None else applied
            if created is not None:
                return self._remember(created)
        raise Unavailable(f"project {project_id!r} is being changed by others all the time; try again")

    async def _get(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._call(
                self._api.get_namespaced_custom_object(
                    **self._address, name=name, _request_timeout=CALL_SECONDS
                )
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise _told(error) from error

    async def _call(self, call: Any) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] | None = await call
        except _UNREACHABLE as error:
            raise Unavailable(f"the API server can't be reached: {error or type(error).__name__}") from error
        return document

    # Keeping the cache

    async def run(self) -> None:
        """List, then watch for ever; what goes wrong is logged and tried again."""
        version: str | None = None
        while True:
            try:
                version = await self._list() if version is None else await self._watch(version)
            except ApiException as error:
                if error.status == 410:
                    logger.info("The watch was too old and begins anew")
                    version = None
                    continue
                logger.warning(
                    "The API server refused to show OcrProjects: %s %s", error.status, error.reason
                )
                await asyncio.sleep(RETRY_SECONDS)
            except _UNREACHABLE as error:
                logger.warning("Lost the API server: %s", error or type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _list(self) -> str:
        listed = await self._api.list_namespaced_custom_object(**self._address, _request_timeout=CALL_SECONDS)
        projects = (from_object(item) for item in listed["items"])
        self._projects = {project.name: project for project in projects}
        self._proven = self._clock()
        version: str = listed["metadata"]["resourceVersion"]
        return version

    async def _watch(self, version: str) -> str:
        """Follow one watch until the API server ends it; where the next one goes on."""
        answer = await self._api.list_namespaced_custom_object_without_preload_content(
            **self._address, watch=True, resource_version=version, allow_watch_bookmarks=True,
            timeout_seconds=WATCH_SECONDS, _request_timeout=WATCH_SECONDS + CALL_SECONDS / 2,
        )  # fmt: skip
        async with answer:
            if answer.status != 200:
                raise ApiException(status=answer.status, reason=answer.reason)
            self._proven = self._clock()
            async for line in answer.content:
                event = json.loads(line)
                self._proven = self._clock()
                seen = event["object"]
                if event["type"] == "ERROR":
                    raise ApiException(status=seen.get("code"), reason=seen.get("message"))
                if event["type"] == "DELETED":
                    self._projects.pop(seen["metadata"]["name"], None)
                elif event["type"] in ("ADDED", "MODIFIED"):
                    self._remember(seen)
                version = seen["metadata"]["resourceVersion"]
        return version

    def _remember(self, document: Mapping[str, Any]) -> Project:
        """Into the cache, unless it holds a later version: an apply's answer and the watch may cross."""
        project = from_object(document)
        there = self._projects.get(project.name)
        if there is None or int(project.resource_version) >= int(there.resource_version):
            self._projects[project.name] = project
        return project


def _told(error: ApiException) -> BadRequest | Unavailable:
    """The API server's own sentence, as a refusal of the call or of the facade."""
    try:
        message = str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the API server answered {error.status} {error.reason}"
    return BadRequest(message) if error.status in (400, 422) else Unavailable(message)
