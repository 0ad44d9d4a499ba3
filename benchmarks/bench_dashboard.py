"""How quickly the dashboard's heaviest pages open in a real browser: `make bench-dashboard`.

A test of 105 receipts, whose page shows a hundred, and a list of 500 projects, in a headless Chromium that
has never seen them. `cold` is the very first visitor, for whom the facade makes the index and each thumbnail;
`warm` is every other one with an empty browser. A page is open once all pictures in sight are drawn; a
stutter is the longest task that kept the page from answering. The last line is one JSON object.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from dashboard_scene import moment
from facade_process import Facade, eventually, serve, with_resource
from ocr_cluster.control_plane import ControlPlane
from tested_runs import own_test, write_test

COPIES = 7
"""Of fifteen receipts."""
IN_SIGHT = """() => Promise.all([...document.images]
  .filter((image) => image.getBoundingClientRect().top < innerHeight).map((image) => image.decode()))"""
LONG_TASKS = """() => { window.longest = 0; new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({type: 'longtask'}); }"""


def visit(browser: Browser, address: str) -> tuple[float, Page]:
    """Milliseconds until the page and the pictures in sight are there, in a browser with nothing kept."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto("about:blank")
    start = time.perf_counter()
    answer = page.goto(address)
    page.evaluate(IN_SIGHT)
    taken = 1000 * (time.perf_counter() - start)
    assert answer is not None and answer.ok, f"{address}: {answer and answer.status}"
    return taken, page


def visits(browser: Browser, address: str, number: int) -> list[float]:
    times = []
    for _ in range(number):
        taken, page = visit(browser, address)
        times.append(taken)
        page.context.close()
    return times


def whole_page(browser: Browser, address: str) -> float:
    """Milliseconds until each of a hundred thumbnails is drawn, those out of sight, too."""
    _, page = visit(browser, address)
    start = time.perf_counter()
    page.evaluate("() => { for (const image of document.images) image.loading = 'eager'; }")
    page.evaluate("() => Promise.all([...document.images].map((image) => image.decode()))")
    taken = 1000 * (time.perf_counter() - start)
    page.context.close()
    return taken


def list_under_load(browser: Browser, facade: Facade, projects: int, seconds: float) -> dict[str, Any]:
    """The list while statuses change as quickly as one client can write them."""
    address = str(facade.http.base_url)
    start = time.perf_counter()
    size = len(facade.http.get("/").content)
    print(f"the list's {size / 1000:.0f} kB come in {1000 * (time.perf_counter() - start):.0f} ms")
    opened, page = visit(browser, address)
    page.wait_for_selector("#live:not(:empty)")
    page.evaluate(LONG_TASKS)
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            facade.report(f"p{written % projects}", phase="Training", progress=written // projects % 100)
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    page.wait_for_timeout(1000 * seconds)
    done.set()
    writer.join()
    facade.report("p0", phase="Training", stage="package", progress=99)
    start = time.perf_counter()
    page.locator('#rows tr[data-name="p0"] .percent', has_text="99 %").wait_for()
    late = 1000 * (time.perf_counter() - start)
    longest = page.evaluate("longest")
    page.context.close()
    return {
        "list_ms": opened,
        "changes_per_second": written / seconds,
        "stutter_ms": longest,
        "late_ms": late,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--visits", type=int, default=9, help="whose median is told (%(default)s)")
    parser.add_argument("--projects", type=int, default=500, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of changes to the list (%(default)s)")
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        parser.error("Chromium is missing: make browser")
    with (
        tempfile.TemporaryDirectory(prefix="bench-dashboard-") as folder,
        ControlPlane(Path(folder) / "plane") as plane,
        with_resource(plane.kubeconfig) as cluster,
        sync_playwright() as playwright,
    ):
        volume = Path(folder) / "volume"
        write_test(volume / "test" / "tested" / "t1", "", share_wrong=0.1, copies=COPIES)
        namespace = cluster.make_namespace()
        with serve(cluster, namespace, volume) as http:
            facade = Facade(cluster, namespace, volume, http)
            print(f"making {given.projects} projects", flush=True)
            for n in range(given.projects):
                facade.create(f"p{n}", {"train": {"id": "r1"}})
            eventually(lambda: http.get("/readyz").status_code == 200, "the facade did not get ready")
            facade.create("tested", {"train": {"id": "r1"}, "test": {"id": "t1"}})
            facade.report("tested", **own_test(moment))
            eventually(lambda: facade.reads("tested", {"phase": "Succeeded"}))
            address = str(http.base_url).rstrip("/")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            visits(browser, f"{address}/projects/tested", 2)  # the browser itself is warm
            page = f"{address}/projects/tested/tests/t1"
            print(f"opening the page of a test {given.visits + 1} times", flush=True)
            cold = visits(browser, page, 1)[0]
            warm = statistics.median(visits(browser, page, given.visits))
            whole_page(browser, page)  # makes the thumbnails that nobody has seen
            whole = statistics.median(whole_page(browser, page) for _ in range(3))
            one = statistics.median(visits(browser, f"{page}?image=000-157.jpg", given.visits))
            print(f"changing {given.projects} projects for {given.seconds:.0f} s", flush=True)
            listed = list_under_load(browser, facade, given.projects, given.seconds)
            browser.close()
    figures = {
        "test_page_cold_ms": cold, "test_page_warm_ms": warm, "hundred_thumbnails_ms": whole,
        "image_page_ms": one, **listed,
    }  # fmt: skip
    for name, value in figures.items():
        print(f"{name:<24}{value:>10.0f}")
    print(json.dumps({name: round(value, 1) for name, value in figures.items()} | {
        "projects": given.projects, "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(), "load": round(os.getloadavg()[0], 2),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
