"""The facade's view of the cluster: as fresh as one watch can make it, and honest when it is blind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from facade_process import Cluster, Facade, serve
from ocr_api import kube
from ocr_api.errors import Unavailable
from ocr_api.kube import STALE_SECONDS, Projects


@asynccontextmanager
async def watching(facade: Facade, clock: Callable[[], float]) -> AsyncIterator[Projects]:
    kubeconfig = str(facade.cluster.kubeconfig)
    async with await Projects.connect(facade.namespace, kubeconfig, clock) as projects:
        task = asyncio.create_task(projects.run())
        try:
            yield projects
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not check():
            await asyncio.sleep(0.02)


def test_a_cache_that_was_not_refreshed_for_thirty_seconds_says_so(facade: Facade) -> None:
    now = 1000.0

    async def scenario() -> None:
        nonlocal now
        async with watching(facade, lambda: now) as projects:
            assert projects.not_ready == "the projects have not been read from the API server yet"
            with pytest.raises(Unavailable, match="not been read"):
                projects.find("p")
            await until(lambda: projects.not_ready is None)
            now += STALE_SECONDS
            assert projects.not_ready is None
            now += 1
            assert projects.not_ready == "the API server has not answered for 31 s"

    asyncio.run(scenario())


def test_a_watch_that_ends_goes_on_where_it_was(
    facade: Facade, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "WATCH_SECONDS", 1)

    async def scenario() -> None:
        ticks = iter(range(10**6))
        async with watching(facade, lambda: float(next(ticks))) as projects:
            await until(lambda: projects.not_ready is None)
            for number in range(3):
                name = f"{project_id}-{number}"
                await asyncio.to_thread(facade.ask, "/train/start", projectID=name, trainID="r1")
                await until(lambda name=name: projects.find(name) is not None)  # type: ignore[misc]
                await asyncio.sleep(0.8)  # into the next watch
            await asyncio.to_thread(facade.delete, f"{project_id}-0")
            await until(lambda: projects.find(f"{project_id}-0") is None)
            assert projects.find(f"{project_id}-2") is not None

    asyncio.run(scenario())


def test_without_an_api_server_the_facade_lives_and_says_what_is_missing(
    facade: Facade, tmp_path: Path
) -> None:
    document = yaml.safe_load(facade.cluster.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    cluster: Cluster = replace(facade.cluster, kubeconfig=kubeconfig)
    (tmp_path / "volume").mkdir()
    with serve(cluster, "nowhere", tmp_path / "volume") as http:
        assert http.get("/healthz").json() == {"code": 0, "msg": "ok"}
        for path in ("/readyz", "/status", "/train/start?projectID=p&trainID=r"):
            answer = http.get(path)
            assert answer.status_code == answer.json()["code"] == 503
            assert answer.json()["msg"] == "the projects have not been read from the API server yet"
