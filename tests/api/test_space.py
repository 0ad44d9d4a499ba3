"""How full the volume is, as /metrics tells it: also while the volume does not answer."""

import asyncio
import ctypes
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from facade_process import Cluster, Facade, eventually, serve
from ocr_api.space import Room, Space

MNT_DETACH = 2


def figures(page: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^ocr_api_volume_(\w+) (\S+)$", page, re.M)}


def told(space: Space) -> dict[str, float]:
    return {
        sample.name.removeprefix("ocr_api_volume_"): sample.value
        for metric in space.collect()
        for sample in metric.samples
    }


def test_the_page_tells_the_volumes_size_and_what_may_still_be_written(facade: Facade) -> None:
    found = os.statvfs(facade.volume)
    shown = figures(facade.http.get("/metrics").text)
    assert shown["silence_seconds"] == 0
    assert shown["size_bytes"] == found.f_frsize * found.f_blocks
    assert shown["free_bytes"] == pytest.approx(found.f_frsize * found.f_bavail, rel=0.2)


@contextmanager
def dead(volume: Path) -> Iterator[None]:
    """Mount a file system over the folder whose server reads no question, as that of a lost NFS export."""
    libc = ctypes.CDLL(None, use_errno=True)
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        mounted = libc.mount(b"dead", str(volume).encode(), b"fuse", 0, options) == 0
        assert mounted, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            os.close(server)  # whoever waits gets an error
            server = -1
            libc.umount2(str(volume).encode(), MNT_DETACH)
    finally:
        if server >= 0:
            os.close(server)


@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK) or os.geteuid() != 0, reason="nobody may mount here")
def test_a_dead_volume_stops_neither_the_facade_nor_its_page(cluster: Cluster, tmp_path: Path) -> None:
    namespace = cluster.make_namespace()
    volume = tmp_path / "volume"
    volume.mkdir()
    with serve(cluster, namespace, volume) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        with dead(volume):
            longest = _watched_while_scraped(http)
            shown = figures(http.get("/metrics").text)
            assert "free_bytes" not in shown and shown["silence_seconds"] > 2
            assert longest < 1, "the event loop went on meanwhile"
        eventually(lambda: figures(http.get("/metrics").text).get("free_bytes", 0) > 0, "it is back")
        assert figures(http.get("/metrics").text)["silence_seconds"] == 0
    cluster.delete_namespace(namespace)


def _watched_while_scraped(http: httpx.Client) -> float:
    """Seconds of the slowest answer to /healthz while /metrics waits for the volume."""
    url = str(http.base_url)
    scrape = threading.Thread(target=lambda: httpx.get(f"{url}/metrics", timeout=30))
    scrape.start()
    longest = 0.0
    while scrape.is_alive():
        begun = time.monotonic()
        assert http.get("/healthz").status_code == 200
        longest = max(longest, time.monotonic() - begun)
    return longest


def test_one_question_at_a_time_is_put_to_a_silent_volume_and_its_last_answer_is_forgotten(
    tmp_path: Path,
) -> None:
    answer, asked, now = threading.Event(), [], [0.0]
    answer.set()

    def measure(root: Path) -> Room:
        asked.append(root)
        assert answer.wait(30)
        return Room(100, 7)

    async def scene() -> None:
        space = Space(tmp_path, measure, lambda: now[0], patience=0.05)
        await space.look()
        assert told(space) == {"silence_seconds": 0, "size_bytes": 100, "free_bytes": 7}
        answer.clear()
        for _ in range(3):
            await space.look()
        now[0] = 90
        await asyncio.gather(space.look(), space.look())
        assert told(space) == {"silence_seconds": 90}
        assert asked == [tmp_path] * 2
        answer.set()
        await space.look()
        assert told(space) == {"silence_seconds": 0, "size_bytes": 100, "free_bytes": 7}

    asyncio.run(scene())


def test_a_volume_that_refuses_is_silent_since_it_was_asked_first(tmp_path: Path) -> None:
    now = [0.0]

    async def scene() -> None:
        space = Space(tmp_path / "gone", clock=lambda: now[0])
        await space.look()
        now[0] = 30
        await space.look()
        assert told(space) == {"silence_seconds": 30}
        (tmp_path / "gone").mkdir()
        await space.look()
        assert told(space)["silence_seconds"] == 0 and told(space)["free_bytes"] > 0

    asyncio.run(scene())
