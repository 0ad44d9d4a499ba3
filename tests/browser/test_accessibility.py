"""Every page for everybody: axe-core finds nothing serious, in light and dark, on phones and wide screens."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

PATHS = [
    "/",
    "/projects/finished",
    "/projects/receipts/runs/r1",
    "/projects/failed/runs/r1",
    "/projects/compared/runs/r2/test",
    "/projects/compared/runs/r2/test?image=test/157.jpg",
    "/projects/unlabelled/tests/t1",
    "/projects/compared/compare?a=r2&b=r1",
]
SCREENS = {
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "wide and dark": {"viewport": {"width": 1920, "height": 1080}, "color_scheme": "dark"},
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", PATHS)
def test_nothing_serious_is_found(open_page: Any, trained: Path, path: str, screen: str) -> None:
    page = open_page(path, **SCREENS[screen])
    page.wait_for_load_state("load")
    if path == "/projects/receipts/runs/r1":
        page.locator("#recognition .main-svg").first.wait_for()
        page.locator("#found tbody tr").first.wait_for()
    found = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, "the page itself scrolls sideways"
