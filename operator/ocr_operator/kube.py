"""The operator's own calls to the API server, through the official client's asyncio half.

The one module that knows the client. Objects go in and come out as plain JSON documents: the client's
generated models would cost more than the calls themselves. Errors come out as this package's own.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from ocr_contract.resource import API_VERSION, GROUP, KIND, OPERATOR_FIELD_MANAGER, PLURAL, VERSION
from ocr_contract.resource_schema import OPENAPI_PATH
from ocr_operator.documents import Document
from ocr_operator.errors import ApiError, Conflict, NotFound, Refused

REQUEST_SECONDS = 10.0
"""A connection may be open and dead, and a worker waits for it."""
LIST_SECONDS = 30.0
_PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers that may be better a moment later."""
_MOMENTS = (0.1, 0.3, 1.0)
_LONGEST_MOMENT = 5.0
_YOUNG = "cannot find RESTMapping"
"""A refusal that ends by itself: an API server that checks owners knows new resources half a minute late."""
PODS = "/api/v1/namespaces/{namespace}/pods"
JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"
PROJECTS = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


@dataclass(frozen=True)
class Listing:
    items: tuple[Document, ...]
    version: int
    """The resource version that the list shows."""


class Kube:
    """One connection pool for one event loop.

    `told` is called with kind and version of what the API server told of objects that are watched;
    `may_write` is asked before each write.
    """

    def __init__(
        self, api: client.ApiClient, told: Callable[[str, int], None], may_write: Callable[[], bool]
    ) -> None:
        self._api = api
        self._told = told
        self._may_write = may_write

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None,
        told: Callable[[str, int], None] = lambda _kind, _version: None,
        may_write: Callable[[], bool] = lambda: True,
    ) -> "Kube":
        """By the kubeconfig where there is one, else by the pod's service account."""
        configuration = client.Configuration()
        if kubeconfig:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
        # As kopf's own connection: else each request looks for ~/.netrc and for proxies, in two threads.
        configuration.client_session_kwargs = {"trust_env": False}
        return cls(client.ApiClient(configuration), told, may_write)

    async def close(self) -> None:
        await self._api.close()

    async def serves_projects(self) -> bool:
        """Whether the CRD is there."""
        try:
            found = await self._call("GET", f"/apis/{GROUP}/{VERSION}")
        except NotFound:
            return False
        return any(resource["name"] == PLURAL for resource in found["resources"])

    async def describe_projects(self) -> Document | None:
        """The API server's OpenAPI document of the resource; None: it has none (yet)."""
        try:
            return await self._call("GET", OPENAPI_PATH)
        except NotFound:
            return None

    async def create_job(self, job: Mapping[str, Any]) -> Document:
        path = JOBS.format(namespace=job["metadata"]["namespace"])
        query = {"fieldManager": OPERATOR_FIELD_MANAGER}
        return self._tell("job", await self._call("POST", path, query=query, body=job))

    async def read_job(self, namespace: str, name: str) -> Document:
        return await self._call("GET", f"{JOBS.format(namespace=namespace)}/{name}")

    async def delete_job(self, namespace: str, name: str, uid: str) -> Document | None:
        """In the foreground: the Job is there until its pods are gone; None: it is gone already."""
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        answer = await self._call("DELETE", f"{JOBS.format(namespace=namespace)}/{name}", body=options)
        return answer if answer.get("kind") == "Job" else None

    async def delete_pod(self, namespace: str, name: str, uid: str) -> Document | None:
        """By force, without the node's word; None: it is gone, else a finalizer holds it."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        answer = await self._call("DELETE", f"{PODS.format(namespace=namespace)}/{name}", body=options)
        held = answer.get("kind") == "Pod" and answer["metadata"].get("finalizers")
        return answer if held else None

    async def fail_pod(self, namespace: str, name: str, uid: str) -> None:
        """Say for a silent node that the pod has ended, and that this was nobody's failure.

        Kubernetes' own pod garbage collector does so when it deletes by force: a Job that replaces failed
        pods only would hold on to this one otherwise.
        """
        disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByOcrOperator",
            "message": "the node did not end the pod in time",
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "uid": uid},
            "status": {"phase": "Failed", "conditions": [disruption]},
        }
        await self._apply(f"{PODS.format(namespace=namespace)}/{name}/status", body)

    async def read_project(self, namespace: str, name: str) -> Document:
        return await self._call("GET", f"{PROJECTS.format(namespace=namespace)}/{name}")

    async def list_jobs(self, namespace: str, selector: str) -> Listing:
        return await self._list(JOBS.format(namespace=namespace), selector, "batch/v1", "Job")

    async def list_pods(self, namespace: str, selector: str) -> Listing:
        return await self._list(PODS.format(namespace=namespace), selector, "v1", "Pod")

    async def list_projects(self, namespace: str) -> Listing:
        return await self._list(PROJECTS.format(namespace=namespace), "", API_VERSION, KIND)

    async def apply_status(self, project: Document, status: Mapping[str, Any]) -> Document:
        """Make `status` the operator's whole part of the status; Conflict: another project has its name."""
        metadata = project["metadata"]
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "status": status,
        }
        path = f"{PROJECTS.format(namespace=metadata['namespace'])}/{metadata['name']}/status"
        return self._tell("project", await self._apply(path, body))

    async def read_lease(self, namespace: str, name: str) -> Document:
        return self._tell("lease", await self._call("GET", f"{LEASES.format(namespace=namespace)}/{name}"))

    async def write_lease(self, lease: Document) -> Document:
        """Create it, or replace it if it is still as it was read; Conflict: it is not."""
        metadata = lease["metadata"]
        path = LEASES.format(namespace=metadata["namespace"])
        if "resourceVersion" not in metadata:
            return self._tell("lease", await self._call("POST", path, body=lease))
        return self._tell("lease", await self._call("PUT", f"{path}/{metadata['name']}", body=lease))

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{namespace}/events"
        await self._call("POST", path, body=event, moments=())  # what was done after all is done twice

    async def _apply(self, path: str, body: Mapping[str, Any]) -> Document:
        """A server-side apply, whoever else has written the fields."""
        query = {"fieldManager": OPERATOR_FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query=query, body=body, content="application/apply-patch+yaml")

    async def _list(self, path: str, selector: str, api_version: str, kind: str) -> Listing:
        query = {"labelSelector": selector} if selector else {}
        answer = await self._call("GET", path, query=query, seconds=LIST_SECONDS)
        items = tuple({"apiVersion": api_version, "kind": kind, **item} for item in answer["items"])
        if items:  # a watch shows versions in their order, a list does not
            newest = max(items, key=lambda item: int(item["metadata"]["resourceVersion"]))
            self._tell({"Job": "job", "Pod": "pod", KIND: "project"}[kind], newest)
        return Listing(items, int(answer["metadata"]["resourceVersion"]))

    def _tell(self, kind: str, document: Document) -> Document:
        self._told(kind, int(document["metadata"]["resourceVersion"]))
        return document

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
        seconds: float = REQUEST_SECONDS,
        moments: tuple[float, ...] = _MOMENTS,
    ) -> dict[str, Any]:
        """What is answered; errors that may pass are waited for a moment, or as long as the server asks."""
        for moment in moments:
            try:
                return await self._ask(method, path, query, body, content, seconds)
            except ApiError as error:
                wait = error.retry_after or moment
                if error.status not in _PASSING or wait > _LONGEST_MOMENT:
                    raise
                await asyncio.sleep(wait)
        return await self._ask(method, path, query, body, content, seconds)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        content: str,
        seconds: float,
    ) -> dict[str, Any]:
        if method != "GET" and not self._may_write():
            raise ApiError(0, "this replica does not lead any more, so nothing was written")
        request = await self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(*request, _request_timeout=seconds)
            await response.read()
        except ApiException as error:
            raise _translated(error.status or 0, error.body or error.reason, error.headers) from error
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise ApiError(0, f"the API server was not reached: {error or type(error).__name__}") from error
        if not 200 <= response.status < 300:
            raise _translated(response.status, response.data, response.headers)
        return json.loads(response.data)  # type: ignore[no-any-return]


def _translated(status: int, body: Any, headers: Mapping[str, str] | None) -> ApiError:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:500]
    if _YOUNG in message:
        return ApiError(status, message)
    kind = {404: NotFound, 409: Conflict, 400: Refused, 403: Refused, 413: Refused, 422: Refused}
    wait = (headers or {}).get("Retry-After", "")
    return kind.get(status, ApiError)(status, message, float(wait) if wait.isdecimal() else None)
