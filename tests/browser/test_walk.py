"""From the list to a line that was misread, by clicks alone, before a project that was really trained.

With OCR_WRITE_PICTURES it is trained as `make demo` does it, and what is seen is kept for the README.
"""

from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from dashboard_scene import CHART_MS


def test_one_finds_the_way_from_the_list_to_a_line(open_page: Any, trained: Path, keep_picture: Any) -> None:
    page = open_page("/")
    expect(page.locator("#live")).to_have_text("Live")
    keep_picture(page, "projects")

    page.get_by_role("link", name="receipts").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("receipts")
    page.get_by_role("link", name="r1").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Training r1")
    for model in ("detection", "recognition"):
        expect(page.locator(f"#{model} .main-svg").first).to_be_visible(timeout=CHART_MS)
    page.get_by_role("row", name="Outline repaired").get_by_role("button").click()
    expect(page.locator("#picture polygon")).to_be_visible()
    page.evaluate("window.scrollTo(0, 0)")
    keep_picture(page, "run", height=1560)

    page.get_by_role("link", name="Results of its test").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Test r1")
    page.locator("#histogram").scroll_into_view_if_needed()
    expect(page.locator("#histogram .bars path").first).to_be_attached(timeout=CHART_MS)
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    page.evaluate("window.scrollTo(0, 0)")
    keep_picture(page, "test", height=880)

    page.locator("#grid a").first.click()
    page.wait_for_load_state()
    expect(page.locator("#lines li").first).to_be_visible()
    keep_picture(page, "test-image")
    for crumb in ("Test", "r1", "receipts", "Projects"):
        page.get_by_role("navigation", name="Where you are").get_by_role("link", name=crumb).last.click()
        page.wait_for_load_state()
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects")
