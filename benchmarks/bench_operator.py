"""How quickly the operator turns projects into Jobs, and at what cost: `make bench-operator`.

On a control plane without nodes: a trickle of projects (10 a second), then a burst of 1,000, measured from
the answer to the create to the Job's watch event. The limit beside it is a bare client that only creates
Jobs. The last line is one JSON object.
"""

import asyncio
import json
import os
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from ocr_cluster.control_plane import ControlPlane
from ocr_contract.resource import API_VERSION, GROUP, KIND, LABEL_PROJECT, PLURAL, VERSION
from operator_world import Operator, http_client, install_crd

TRICKLE, TRICKLE_SECONDS = 100, 0.1
BURST = 1000
PATIENCE_SECONDS = 120.0
CONCURRENT = 32


class Stopwatch:
    """Creates objects in one namespace and watches for the Jobs that follow."""

    def __init__(self, session: aiohttp.ClientSession, namespace: str) -> None:
        self.session = session
        self.namespace = namespace
        self.jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.created: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self.duplicates = 0

    async def watch(self, version: str) -> None:
        """For ever: the server ends the watch of a slow reader, which goes on from there."""
        while True:
            query = {"watch": "1", "resourceVersion": version}
            async with self.session.get(self.jobs_path, params=query) as stream:
                async for line in stream.content:
                    event = json.loads(line)
                    metadata = event["object"]["metadata"]
                    version = metadata.get("resourceVersion", version)
                    if event["type"] == "ADDED":
                        name = metadata["labels"][LABEL_PROJECT]
                        self.duplicates += name in self.seen
                        self.seen.setdefault(name, time.monotonic())

    async def create_projects(self, prefix: str, count: int, pause: float) -> dict[str, float]:
        """Seconds from each create to its Job, and under "" for all of them together."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}"

        def body(name: str) -> dict[str, Any]:
            spec = {"train": {"id": "r1"}}
            return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}

        return await self._create(path, [body(f"{prefix}{number}") for number in range(count)], pause)

    async def create_jobs(self, template: dict[str, Any], count: int) -> dict[str, float]:
        """What a client without any thought would need: the limit."""

        def body(name: str) -> dict[str, Any]:
            metadata = {"name": name, "labels": {LABEL_PROJECT: name}}
            return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template}

        return await self._create(self.jobs_path, [body(f"bare{number}") for number in range(count)], 0)

    async def _create(self, path: str, bodies: list[dict[str, Any]], pause: float) -> dict[str, float]:
        begun = time.monotonic()
        free = asyncio.Semaphore(CONCURRENT)

        async def create(body: dict[str, Any]) -> None:
            async with free, self.session.post(path, json=body) as answer:
                assert answer.status == 201, await answer.text()
                self.created[body["metadata"]["name"]] = time.monotonic()

        async with asyncio.TaskGroup() as group:
            for body in bodies:
                group.create_task(create(body))
                if pause:
                    await asyncio.sleep(pause)
        names = [body["metadata"]["name"] for body in bodies]
        while not all(name in self.seen for name in names):
            assert time.monotonic() - begun < PATIENCE_SECONDS, f"{len(self.seen)} of {len(names)} Jobs"
            await asyncio.sleep(0.01)
        took = {name: max(0.0, self.seen[name] - self.created[name]) for name in names}
        return took | {"": max(self.seen[name] for name in names) - begun}


def percentile(seconds: dict[str, float], share: float) -> float:
    ordered = sorted(value for name, value in seconds.items() if name)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def process_cost(pid: int) -> tuple[float, float]:
    """Peak resident MiB and CPU seconds so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return peak / 1024, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


async def statuses_written(session: aiohttp.ClientSession, namespace: str, begun: float) -> float:
    """Seconds until every project's status names its Job."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
    while True:
        async with session.get(path) as answer:
            items = (await answer.json())["items"]
        if all(item.get("status", {}).get("train") for item in items):
            return time.monotonic() - begun
        await asyncio.sleep(0.25)


async def requests_of(session: aiohttp.ClientSession) -> float:
    """Requests that the API server has answered so far, watches and its own controllers' included."""
    async with session.get("/metrics") as answer:
        text = await answer.text()
    wanted = ("ocrprojects", "jobs", "events")
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("apiserver_request_total{")
        and any(f'resource="{kind}"' in line for kind in wanted)
    )


async def measure(plane: ControlPlane, operator: Operator, namespaces: tuple[str, str]) -> dict[str, Any]:
    with http_client(plane.kubeconfig) as http:
        server = str(http.base_url)
    connector = aiohttp.TCPConnector(ssl=client_tls(plane.kubeconfig), limit=CONCURRENT + 8)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        server, connector=connector, timeout=timeout, read_bufsize=2**22
    ) as session:
        operated, bare = (Stopwatch(session, namespace) for namespace in namespaces)
        watches = []
        for stopwatch in (operated, bare):
            async with session.get(stopwatch.jobs_path) as answer:
                version = (await answer.json())["metadata"]["resourceVersion"]
            watches.append(asyncio.create_task(stopwatch.watch(version)))
        trickle = await operated.create_projects("t", TRICKLE, TRICKLE_SECONDS)
        before, begun = await requests_of(session), time.monotonic()
        burst = await operated.create_projects("b", BURST, 0)
        settled = await statuses_written(session, operated.namespace, begun)
        requests = (await requests_of(session) - before) / BURST
        peak, cpu = process_cost(operator.pid)
        async with session.get(operated.jobs_path, params={"limit": "1"}) as answer:
            template = (await answer.json())["items"][0]["spec"]
        spec = {"template": {"spec": {**template["template"]["spec"]}}, "backoffLimit": 0}
        limit = await bare.create_jobs(spec, BURST)
        for watch in watches:
            watch.cancel()
    return {
        "trickle_p50_s": round(percentile(trickle, 0.5), 4),
        "trickle_p99_s": round(percentile(trickle, 0.99), 4),
        "burst_1000_s": round(burst[""], 2),
        "burst_statuses_s": round(settled, 2),
        "client_1000_s": round(limit[""], 2),
        "rss_mib": round(peak),
        "cpu_s": round(cpu, 1),
        "requests_per_project": round(requests, 1),
        "duplicates": operated.duplicates,
    }


def client_tls(kubeconfig: Path) -> ssl.SSLContext:
    folder = kubeconfig.parent
    tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    tls.load_cert_chain(str(folder / "admin.crt"), str(folder / "admin.key"))
    return tls


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, ControlPlane(Path(folder) / "plane") as plane:
        namespaces = ("operated", "bare")
        with http_client(plane.kubeconfig) as http:
            install_crd(http)
            for name in namespaces:
                http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
                plane.wait_for(f"/api/v1/namespaces/{name}/serviceaccounts/default")
        operator = Operator(plane.kubeconfig, namespaces[0], Path(folder) / "operator.log")
        operator.start()
        try:
            operator.until_started()
            result = asyncio.run(measure(plane, operator, namespaces))
        finally:
            operator.stop()
    for name, value in result.items():
        print(f"{name:22} {value}")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
