"""How quickly the facade answers a platform that polls, and beside downloads: `make bench-api`.

500 projects on a real API server; /status at 200 requests a second from an open loop (a late answer delays no
later question), first alone, then beside 20 downloads of 200 MB at once that begin anew as they end. The last
line is one JSON object; the two first figures are those without downloads.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

import aiohttp
import httpx

from facade_process import eventually, serve, with_resource
from kubernetes import client
from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import run_hash
from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION

MODEL_BYTES = 200_000_000
DETECTION = {"state": "DETECTOR_TRAINING", "epoch": 3, "totalEpochs": 50, "loss": 0.5, "hmean": 0.8}


def make_projects(api: client.ApiClient, namespace: str, number: int) -> None:
    """Projects that train, with as much status as a training has."""
    objects = client.CustomObjectsApi(api)
    for n in range(number):
        spec = {"projectID": f"p{n}", "train": {"id": "r1"}}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": f"p{n}"}, "spec": spec}
        objects.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, body)
        stages = {"prepare": {"state": "Succeeded"}, "detection": {"state": "Running"}}
        status = {
            "phase": "Training", "stage": "detection", "progress": 20,
            "train": {"id": "r1", "startedAt": "2026-01-01T00:00:00Z", "stages": stages},
            "trainer": {"detection": DETECTION | {"run": run_hash("r1", 0)}},
        }  # fmt: skip
        objects.patch_namespaced_custom_object_status(
            GROUP, VERSION, namespace, PLURAL, f"p{n}", {"status": status}
        )


async def poll(address: str, projects: int, rate: int, seconds: float) -> tuple[list[float], int]:
    """Sorted seconds from when each question was due to its answer's end, and how many were no answers."""
    latencies: list[float] = []
    errors = 0
    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(address, connector=connector) as session:

        async def ask(due: float, number: int) -> None:
            nonlocal errors
            # Every tenth question names no project, as the platform's do.
            path = "/status" if number % 10 == 0 else f"/status?projectID=p{number * 7 % projects}"
            try:
                async with session.get(path) as answer:
                    document = await answer.json()
                    if answer.status != 200 or document["code"] != 0:
                        errors += 1
            except (aiohttp.ClientError, TimeoutError, ValueError):
                errors += 1
            latencies.append(time.monotonic() - due)

        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                due = start + number / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(ask(due, number))
    return sorted(latencies), errors


class Downloaders:
    """So many at once, each of which fetches the model again and again, with curl: it costs least."""

    def __init__(self, address: str, number: int) -> None:
        self._url = f"{address}/train/download?projectID=p0&trainID=r1"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]
        self._lock = threading.Lock()
        self.bytes = self.failed = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        command = ["curl", "--silent", "--fail", "--output", "/dev/null", "--write-out", "%{size_download}"]
        while not self._stop.is_set():
            with subprocess.Popen([*command, self._url], stdout=subprocess.PIPE, text=True) as curl:
                while curl.poll() is None and not self._stop.wait(0.05):
                    pass
                stopped = curl.poll() is None
                curl.terminate()
                told = curl.communicate()[0]
            with self._lock:
                self.bytes += int(told or 0)
                self.failed += not stopped and (curl.returncode != 0 or int(told) != MODEL_BYTES)


def at(latencies: list[float], share: float) -> float:
    """Milliseconds."""
    return round(1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))], 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--projects", type=int, default=500, help="(%(default)s)")
    parser.add_argument("--rate", type=int, default=200, help="questions a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of the two parts (%(default)s)")
    parser.add_argument("--downloads", type=int, default=20, help="at once (%(default)s)")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-api-") as folder,
        ControlPlane(Path(folder) / "plane") as plane,
        with_resource(plane.kubeconfig) as cluster,
    ):
        volume = Path(folder) / "volume"
        model = volume / "train" / "p0" / "r1" / "model" / "pthModel.zip"
        model.parent.mkdir(parents=True)
        model.write_bytes(os.urandom(1_000_000) * (MODEL_BYTES // 1_000_000))
        namespace = cluster.make_namespace()
        print(f"making {given.projects} projects", flush=True)
        make_projects(cluster.api, namespace, given.projects)
        with serve(cluster, namespace, volume) as http:
            address = str(http.base_url)
            eventually(lambda: http.get("/readyz").status_code == 200, "the facade did not get ready")

            def ask(seconds: float = given.seconds) -> tuple[list[float], int]:
                return asyncio.run(poll(address, given.projects, given.rate, seconds))

            ask(3)  # warm
            before = figure(http, "ocr_api_server_requests_total")
            print(f"{given.rate} questions a second for {given.seconds:.0f} s", flush=True)
            alone, errors = ask()
            requests = figure(http, "ocr_api_server_requests_total") - before
            rss = figure(http, "process_resident_memory_bytes")
            print(f"the same beside {given.downloads} downloads of 200 MB", flush=True)
            with Downloaders(address, given.downloads) as downloaders:
                beside, more = ask()
            failed = downloaders.failed
            rss_beside = figure(http, "process_resident_memory_bytes")
    print(f"{'':<24}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'errors':>10}{'MiB':>8}")
    for name, latencies, wrong, memory in (
        ("/status alone", alone, errors, rss), ("/status and downloads", beside, more, rss_beside),
    ):  # fmt: skip
        print(f"{name:<24}{at(latencies, 0.5):>10}{at(latencies, 0.99):>10}{at(latencies, 1):>10}"
              f"{wrong:>10}{memory / 2**20:>8.0f}")  # fmt: skip
    print(json.dumps({
        "status_p50_ms": at(alone, 0.5), "status_p99_ms": at(alone, 0.99), "errors": errors + more + failed,
        "rss_mib": round(max(rss, rss_beside) / 2**20), "api_server_requests": round(requests),
        "with_downloads": {"status_p50_ms": at(beside, 0.5), "status_p99_ms": at(beside, 0.99),
                           "megabytes_per_second": round(downloaders.bytes / 1e6 / given.seconds)},
        "projects": given.projects, "rate": given.rate, "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(), "load": round(os.getloadavg()[0], 2),
    }))  # fmt: skip
    return 0 if errors + more + failed == 0 else 1


def figure(http: httpx.Client, name: str) -> float:
    """One of the facade's own figures."""
    line = next(line for line in http.get("/metrics").text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


if __name__ == "__main__":
    sys.exit(main())
