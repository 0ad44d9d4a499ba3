"""What bench_operator.py measures with: seconds from an object's create to its first child, and their cost.

The same for whatever makes the children: creates go out by one client, a watch of metadata alone (the
cheapest there is) says when the children appear, and the API server counts the contender's own requests by
a flow schema that matches its user.
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from ocr_cluster.api import Api
from ocr_cluster.control_plane import ControlPlane
from ocr_cluster.pki import Authority

PATIENCE_SECONDS = 600.0
CONCURRENT = 32
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
DISPATCHED = "apiserver_flowcontrol_dispatched_requests_total{"


@dataclass(frozen=True)
class Contender:
    """Something that makes children of the objects in one collection."""

    collection: str
    body: Callable[[str], dict[str, Any]]
    """The object of that name."""
    children: dict[str, str]
    """Path of each kind of children that is timed."""
    label: str
    """Where a child says whose it is."""
    is_settled: Callable[[dict[str, Any]], bool]
    """Whether the object's status tells of its child."""


@dataclass(frozen=True)
class Lap:
    """From the answers to the creates to the children."""

    p50: float
    p99: float
    whole: float
    """From the first create to the last child."""


class Children:
    """The first child of each object, as a watch reports them."""

    def __init__(self, session: aiohttp.ClientSession, path: str, label: str) -> None:
        self._session, self._path, self._label = session, path, label
        self.seen: dict[str, float] = {}
        self.more = 0
        """Children beyond each object's first."""
        self.listening = asyncio.Event()

    async def lap(self, created: dict[str, float], begun: float) -> Lap:
        """When all of them have a child."""
        while not created.keys() <= self.seen.keys():
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise TimeoutError(
                    f"{len(created.keys() & self.seen.keys())} of {len(created)} had a child in time"
                )
            await asyncio.sleep(0.01)
        took = sorted(max(0.0, self.seen[name] - moment) for name, moment in created.items())
        p50, p99 = (took[min(len(took) - 1, int(share * len(took)))] for share in (0.5, 0.99))
        return Lap(p50, p99, max(self.seen[name] for name in created) - begun)

    async def watch(self) -> None:
        """For ever: the server ends the watch of a slow reader, which goes on from there."""
        async with self._session.get(self._path, params={"limit": "1"}) as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        self.listening.set()
        while True:
            query = {"watch": "1", "resourceVersion": version}
            headers = {"Accept": METADATA_ONLY}
            async with self._session.get(self._path, params=query, headers=headers) as stream:
                async for line in stream.content:
                    event = json.loads(line)
                    metadata = event["object"]["metadata"]
                    version = metadata.get("resourceVersion", version)
                    name = metadata.get("labels", {}).get(self._label)
                    if event["type"] == "ADDED" and name:
                        self.more += name in self.seen
                        self.seen.setdefault(name, time.monotonic())


async def create(
    session: aiohttp.ClientSession, path: str, bodies: Iterable[dict[str, Any]], pause: float = 0
) -> dict[str, float]:
    """Create them at that pace; the moment of each answer by name."""
    created: dict[str, float] = {}
    free = asyncio.Semaphore(CONCURRENT)

    async def post(body: dict[str, Any]) -> None:
        async with free, session.post(path, json=body) as answer:
            assert answer.status == 201, await answer.text()
            created[body["metadata"]["name"]] = time.monotonic()

    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(post(body))
            if pause:
                await asyncio.sleep(pause)
    return created


async def settled(session: aiohttp.ClientSession, contender: Contender) -> None:
    """Return when every object's status tells of its child."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with session.get(contender.collection) as answer:
            items = (await answer.json())["items"]
        if all(map(contender.is_settled, items)):
            return
        if time.monotonic() > deadline:
            raise TimeoutError("not every status was written in time")
        await asyncio.sleep(0.25)


@asynccontextmanager
async def administrator(plane: ControlPlane) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with all rights, for this event loop."""
    folder = plane.kubeconfig.parent
    tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    tls.load_cert_chain(str(folder / "admin.crt"), str(folder / "admin.key"))
    connector = aiohttp.TCPConnector(ssl=tls, limit=CONCURRENT + 8)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        Api(plane.kubeconfig).server, connector=connector, timeout=timeout, read_bufsize=2**22
    ) as session:
        yield session


def user_who_is_counted(plane: ControlPlane, http: httpx.Client, name: str) -> Path:
    """The kubeconfig of a user with all rights whose requests the API server counts under its own name."""
    user = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
    schema = {
        "matchingPrecedence": 2,
        "priorityLevelConfiguration": {"name": "exempt"},  # nobody waits in a queue
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": name}}],
                "resourceRules": [everything | {"clusterScope": True}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    }
    for path, body in (
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            {"metadata": {"name": name}, "subjects": [user], "roleRef": role},
        ),
        (
            "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
            {"metadata": {"name": name}, "spec": schema},
        ),
    ):
        answer = http.post(path, json=body)
        assert answer.status_code == 201, answer.text
    return Authority(plane.kubeconfig.parent).write_kubeconfig(name, str(http.base_url), name)


async def requests_of(session: aiohttp.ClientSession, user: str) -> float:
    """Requests that the user has sent so far."""
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    mark = f'flow_schema="{user}"'
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(DISPATCHED) and mark in line
    )


def process_cost(pid: int) -> tuple[float, float]:
    """Peak resident MiB and CPU seconds so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return peak / 1024, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
