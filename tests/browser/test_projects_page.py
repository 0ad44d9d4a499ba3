"""The list of projects, as somebody sees it who wants to know how they fare."""

from typing import Any

from playwright.sync_api import expect


def row(page: Any, name: str) -> Any:
    return page.locator(f'#rows tr[data-name="{name}"]')


def test_each_project_says_where_it_stands_and_why_it_waits(open_page: Any) -> None:
    page = open_page("/")
    expect(row(page, "finished")).to_contain_text("Succeeded")
    expect(row(page, "finished")).to_contain_text("0.904")
    expect(row(page, "finished")).to_contain_text("0.701")
    expect(row(page, "running")).to_contain_text("Train the detector")
    expect(row(page, "running")).to_contain_text("31 %")
    expect(row(page, "running")).to_contain_text("12 min")
    expect(row(page, "failed")).to_contain_text("no annotation file was found")
    expect(row(page, "waiting")).to_contain_text("waiting for quota in queue team")
    expect(page.locator("#live")).to_have_text("Live")


def test_the_list_follows_the_projects_without_reloading(open_page: Any, scene: Any) -> None:
    page = open_page("/")
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("document.title = 'the same page'")
    scene.facade.create("newcomer", {"train": {"id": "r1"}})
    expect(row(page, "newcomer")).to_contain_text("Waiting")
    scene.facade.report("newcomer", phase="Training", stage="recognition", progress=67)
    expect(row(page, "newcomer")).to_contain_text("67 %")
    scene.facade.delete("newcomer")
    expect(row(page, "newcomer")).to_have_count(0)
    assert page.title() == "the same page"


def test_on_a_phone_each_project_is_a_card_that_hides_nothing(open_page: Any) -> None:
    page = open_page("/", viewport={"width": 390, "height": 844})
    by_name = page.get_by_role("rowheader", name="finished")
    cells = page.get_by_role("row").filter(has=by_name).get_by_role("cell")
    expect(cells).to_have_count(6)  # those that say something: a screen reader still hears a table
    for cell in (by_name, *cells.all()):
        seen = cell.bounding_box()
        assert seen["x"] >= 0 and seen["x"] + seen["width"] <= 390, cell.inner_text()
    label = "cell => getComputedStyle(cell, '::before').content"
    assert "Hmean" in cells.filter(has_text="0.904").evaluate(label)
    expect(page.get_by_role("columnheader")).to_have_count(9)


def test_the_filter_finds_by_name_and_phase_and_stays_in_the_address(open_page: Any) -> None:
    page = open_page("/")
    page.get_by_label("Filter by name").fill("IN")
    expect(row(page, "failed")).to_be_hidden()
    page.get_by_label("Phase").select_option("Training")
    expect(page.locator("#rows tr:visible")).to_have_count(1)
    expect(page.locator("#shown")).to_contain_text("1 of")
    page.reload()
    expect(page.locator("#rows tr:visible")).to_have_count(1)
    expect(row(page, "running")).to_be_visible()


def test_it_speaks_the_browsers_language_and_the_one_that_is_chosen(open_page: Any) -> None:
    page = open_page("/", locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    expect(row(page, "running")).to_contain_text("训练检测模型")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()


def test_without_a_project_it_shows_the_three_ways_to_start_one(
    empty: str, open_page: Any, visits: Any
) -> None:
    visits.base = empty
    page = open_page("/", base=empty)
    expect(page.get_by_role("heading", name="No project yet")).to_be_visible()
    for way in ("kubectl apply", "/api/v1/projects", "/train/start"):
        expect(page.locator("#empty")).to_contain_text(way)


def test_five_hundred_projects_are_all_there_and_one_is_found_by_name(
    crowd: str, open_page: Any, visits: Any
) -> None:
    visits.base = crowd
    page = open_page("/", base=crowd)
    expect(page.locator("#rows tr")).to_have_count(500)
    page.get_by_label("Filter by name").fill("crowd-499")
    expect(page.locator("#rows tr:visible")).to_have_count(1)
