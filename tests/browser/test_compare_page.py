"""Two trainings side by side, as somebody sees them who wants to know whether the new one is better."""

import re
from typing import Any

from playwright.sync_api import expect

from dashboard_scene import CHART_MS

COMPARE = "/projects/compared/compare"


def figure(page: Any, name: str) -> Any:
    return page.locator(f'#compared-figures tr[data-figure="{name}"]')


def test_one_chooses_two_trainings_by_keyboard(open_page: Any) -> None:
    page = open_page(COMPARE)
    expect(page.get_by_text("Choose two trainings.")).to_be_visible()
    page.get_by_label("Training", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"compare\?a=r2&b=r1$"))
    expect(page.locator("#compared-figures")).to_be_visible()


def test_figures_say_what_is_better_with_sign_and_word(open_page: Any) -> None:
    page = open_page(f"{COMPARE}?a=r2&b=r1")
    expect(figure(page, "hmean")).to_contain_text(re.compile(r"0\.976\s*0\.968\s*\+0\.009 better"))
    expect(figure(page, "end_to_end_f1")).to_contain_text(re.compile(r"\+0\.\d+ better"))
    expect(figure(page, "gpu_seconds")).to_contain_text(re.compile(r"25 min\s*15 min\s*\+10 min worse"))
    expect(figure(page, "duration_seconds")).to_contain_text("−30 min better")
    for chart in page.locator(".compared-curve").all():
        chart.scroll_into_view_if_needed()
        expect(chart.locator(".scatterlayer .trace")).to_have_count(2, timeout=CHART_MS)
    expect(page.locator(".compared-curve")).to_have_count(4)
    page.goto(f"{COMPARE}?a=r1&b=r2")
    expect(figure(page, "hmean")).to_contain_text("−0.009 worse")


def test_images_that_changed_lead_to_both_tests(open_page: Any) -> None:
    page = open_page(f"{COMPARE}?a=r2&b=r1")
    expect(page.get_by_text("Both have tested 15 images")).to_be_visible()
    first = page.locator("#better tbody tr").first
    name = first.get_by_role("rowheader").inner_text()
    expect(first).to_contain_text(re.compile(r"\+0\.\d{3}"))
    for run in ("r2", "r1"):
        link = first.get_by_role("link", name=f"{name} as {run} reads it")
        assert f"/runs/{run}/test?image=" in link.get_attribute("href")
    first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_with_one_training_there_is_nothing_to_compare(open_page: Any) -> None:
    page = open_page("/projects/running/compare")
    expect(page.get_by_text("The project has one training only")).to_be_visible()


def test_it_speaks_chinese(open_page: Any) -> None:
    page = open_page(f"{COMPARE}?a=r2&b=r1", locale="zh-CN")
    expect(figure(page, "hmean")).to_contain_text("更好")
    expect(page.get_by_role("heading", name="变好的图片")).to_be_visible()


def test_project_and_training_lead_to_the_comparison_and_to_the_results(open_page: Any) -> None:
    page = open_page("/projects/compared")
    page.get_by_role("link", name="Compare trainings").click()
    expect(page).to_have_url(re.compile("/projects/compared/compare"))
    page.goto("/projects/compared/runs/r2")
    page.get_by_role("link", name="Results of its test").click()
    expect(page).to_have_url(re.compile("/projects/compared/runs/r2/test"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
