"""The one door to the Kubernetes API: a watch cache of the namespace's projects, and applies of spec.

Reads are answered from memory, so that a platform that polls costs the API server one watch per replica. The
watch is reopened every 20 s on purpose: each answer to it proves that the cache is not blind.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self, TypeVar

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from ocr_api.cache import ProjectCache, Seen
from ocr_api.errors import BadRequest, Conflict, FacadeError, Forbidden, NotFound, Unavailable
from ocr_contract.names import project_name
from ocr_contract.project import Project, from_object
from ocr_contract.resource import API_FIELD_MANAGER, GROUP, KIND, PLURAL, VERSION
from ocr_contract.resource_schema import OPENAPI_PATH

logger = logging.getLogger(__name__)

STALE_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 20
CALL_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 1.0
ATTEMPTS: Final = 8
"""Applies that lost against another writer (a trainer reports every few seconds) before giving up."""

Written = TypeVar("Written")
UNTYPED: Final = "failed to create typed patch object"

_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)


class Projects:
    """The namespace's OcrProjects. `run` keeps the cache; use as `async with await Projects.connect(...)`."""

    def __init__(self, api_client: client.ApiClient, namespace: str, clock: Callable[[], float]) -> None:
        self._client = api_client
        self._api = client.CustomObjectsApi(api_client)
        self._address = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}
        self._namespace = namespace
        self._clock = clock
        self._cache = ProjectCache()
        self._proven: float | None = None
        self.requests = 0
        """Calls to the API server so far; a watch counts once."""

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
        age = self.age
        if age is None:
            return "the projects have not been read from the API server yet"
        return f"the API server has not answered for {age:.0f} s" if age > STALE_SECONDS else None

    @property
    def age(self) -> float | None:
        """Seconds since the API server last proved that the cache is fresh; None: it never did."""
        return None if self._proven is None else self._clock() - self._proven

    @property
    def cache(self) -> ProjectCache:
        """Every project; Unavailable before the first list."""
        if self._proven is None:
            raise Unavailable(self.not_ready)
        return self._cache

    def find(self, project_id: str) -> Project | None:
        """The project with that projectID, whoever made it and under whatever name."""
        seen = self.cache.find(project_id)
        return None if seen is None else seen.project

    # Writing

    async def change(
        self, project_id: str, decide: Callable[[dict[str, Any] | None, str], dict[str, Any] | None]
    ) -> Seen:
        """Apply what `decide(live object or None, name)` wants, anew where another writer came first."""
        name = self._name(project_id)

        async def apply() -> Seen:
            live = await self._get(name)
            if live is not None and (other := from_object(live).project_id) != project_id:
                raise Conflict(f"the name {name!r} is taken by an OcrProject with projectID {other!r}")
            wanted = decide(live, name)
            if wanted is None and live is not None:
                return self._cache.remember(live)
            applied = await self._call(
                self._api.patch_namespaced_custom_object(
                    **self._address, name=name, body=wanted, field_manager=API_FIELD_MANAGER, force=True,
                    field_validation="Strict", _content_type="application/apply-patch+yaml",
                    _request_timeout=CALL_SECONDS,
                )
            )  # fmt: skip
            logger.info("Applied %s", name)
            # The client decodes the answer to a change (200) only, not to a creation (201).
            created = await self._get(name) if applied is None else applied
            if created is None:
                raise Conflict(f"project {project_id!r} was deleted at the same moment")
            return self._cache.remember(created)

        return await self._first(project_id, apply)

    async def delete(
        self, project_id: str, decide: Callable[[dict[str, Any] | None], Mapping[str, Any]]
    ) -> None:
        """Delete the very version that `decide(live object or None)` gives back."""
        name = self._name(project_id)

        async def remove() -> None:
            metadata = decide(await self._get(name))["metadata"]
            exact = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            await self._call(
                self._api.delete_namespaced_custom_object(
                    **self._address, name=name, body={"preconditions": exact}, _request_timeout=CALL_SECONDS
                )
            )
            logger.info("Deleted %s", name)

        await self._first(project_id, remove)

    def _name(self, project_id: str) -> str:
        known = self.find(project_id)
        return known.name if known is not None else project_name(project_id)

    async def _first(self, project_id: str, write: Callable[[], Awaitable[Written]]) -> Written:
        """What `write` gives, decided anew for as long as other writers come first."""
        for attempt in range(ATTEMPTS):
            try:
                return await write()
            except ApiException as error:
                if error.status != 409:
                    raise _told(error) from error
                await asyncio.sleep(0.05 * (attempt + 1))
        raise Unavailable(f"project {project_id!r} is being changed by others all the time; try again")

    async def events(self, name: str) -> list[dict[str, Any]]:
        """What the operator has told of the project, as the API server keeps it (an hour, by default)."""
        wanted = f"involvedObject.kind={KIND},involvedObject.name={name}"
        path = f"/api/v1/namespaces/{self._namespace}/events"
        try:
            found = await self._call(self._read(path, fieldSelector=wanted))
        except ApiException as error:
            raise _told(error) from error
        events: list[dict[str, Any]] = found["items"]
        return events

    async def describe(self) -> dict[str, Any] | None:
        """The API server's OpenAPI document of the resource; None: it has none (yet)."""
        try:
            document: dict[str, Any] = await self._call(self._read(OPENAPI_PATH))
        except ApiException as error:
            if error.status == 404:
                return None
            raise _told(error) from error
        return document

    async def _read(self, path: str, **query: str) -> Any:
        """The JSON there. The client's own classes for it would cost more than the call (DESIGN 48)."""
        request = await self._client.param_serialize(
            "GET", path, query_params=list(query.items()),
            header_params={"Accept": "application/json"}, auth_settings=["BearerToken"],
        )  # fmt: skip
        answer = await self._client.call_api(*request, _request_timeout=CALL_SECONDS)
        body = await answer.read()
        if answer.status != 200:
            raise ApiException(status=answer.status, reason=answer.reason, body=body)
        return json.loads(body)

    async def _get(self, name: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] | None = await self._call(
                self._api.get_namespaced_custom_object(
                    **self._address, name=name, _request_timeout=CALL_SECONDS
                )
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise _told(error) from error
        return document

    async def _call(self, call: Any) -> Any:
        self.requests += 1
        try:
            return await call
        except _UNREACHABLE as error:
            raise Unavailable(f"the API server can't be reached: {error or type(error).__name__}") from error

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
        self.requests += 1
        listed = await self._api.list_namespaced_custom_object(**self._address, _request_timeout=CALL_SECONDS)
        self._cache.replace(listed["items"])
        self._proven = self._clock()
        version: str = listed["metadata"]["resourceVersion"]
        return version

    async def _watch(self, version: str) -> str:
        """Follow one watch until the API server ends it; where the next one goes on."""
        self.requests += 1
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
                    self._cache.forget(seen)
                elif event["type"] in ("ADDED", "MODIFIED"):
                    self._cache.remember(seen)
                version = seen["metadata"]["resourceVersion"]
        return version


def _told(error: ApiException) -> FacadeError:
    """The API server's own sentence, as a refusal of the call or of the facade."""
    try:
        message = str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the API server answered {error.status} {error.reason}"
    # An apply of what the schema has no place for is answered by 500, though it is the caller's fault.
    untyped = error.status == 500 and message.startswith(UNTYPED)
    if error.status == 404:
        return NotFound(message)
    if error.status == 403:
        return Forbidden(message)
    return BadRequest(message) if error.status in (400, 422) or untyped else Unavailable(message)
