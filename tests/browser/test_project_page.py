"""A project's page: all its trainings and its test, and where to go from there."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard_scene import condition, finished, moment, run_status
from facade_process import eventually


@pytest.fixture
def history(scene: Any, visits: Any) -> Iterator[str]:
    """A project with a model, a present training, and past ones."""
    name = f"history-{uuid.uuid4().hex[:8]}"
    scene.facade.create(name, {"train": {"id": "r1"}})
    past = {"revision": 0, "startedAt": moment(500), "finishedAt": moment(400), "gpuSeconds": 120.0}
    records = [
        {"id": "first", "outcome": "Failed", "stage": "prepare", "reason": "NoAnnotations", **past},
        {"id": "second", "outcome": "Succeeded", "hmean": 0.88, "charPrecision": 0.91, **past},
    ]
    status = finished()
    status["conditions"].append(condition("QualityPassed", "GatesPassed", ""))
    scene.facade.report(name, **status, runs=records)
    eventually(lambda: scene.facade.reads(name, {"phase": "Succeeded"}))
    yield name
    visits.over = True
    scene.facade.delete(name)


def run(page: Any, name: str) -> Any:
    return page.locator(f'tr[data-id="{name}"]')


def test_the_list_leads_to_a_project_and_that_to_its_trainings(open_page: Any, history: str) -> None:
    page = open_page("/")
    page.get_by_role("link", name=history).click()
    expect(page.get_by_role("heading", name=history)).to_be_visible()
    expect(run(page, "r1")).to_contain_text("0.904")
    expect(run(page, "second")).to_contain_text("0.880")
    expect(run(page, "second")).to_contain_text("2.0")
    expect(run(page, "first")).to_contain_text("NoAnnotations")
    expect(page.locator(".conditions")).to_contain_text("The model is good enough for the gates")
    run(page, "r1").get_by_role("link", name="r1").click()
    expect(page.get_by_role("heading", name="Training r1")).to_be_visible()


def test_it_follows_the_project_without_reloading(open_page: Any, scene: Any, history: str) -> None:
    page = open_page(f"/projects/{history}")
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("document.title = 'the same page'")
    again = run_status(prepare="Running") | {"finishedAt": None}
    scene.facade.report(history, phase="Preparing", stage="prepare", progress=7, train=again)
    expect(page.locator("#part .percent")).to_have_text("7 %")
    assert page.title() == "the same page"
    scene.facade.delete(history)
    expect(page.locator("#live")).to_contain_text("It is gone")
    scene.facade.create(history, {"train": {"id": "r1"}})


def test_a_test_is_started_and_shown(open_page: Any, scene: Any, history: str, visits: Any) -> None:
    visits.expected = ["422"]
    page = open_page(f"/projects/{history}")
    expect(page.locator("#part")).to_contain_text("No test of its own was started.")
    page.get_by_role("button", name="Start test").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name of the test").fill("a/b")
    with page.expect_response("**/tests"):
        dialog.get_by_role("button", name="Start test").click()
    expect(page.locator("#said")).to_have_class("said bad")
    page.get_by_role("button", name="Start test").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Start test").click()
    dialog.get_by_label("Name of the test").fill("t1")
    dialog.get_by_label("Name of the test").press("Enter")
    expect(run(page, "t1").get_by_role("link")).to_have_attribute("href", f"/projects/{history}/tests/t1")
    assert scene.facade.live(history)["spec"]["test"]["id"] == "t1"


def test_a_project_that_does_not_exist_is_an_error_page(open_page: Any, visits: Any) -> None:
    visits.expected = ["404"]
    page = open_page("/projects/nobody")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()


def test_it_speaks_chinese(open_page: Any, history: str) -> None:
    page = open_page(f"/projects/{history}", locale="zh-CN")
    expect(page.get_by_role("heading", name="训练记录")).to_be_visible()
    expect(page.locator(".conditions")).to_contain_text("模型达到质量要求")
