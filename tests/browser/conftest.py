"""The dashboard in a real headless Chromium, before a facade, a real API server and a volume.

Every page that a test opens must log no error and ask nobody but the facade: that is checked at its end.
"""

import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from dashboard_scene import Scene, measured, set_scene, train_for_real, trained_spec
from facade_process import Facade, eventually, serve, with_resource
from ocr_cluster.control_plane import ControlPlane

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@pytest.fixture(scope="session")
def scene(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A finished, a running, a failed and a waiting project, and a facade that shows them."""
    with with_resource(control_plane.kubeconfig) as cluster:
        namespace = cluster.make_namespace()
        volume = tmp_path_factory.mktemp("dashboard") / "volume"
        volume.mkdir()
        with serve(cluster, namespace, volume) as http:
            eventually(lambda: http.get("/readyz").status_code == 200, "the facade did not get ready")
            yield set_scene(Facade(cluster, namespace, volume, http))
        cluster.delete_namespace(namespace)


@pytest.fixture(scope="session")
def trained(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of r1 of the project `receipts`, really trained; workers of pytest-xdist share the training.

    A picture that is kept shows what `make demo` trains.
    """
    as_demo = bool(os.environ.get("OCR_WRITE_PICTURES"))
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if parallel else base) / "trained-receipts" / "volume"
    shared.mkdir(parents=True, exist_ok=True)
    with (shared.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared.parent / "done").exists():
            train_for_real(shared, "receipts", as_demo=as_demo)
            (shared.parent / "done").touch()
    run = scene.facade.volume / "train" / "receipts" / "r1"
    shutil.copytree(shared / "train" / "receipts" / "r1", run)
    scene.facade.create("receipts", trained_spec(as_demo=as_demo))
    scene.facade.report("receipts", **measured(run, "receipts"))
    eventually(lambda: scene.facade.reads("receipts", {"phase": "Succeeded"}))
    return run


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium; as root it has no sandbox."""
    path = shutil.which("chromium")
    assert path, "Chromium is missing: make browser"
    browser = playwright.chromium.launch(
        executable_path=path, args=["--no-sandbox", "--force-color-profile=srgb"]
    )
    yield browser
    browser.close()


@dataclass
class Visits:
    """What the pages of one test did that they must not."""

    base: str
    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of messages that the test itself brings about, such as a refusal."""
    over: bool = False
    """The test is at its end and takes away what its pages still show."""

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._console(message))
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not self.over:
            self.errors.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.errors.append(f"asked {url}")

    def check(self) -> None:
        unexpected = [e for e in self.errors if not any(part in e for part in self.expected)]
        assert unexpected == []


Open = Callable[..., Page]


@pytest.fixture
def visits(scene: Scene) -> Iterator[Visits]:
    visits = Visits(scene.base)
    yield visits
    visits.check()


@pytest.fixture
def open_page(browser: Browser, scene: Scene, visits: Visits) -> Iterator[Open]:
    """Opens a path in a browser of its own; options are Playwright's, such as locale."""
    contexts = []

    def open_it(path: str = "/", base: str = scene.base, **options: Any) -> Page:
        context = browser.new_context(
            base_url=base, **{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options}
        )
        contexts.append(context)
        page = context.new_page()
        visits.watch(page)
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture
def keep_picture() -> Callable[..., None]:
    """Keeps what is shown for the README, where OCR_WRITE_PICTURES asks for it: all, or the upper part."""

    def keep(page: Page, name: str, height: int | None = None) -> None:
        if not os.environ.get("OCR_WRITE_PICTURES"):
            return
        taken = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        shown = taken.crop((0, 0, taken.width, min(taken.height, height or taken.height)))
        # A third of the size, and no difference that is seen.
        few = shown.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        IMAGES.mkdir(parents=True, exist_ok=True)
        few.save(IMAGES / f"{name}.png", optimize=True)

    return keep


@contextmanager
def alone(scene: Scene, folder: Path, names: list[str]) -> Iterator[str]:
    """The address of a facade in a namespace of its own with just these projects."""
    cluster = scene.facade.cluster
    namespace = cluster.make_namespace()
    (folder / "volume").mkdir()
    with serve(cluster, namespace, folder / "volume") as http:
        facade = Facade(cluster, namespace, folder / "volume", http)
        for name in names:
            facade.create(name, {"train": {"id": "r1"}})
        eventually(lambda: http.get("/readyz").status_code == 200)
        eventually(lambda: http.get("/api/v1/projects").json()["total"] == len(names))
        yield str(http.base_url).rstrip("/")
    cluster.delete_namespace(namespace)


@pytest.fixture
def empty(scene: Scene, tmp_path: Path) -> Iterator[str]:
    """A facade without a project."""
    with alone(scene, tmp_path, []) as base:
        yield base


@pytest.fixture
def crowd(scene: Scene, tmp_path: Path) -> Iterator[str]:
    """A facade with five hundred."""
    with alone(scene, tmp_path, [f"crowd-{number}" for number in range(500)]) as base:
        yield base
