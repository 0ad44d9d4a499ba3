"""How quickly the operator turns projects into Jobs, and at what cost: `make bench-operator`.

On a control plane without nodes: a trickle of projects (10 a second), then a burst of 1,000, measured from
the answer to the create to the watch event of the first Job and of its Pod. Beside it the limit, a bare
client that only creates Jobs, and the peer, Kubeflow's training-operator with as many PyTorchJobs until
each has its first Pod (it makes no Jobs): as released, with eight threads as released, and with eight
threads and its client's brake of 20 requests a second taken off. Each operator has a control plane of its
own. The last line is one JSON object; peer_1000_s is the better of the two as released.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import operator_peer
from operator_peer import Peer, TrainingOperator
from operator_stopwatch import (
    Children,
    Contender,
    Lap,
    administrator,
    create,
    process_cost,
    requests_of,
    settled,
    user_who_is_counted,
)

from ocr_cluster.control_plane import ControlPlane
from ocr_cluster.errors import ClusterError
from ocr_contract.resource import API_VERSION, GROUP, KIND, LABEL_PROJECT, PLURAL, VERSION
from operator_world import Operator, http_client, install_crd

PEER_FOLDER = Path(__file__).resolve().parents[1] / ".cluster" / "peer"
TRICKLE, TRICKLE_SECONDS = 100, 0.1
BURST = 1000
THREADS = 8
USER = "contender"


@dataclass(frozen=True)
class Result:
    """One contender's figures; laps by kind of children."""

    trickle: dict[str, Lap]
    burst: dict[str, Lap]
    settled: float
    requests: float
    """Per object of the burst, its own."""
    rss_mib: float
    cpu_s: float
    plane_cpu_s: float
    """What the control plane took for the burst, its Job controller included."""
    duplicates: int


class BoundOperator(Operator):
    """Ends when this process does, however that ends."""

    command = ("setpriv", "--pdeathsig", "KILL", *Operator.command)


def projects(namespace: str) -> Contender:
    """OcrProjects that say nothing but that they want to be trained."""

    def body(name: str) -> dict[str, Any]:
        spec = {"train": {"id": "r1"}}
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}

    return Contender(
        collection=f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}",
        body=body,
        children={
            "Job": f"/apis/batch/v1/namespaces/{namespace}/jobs",
            "Pod": f"/api/v1/namespaces/{namespace}/pods",
        },
        label=LABEL_PROJECT,
        is_settled=lambda project: bool(project.get("status", {}).get("train")),
    )


async def race(plane: ControlPlane, session: aiohttp.ClientSession, contender: Contender, pid: int) -> Result:
    """One object to see that it works, the trickle, and the burst."""
    kinds = {kind: Children(session, path, contender.label) for kind, path in contender.children.items()}

    async def lap(prefix: str, count: int, pause: float) -> dict[str, Lap]:
        begun = time.monotonic()
        bodies = (contender.body(f"{prefix}{number}") for number in range(count))
        created = await create(session, contender.collection, bodies, pause)
        return {kind: await children.lap(created, begun) for kind, children in kinds.items()}

    async with asyncio.TaskGroup() as group:
        watches = [group.create_task(children.watch()) for children in kinds.values()]
        for children in kinds.values():
            await children.listening.wait()
        await lap("first", 1, 0)
        trickle = await lap("trickle", TRICKLE, TRICKLE_SECONDS)
        before, plane_before = await requests_of(session, USER), plane_cpu(plane)
        begun = time.monotonic()
        burst = await lap("burst", BURST, 0)
        await settled(session, contender)
        took = time.monotonic() - begun
        requests = (await requests_of(session, USER) - before) / BURST
        (peak, cpu), plane_took = process_cost(pid), plane_cpu(plane) - plane_before
        for watch in watches:
            watch.cancel()
    duplicates = sum(children.more for children in kinds.values())
    return Result(trickle, burst, took, requests, peak, cpu, plane_took, duplicates)


def plane_cpu(plane: ControlPlane) -> float:
    return sum(process_cost(pid)[1] for pid in plane.pids.values())


async def create_jobs(session: aiohttp.ClientSession, operated: Contender, namespace: str) -> Lap:
    """The operator's Jobs again, by a client without any thought: the limit."""
    async with session.get(operated.children["Job"], params={"limit": "1"}) as answer:
        spec = (await answer.json())["items"][0]["spec"]
    template = {"spec": spec["template"]["spec"]}

    def body(name: str) -> dict[str, Any]:
        metadata = {"name": name, "labels": {LABEL_PROJECT: name}}
        spec = {"template": template, "backoffLimit": 0}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}

    path = projects(namespace).children["Job"]
    children = Children(session, path, LABEL_PROJECT)
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(children.watch())
        await children.listening.wait()
        begun = time.monotonic()
        created = await create(session, path, (body(f"bare{number}") for number in range(BURST)))
        lap = await children.lap(created, begun)
        watch.cancel()
    return lap


@contextmanager
def control_plane(namespace: str) -> Iterator[tuple[ControlPlane, httpx.Client, Path]]:
    """A fresh one with that namespace, its administrator, and the kubeconfig for who is measured."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane(Path(folder) / "plane") as plane,
        http_client(plane.kubeconfig) as http,
    ):
        make_namespace(plane, http, namespace)
        yield plane, http, user_who_is_counted(plane, http, USER)


def make_namespace(plane: ControlPlane, http: httpx.Client, name: str) -> None:
    http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    plane.wait_for(f"/api/v1/namespaces/{name}/serviceaccounts/default")


def measure_operator() -> tuple[Result, Lap]:
    """The operator, then the bare client."""
    with control_plane("operated") as (plane, http, kubeconfig):
        install_crd(http)
        make_namespace(plane, http, "bare")
        operator = BoundOperator(kubeconfig, "operated", plane.folder / "operator.log")
        operator.start()

        async def measure() -> tuple[Result, Lap]:
            async with administrator(plane) as session:
                operated = projects("operated")
                result = await race(plane, session, operated, operator.pid)
                operator.stop()
                return result, await create_jobs(session, operated, "bare")

        try:
            operator.until_started()
            return asyncio.run(measure())
        finally:
            operator.kill()


def measure_peer(peer: Peer, binary: Path, *flags: str) -> Result:
    """The peer with these flags."""
    with control_plane("operated") as (plane, http, kubeconfig):
        operator_peer.install(http, peer)
        with TrainingOperator(binary, kubeconfig, http, plane.folder / "peer.log", *flags) as process:

            async def measure() -> Result:
                async with administrator(plane) as session:
                    return await race(plane, session, operator_peer.contender("operated"), process.pid)

            return asyncio.run(measure())


def measure_peers() -> dict[str, Result]:
    """By how it was run; empty where it can't be, after a sentence that says why."""
    results: dict[str, Result] = {}
    threads = f"--controller-threads={THREADS}"
    try:
        peer = operator_peer.build(PEER_FOLDER)
        results["as released"] = measure_peer(peer, peer.released)
        results[f"{THREADS} threads"] = measure_peer(peer, peer.released, threads)
        results[f"{THREADS} threads, no brake"] = measure_peer(peer, peer.unbraked, threads)
    except (ClusterError, TimeoutError) as error:
        print(f"training-operator could not be measured: {error}", flush=True)
    return results


def print_table(ours: Result, limit: Lap, peers: dict[str, Result]) -> None:
    """Seconds from create to first child, then what the contender took, and the control plane for it."""
    head = ("trickle p50", "p99", "burst p50", "p99", "whole", "requests", "CPU s", "MiB", "plane CPU s")
    print(f"{'':42}" + "".join(f"{title:>12}" for title in head))

    def row(title: str, laps: list[Lap | None], result: Result | None = None) -> None:
        trickle, burst = laps
        cells = [f"{trickle.p50:.3f}", f"{trickle.p99:.3f}"] if trickle else ["", ""]
        cells += [f"{burst.p50:.2f}", f"{burst.p99:.2f}", f"{burst.whole:.1f}"] if burst else []
        if result:
            cells += [f"{result.requests:.1f}", f"{result.cpu_s:.1f}", f"{result.rss_mib:.0f}"]
            cells += [f"{result.plane_cpu_s:.1f}"]
        print(f"{title:42}" + "".join(f"{cell:>12}" for cell in cells))

    for kind in ours.burst:
        row(f"ocr-operator, first {kind}", [ours.trickle[kind], ours.burst[kind]], ours)
    row("a client that creates Jobs", [None, limit])
    for title, peer in peers.items():
        row(f"training-operator, {title}, first Pod", [peer.trickle["Pod"], peer.burst["Pod"]], peer)


def figures(ours: Result, limit: Lap, peers: dict[str, Result]) -> dict[str, Any]:
    """The JSON object: ours by themselves, the peer's by how it was run."""
    released = [result.burst["Pod"].whole for title, result in peers.items() if "no brake" not in title]
    return {
        "trickle_p50_s": round(ours.trickle["Job"].p50, 4),
        "trickle_p99_s": round(ours.trickle["Job"].p99, 4),
        "burst_1000_s": round(ours.burst["Job"].whole, 2),
        "burst_pods_s": round(ours.burst["Pod"].whole, 2),
        "burst_statuses_s": round(ours.settled, 2),
        "client_1000_s": round(limit.whole, 2),
        "peer_1000_s": round(min(released), 2) if released else None,
        "rss_mib": round(ours.rss_mib),
        "cpu_s": round(ours.cpu_s, 1),
        "plane_cpu_s": round(ours.plane_cpu_s, 1),
        "requests_per_project": round(ours.requests, 1),
        "duplicates": ours.duplicates,
        "peer": {
            title: {
                "trickle_p50_s": round(result.trickle["Pod"].p50, 4),
                "trickle_p99_s": round(result.trickle["Pod"].p99, 4),
                "burst_1000_s": round(result.burst["Pod"].whole, 2),
                "burst_statuses_s": round(result.settled, 2),
                "rss_mib": round(result.rss_mib),
                "cpu_s": round(result.cpu_s, 1),
                "plane_cpu_s": round(result.plane_cpu_s, 1),
                "requests_per_job": round(result.requests, 1),
            }
            for title, result in peers.items()
        },
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alone", action="store_true", help="without the peer (a minute)")
    arguments = parser.parse_args()
    ours, limit = measure_operator()
    peers = {} if arguments.alone else measure_peers()
    print_table(ours, limit, peers)
    print(json.dumps(figures(ours, limit, peers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
