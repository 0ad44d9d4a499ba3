"""A test's page, as somebody uses it who wants to know what the model gets wrong, by mouse and keyboard."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard_scene import CHART_MS, moment
from tested_runs import under_way, write_test

RUN = "/projects/compared/runs/r2/test"
OWN = "/projects/unlabelled/tests/t1"


def tiles(page: Any) -> Any:
    return page.locator("#grid .tile")


def entries(page: Any, kind: str) -> Any:
    return page.locator(f'#lines li[data-kind="{kind}"]')


def view_of(page: Any) -> list[float]:
    """x, y, width, height of what is seen, in the picture's pixels."""
    return [float(part) for part in page.locator("#tested-picture").get_attribute("viewBox").split()]


def wrong_lines(tile: Any) -> int:
    counts = re.findall(r"(\d+) (?:misread|missed|false)", tile.inner_text())
    return sum(int(count) for count in counts)


def test_it_shows_the_figures_and_the_worst_images_first(open_page: Any) -> None:
    page = open_page(RUN)
    expect(page.locator(".test-figures")).to_contain_text(re.compile(r"Precision\s*0\.993"))
    for name in ("Recall", "Hmean", "End to end F1", "Words", "Characters"):
        expect(page.locator(".test-figures")).to_contain_text(re.compile(rf"{name}\s*0\.\d{{3}}"))
    expect(tiles(page)).to_have_count(15)
    wrong = [wrong_lines(tile) for tile in tiles(page).all()]
    assert wrong == sorted(wrong, reverse=True) and wrong[0] > wrong[-1]
    expect(tiles(page).first.locator("img")).to_have_js_property("complete", True)
    assert tiles(page).first.locator("img").evaluate("image => image.naturalWidth") > 0
    expect(page.locator("#confusions tbody tr").first).to_contain_text(re.compile(r"0\s*O\s*\d+"))
    page.goto(f"{RUN}?q=15")
    page.locator("#histogram").scroll_into_view_if_needed()
    expect(page.locator("#histogram .bars path").first).to_be_attached(timeout=CHART_MS)
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")


def test_a_tests_own_figures_are_shown_whatever_the_status_keeps(open_page: Any, trained: Path) -> None:
    measured = json.loads((trained / "testMetrics.json").read_text())
    page = open_page("/projects/receipts/runs/r1/test")
    for name, part, key in (
        ("Precision", "detection", "precision"), ("Hmean", "detection", "hmean"),
        ("End to end F1", "endToEnd", "f1"), ("Characters", "recognition", "char_precision"),
    ):  # fmt: skip
        card = page.locator(".test-figures .card").filter(has=page.get_by_text(name, exact=True))
        expect(card.locator("dd")).to_have_text(f"{measured[part][key]:.3f}")


def test_what_to_label_next_begins_with_the_least_certain_image(open_page: Any) -> None:
    page = open_page(RUN)
    page.get_by_role("link", name="What to label next").click()
    expect(page.get_by_role("link", name="What to label next")).to_have_attribute("aria-current", "true")
    scores = [
        float(re.search(r"lowest score (\d\.\d\d)", tile.inner_text()).group(1))  # type: ignore[union-attr]
        for tile in tiles(page).all()
    ]
    assert scores == sorted(scores) and scores[0] < scores[-1]
    page.get_by_role("link", name="By name").click()
    expect(page).to_have_url(re.compile("sort=name"))
    names = page.locator("#grid .name").all_inner_texts()
    assert names == sorted(names)


def test_one_finds_an_image_by_name(open_page: Any) -> None:
    page = open_page(RUN)
    page.get_by_label("Filter by name").fill("157")
    page.keyboard.press("Enter")
    expect(tiles(page)).to_have_count(1)
    expect(tiles(page)).to_contain_text("test/157.jpg")
    expect(page.locator("#range")).to_have_text("1–1 of 1")
    page.get_by_label("Filter by name").fill("nowhere")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No image fits.")).to_be_visible()


def test_misread_lines_mark_what_differs_in_words_too(open_page: Any) -> None:
    page = open_page(f"{RUN}?image=test/157.jpg")
    misread = entries(page, "misread").first
    expect(misread.locator("del").first).to_contain_text("misread part:")
    expect(misread.locator("ins").first).to_contain_text("read instead:")
    for kind, count in (("right", 35), ("misread", 12), ("missed", 3)):
        expect(entries(page, kind)).to_have_count(count)
        expect(page.locator(f"#tested-picture .kind-{kind}")).to_have_count(count)
    colours = {
        kind: page.locator(f"#tested-picture .kind-{kind}").first.evaluate(
            "it => getComputedStyle(it).stroke"
        )
        for kind in ("right", "misread", "missed")
    }
    assert len(set(colours.values())) == 3


def test_a_line_and_its_outline_light_up_together(open_page: Any) -> None:
    page = open_page(f"{RUN}?image=test/157.jpg")
    entry = entries(page, "missed").first
    outline = page.locator(f'#tested-picture [data-line="{entry.get_attribute("data-line")}"]')
    entry.hover()
    expect(outline).to_have_class(re.compile(r"\blit\b"))
    page.locator("h1").hover()
    expect(outline).not_to_have_class(re.compile(r"\blit\b"))
    entry.get_by_role("button").focus()
    expect(outline).to_have_class(re.compile(r"\blit\b"))
    page.keyboard.press("Enter")  # looks at it
    assert view_of(page)[2] < 537

    page.get_by_role("button", name="Fit").click()
    other = entries(page, "right").last
    page.locator(f'#tested-picture [data-line="{other.get_attribute("data-line")}"]').hover()
    expect(other).to_have_class(re.compile(r"\blit\b"))
    expect(other).to_be_in_viewport()


def test_one_zooms_and_moves_by_mouse(open_page: Any) -> None:
    page = open_page(f"{RUN}?image=test/157.jpg")
    whole = view_of(page)
    assert whole == [0, 0, 537, 1280]
    page.locator("#tested-picture").hover()
    page.mouse.wheel(0, -200)
    page.mouse.wheel(0, -200)
    near = view_of(page)
    assert near[2] < whole[2] and near[3] < whole[3]
    box = page.locator("#tested-picture").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 60, steps=4)
    page.mouse.up()
    assert view_of(page)[1] > near[1], "the picture follows the mouse"
    page.get_by_role("button", name="Fit").click()
    assert view_of(page) == whole
    page.get_by_role("button", name="Zoom in").click()
    assert view_of(page)[2] < whole[2]
    page.get_by_role("button", name="Zoom out").click()
    assert view_of(page) == whole


def test_two_fingers_zoom_and_one_moves_what_is_zoomed(open_page: Any) -> None:
    page = open_page(f"{RUN}?image=test/157.jpg", has_touch=True, viewport={"width": 390, "height": 844})
    picture = page.locator("#tested-picture")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    touch(page, [(x - 20, y), (x + 20, y)], [(x - 80, y), (x + 80, y)])
    near = view_of(page)
    assert near[2] < 537 / 2
    touch(page, [(x, y)], [(x, y - 60)])
    assert view_of(page)[1] > near[1]
    assert view_of(page)[2:] == near[2:]
    touch(page, [(x - 80, y), (x + 80, y)], [(x - 10, y), (x + 10, y)])
    assert view_of(page) == [0, 0, 537, 1280]


def touch(page: Any, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
    """Fingers come down, move in steps and are lifted, as Chromium's own input does it."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, points: list[tuple[float, float]]) -> None:
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    send("touchStart", start)
    for step in (0.25, 0.5, 0.75, 1.0):
        pairs = zip(start, end, strict=True)
        send("touchMove", [(a + (c - a) * step, b + (d - b) * step) for (a, b), (c, d) in pairs])
    send("touchEnd", [])
    session.detach()


def test_all_of_it_works_by_keyboard(open_page: Any) -> None:
    page = open_page(RUN)
    names = page.locator("#grid .name").all_inner_texts()
    tiles(page).nth(1).get_by_role("link").focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(names[1])
    page.wait_for_load_state()  # keys are heard from then on
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(names[2])
    page.wait_for_load_state()
    expect(page.get_by_text("3 of 15")).to_be_visible()
    whole = view_of(page)
    page.keyboard.press("+")
    near = view_of(page)
    page.keyboard.press("Shift+ArrowDown")
    assert near[2] < whole[2] and view_of(page)[1] > near[1]
    page.keyboard.press("-")
    page.keyboard.press("0")
    assert view_of(page) == whole
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text(names[1])
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(tiles(page)).to_have_count(15)
    expect(tiles(page).nth(1).get_by_role("link")).to_be_focused()


def test_kinds_of_lines_can_be_left_out(open_page: Any) -> None:
    page = open_page(f"{RUN}?image=test/157.jpg")
    page.get_by_role("checkbox", name="Right").uncheck()
    expect(page.locator("#tested-picture .kind-right").first).to_be_hidden()
    expect(entries(page, "right").first).to_be_hidden()
    expect(entries(page, "misread").first).to_be_visible()
    page.get_by_role("checkbox", name="Right").check()
    expect(entries(page, "right").first).to_be_visible()


def test_without_truth_it_shows_what_was_found_and_how_sure(open_page: Any) -> None:
    page = open_page(OWN)
    expect(page.get_by_text("Nobody has said what these images hold")).to_be_visible()
    expect(page.locator(".test-figures")).to_have_count(0)
    expect(page.get_by_role("link", name="Worst first")).to_have_count(0)
    expect(page.get_by_role("link", name="What to label next")).to_have_attribute("aria-current", "true")
    expect(tiles(page).first).to_contain_text("lowest score")
    tiles(page).first.get_by_role("link").click()
    expect(entries(page, "found").first).to_contain_text(re.compile(r"score 0\.\d\d"))
    assert entries(page, "misread").count() == entries(page, "right").count() == 0


def test_it_follows_a_test_that_is_under_way(open_page: Any, scene: Any) -> None:
    page = open_page("/projects/testing/runs/r2/test")
    expect(page.get_by_text("3 of 15 images are read")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("document.title = 'the same page'")
    scene.facade.report("testing", **under_way(moment, 9))
    expect(page.get_by_text("9 of 15 images are read")).to_be_visible()
    assert page.title() == "the same page"
    write_test(scene.facade.volume / "train" / "testing" / "r2", "test", share_wrong=0.1)
    scene.facade.report("testing", **under_way(moment, 15, ended=True))
    expect(tiles(page)).to_have_count(15)
    expect(page.locator(".test-figures")).to_contain_text(re.compile(r"Hmean\s*0\.\d{3}"))


def test_many_images_come_by_the_hundred(open_page: Any, scene: Any) -> None:
    write_test(scene.facade.volume / "test" / "unlabelled" / "many", "", share_wrong=0.1, copies=14)
    page = open_page("/projects/unlabelled/tests/many?sort=name")
    expect(tiles(page)).to_have_count(100)
    expect(page.locator("#range")).to_have_text("1–100 of 210")
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="Next page").click()
    expect(tiles(page)).to_have_count(10)
    tiles(page).last.get_by_role("link").click()
    expect(page.get_by_text("210 of 210")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(tiles(page).last.get_by_role("link")).to_be_focused()
    page.get_by_role("link", name="Page before").click()
    expect(page.locator("#range")).to_have_text("101–200 of 210")


def test_it_speaks_chinese(open_page: Any) -> None:
    page = open_page(RUN, locale="zh-CN")
    expect(page.get_by_role("link", name="建议优先标注")).to_be_visible()
    expect(tiles(page).first).to_contain_text("误读")
    tiles(page).first.get_by_role("link").click()
    expect(entries(page, "misread").first).to_contain_text("应为")


@pytest.mark.parametrize(
    "path", ["/projects/compared/tests/none", f"{RUN}?image=none.jpg", "/projects/none/tests/t1"]
)
def test_what_is_not_there_is_said_so(open_page: Any, visits: Any, path: str) -> None:
    visits.expected = ["404"]
    page = open_page(path)
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
