"""A run's page, as somebody sees it who wants to know what a training does and to act on it."""

import json
import re
import uuid
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from dashboard_scene import TINY, condition, failed, moment, run_status, running
from facade_process import eventually


@pytest.fixture
def playing(scene: Any, visits: Any) -> Iterator[str]:
    """A project of this test's own whose training runs; the test plays the operator."""
    name = f"playing-{uuid.uuid4().hex[:8]}"
    scene.facade.create(name, {"train": {"id": "r1"}})
    scene.facade.report(name, **running())
    eventually(lambda: scene.facade.reads(name, {"phase": "Training"}))
    yield name
    visits.over = True
    scene.facade.delete(name)


def stage(page: Any, name: str) -> Any:
    return page.locator(f'.timeline tr[data-stage="{name}"]')


def test_the_timeline_tells_of_queue_attempts_and_gpu_minutes(
    open_page: Any, scene: Any, playing: str
) -> None:
    page = open_page(f"/projects/{playing}/runs/r1")
    expect(stage(page, "prepare")).to_contain_text("Succeeded")
    expect(stage(page, "detection")).to_contain_text("Running")
    expect(stage(page, "package")).to_contain_text("Not yet")
    run = run_status(prepare="Succeeded", detection="Succeeded", recognition="Running")
    run["stages"]["detection"] |= {"attempts": 3, "restarts": 1, "gpuSeconds": 750.0}
    run["stages"]["package"] |= {"attempts": 1, "job": "job-package-0"}
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("document.title = 'the same page'")
    page.get_by_role("button", name="Stop").focus()
    scene.facade.report(playing, train=run, stage="recognition", progress=64)
    expect(stage(page, "detection").locator("td").nth(5)).to_contain_text("3 (1 after a stall)")
    expect(stage(page, "detection").locator("td").nth(6)).to_have_text("12.5")
    expect(stage(page, "package")).to_contain_text("Queued")
    expect(page.locator("#part .percent")).to_have_text("64 %")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    assert page.title() == "the same page"


def test_the_curves_of_both_models_are_drawn_and_can_be_looked_at_otherwise(
    open_page: Any, trained: Path
) -> None:
    page = open_page("/projects/receipts/runs/r1")
    loss = page.locator('#recognition [data-chart="loss"]')
    for model in ("detection", "recognition"):
        expect(page.locator(f"#{model} .main-svg").first).to_be_visible()
    axis = "node => node.layout.yaxis.type"
    assert loss.evaluate(axis) == "linear"
    page.get_by_label("Loss on a logarithmic scale").check()
    assert loss.evaluate(axis) == "log"

    curve = "node => node.data.find((trace) => trace.name === 'Loss' && trace.opacity !== 0.3).y"
    measured = loss.evaluate(curve)
    page.get_by_label("Smoothing").fill("0.9")
    after = loss.evaluate(curve)
    assert len(after) == len(measured) and after[0] == pytest.approx(measured[0])
    roughness = [sum(abs(b - a) for a, b in pairwise(v)) for v in (measured, after)]
    assert roughness[1] < roughness[0]

    marks = "node => node.data.find((trace) => trace.name === 'Evaluated here')"
    lines = (trained / "work" / "recognition" / "metrics.jsonl").read_text().splitlines()
    ends = [r["iterations"] for r in map(json.loads, lines) if "iterations" in r]
    assert loss.evaluate(marks)["x"] == ends
    page.locator("#recognition .legend").first.get_by_label("Evaluated here").uncheck()
    assert loss.evaluate(marks)["visible"] is False

    page.locator("#recognition summary").click()
    last = json.loads(lines[-1])["char_precision"]
    head = page.get_by_role("rowheader", name="Characters", exact=True)
    row = page.locator("#recognition .last-values tr").filter(has=head)
    expect(row.locator("td").first).to_have_text(f"{last:.4g}")
    expect(page.locator('#recognition [data-chart="speed"] .main-svg').first).to_be_visible()


def test_curves_grow_with_the_training(open_page: Any, scene: Any, playing: str) -> None:
    page = open_page(f"/projects/{playing}/runs/r1")
    expect(page.locator("#detection .none")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    records = [{"epoch": 1, "iterations": 10, "loss": 3.0, "lr": 0.1}, {"epoch": 1, "hmean": 0.5}]
    scene.facade.put(
        f"train/{playing}/r1/work/detection/metrics.jsonl", "\n".join(map(json.dumps, records)).encode()
    )
    report = running()["trainer"]
    report["detection"]["epoch"] = 13
    scene.facade.report(playing, trainer=report)
    expect(page.locator('#detection [data-chart="loss"] .main-svg').first).to_be_visible()


def test_the_findings_are_filtered_and_their_picture_is_shown(
    open_page: Any, trained: Path, visits: Any
) -> None:
    page = open_page("/projects/receipts/runs/r1")
    rows = page.locator("#found tbody tr")
    expect(rows.filter(has_text="nobody-took-it.jpg")).to_be_visible()
    page.get_by_label("Severity").select_option(label="Repaired")
    expect(rows).to_have_count(1)
    page.get_by_label("Kind").select_option(label="No text")
    expect(page.locator("#findings-said")).to_have_text("Nothing was found that fits.")
    page.get_by_label("Severity").select_option(label="All")
    page.get_by_label("Kind").select_option(label="All")
    page.locator("#image").fill("003")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Show train/003.jpg").first.click()
    picture = page.locator("#picture img")
    expect(picture).to_be_visible()
    eventually(lambda: picture.evaluate("img => img.complete && img.naturalWidth > 0"))
    expect(page.locator("#picture figcaption")).to_contain_text("train/003.jpg")


def test_a_broken_outline_is_drawn_in_the_pictures_own_pixels(open_page: Any, trained: Path) -> None:
    found = [json.loads(line) for line in (trained / "work/dataset/findings.jsonl").read_text().splitlines()]
    [crossing] = [one for one in found if one["annotation"] == "62"]
    with Image.open(trained / "train/003.jpg") as image:
        width, height = image.size
    page = open_page("/projects/receipts/runs/r1")
    page.get_by_role("row", name=re.compile("Outline repaired")).get_by_role("button").click()
    outline = page.locator("#picture polygon")
    [numbers] = crossing["polygon"]
    drawn = outline.evaluate("one => [...one.points].map((point) => [point.x, point.y])")
    assert drawn == [pytest.approx(pair, abs=0.01) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
    box = page.locator("#picture img").bounding_box()
    place = outline.evaluate("one => { const m = one.getScreenCTM(); return [m.a, m.d, m.e, m.f]; }")
    assert place == pytest.approx(
        [box["width"] / width, box["height"] / height, box["x"], box["y"]], abs=0.5
    )  # fmt: skip


def test_the_dictionary_says_how_often_each_character_occurs_or_that_nobody_counted(
    open_page: Any, trained: Path
) -> None:
    counted = json.loads((trained / "work/dataset/characters.json").read_text())["characters"]
    often = sorted(counted, key=lambda one: (one["training"], one["validation"]))
    page = open_page("/projects/receipts/runs/r1")
    rows = page.locator("#dictionary tbody tr")
    expect(rows).to_have_count(len(counted))
    expect(rows.first).to_contain_text("space")
    expect(rows.first.locator("td.number")).to_have_text(
        [str(often[-1][part]) for part in ("training", "validation")]
    )  # fmt: skip
    page.get_by_label("Order").select_option(label="Least frequent first")
    expect(rows.first.locator("td.number").first).to_have_text("0")
    unknown = rows.filter(has=page.get_by_role("rowheader", name="+", exact=True))
    expect(unknown.locator("td").last).to_have_text("no")
    page.goto("/projects/waiting/runs/r1")
    expect(page.locator("#dictionary-said")).to_have_text("There is no count of the characters.")


def test_where_nothing_has_happened_yet_there_is_nothing_to_filter_or_to_scroll(open_page: Any) -> None:
    page = open_page("/projects/waiting/runs/r1")
    expect(page.locator("#findings-said")).to_have_text("The images have not been checked yet.")
    expect(page.locator("#log-said")).to_have_text("There is no log yet.")
    for part in ("#findings form", "#found", "#before", "#lines", "#log-whole", "#dictionary form"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.get_by_text("No curves yet.")).to_have_count(2)


def test_the_log_is_followed_until_one_scrolls_up(open_page: Any, scene: Any, playing: str) -> None:
    log = scene.facade.put(
        f"train/{playing}/r1/log/record.log", b"".join(b"line %d\n" % n for n in range(400))
    )
    page = open_page(f"/projects/{playing}/runs/r1")
    lines = page.locator("#lines")
    expect(lines).to_contain_text("line 399")
    assert "line 199\n" not in lines.inner_text()
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
    with log.open("a") as file:
        file.write("a new line\n")
    expect(lines).to_contain_text("a new line")
    at_end = "node => node.scrollHeight - node.scrollTop - node.clientHeight < 5"
    assert lines.evaluate(at_end)
    lines.evaluate("node => { node.scrollTop = 0; }")
    with log.open("a") as file:
        file.writelines(f"flood {n}\n" for n in range(6000))
    expect(lines).to_contain_text("flood 5999")
    assert lines.evaluate("node => node.scrollTop") == 0
    assert lines.inner_text().count("\n") <= 5001
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")


def test_a_training_is_stopped_and_resumed(open_page: Any, scene: Any, playing: str) -> None:
    page = open_page(f"/projects/{playing}/runs/r1")
    stop, resume, retry = (
        page.get_by_role("button", name=n, exact=True) for n in ("Stop", "Resume", "Retry")
    )
    expect(resume).to_be_disabled()
    expect(retry).to_be_disabled()
    stop.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert not scene.facade.live(playing)["spec"]["train"].get("suspend")
    stop.click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("#said")).to_have_text("The training is being stopped.")
    expect(resume).to_be_enabled()
    expect(stop).to_be_disabled()
    assert scene.facade.live(playing)["spec"]["train"]["suspend"] is True
    run = run_status(prepare="Succeeded", detection="Suspended")
    scene.facade.report(playing, phase="Suspended", train=run)
    expect(stage(page, "detection")).to_contain_text("Stopped")
    resume.click()
    expect(page.locator("#said")).to_have_text("The training goes on from its checkpoint.")
    expect(stop).to_be_enabled()
    assert not scene.facade.live(playing)["spec"]["train"].get("suspend")


def test_what_the_api_refuses_is_told_in_its_own_words(
    open_page: Any, scene: Any, playing: str, visits: Any
) -> None:
    visits.expected = ["409"]
    page = open_page(f"/projects/{playing}/runs/r1")
    page.evaluate("document.getElementById('retry').disabled = false")
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("#said")).to_contain_text("is still running: stop it first")


def test_a_failed_training_says_why_and_is_tried_again(open_page: Any, scene: Any, visits: Any) -> None:
    scene.facade.create("broken", {"train": {"id": "r1"}})
    scene.facade.report("broken", **failed())
    eventually(lambda: scene.facade.reads("broken", {"phase": "Failed"}))
    page = open_page("/projects/broken/runs/r1")
    expect(page.locator("#why")).to_contain_text("no annotation file was found")
    expect(stage(page, "prepare")).to_contain_text("put a COCO file")
    expect(page.get_by_role("button", name="Download model")).to_be_disabled()
    expect(page.get_by_role("button", name="Start test")).to_be_disabled()
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("#said")).to_have_text("The training starts anew.")
    assert scene.facade.live("broken")["spec"]["train"]["revision"] == 1
    visits.expected = ["404"]  # what the page asks for while the project goes
    scene.facade.delete("broken")
    expect(page.locator("#live")).to_contain_text("It is gone")


def test_the_model_is_downloaded_and_a_test_is_started(
    open_page: Any, scene: Any, trained: Path, tmp_path: Path
) -> None:
    page = open_page("/projects/receipts/runs/r1")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download model").click()
    download.value.save_as(tmp_path / "model.zip")
    assert zipfile.ZipFile(tmp_path / "model.zip").namelist()
    page.get_by_role("button", name="Start test").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("that of training r1")
    dialog.get_by_label("Name of the test").fill("t 1")
    dialog.get_by_role("button", name="Start test").click()
    expect(page.locator("#said")).to_contain_text("The test is started.")
    expect(page.locator("#said a")).to_have_attribute("href", "/projects/receipts/tests/t%201")
    assert scene.facade.live("receipts")["spec"]["test"]["id"] == "t 1"


def test_its_settings_stand_there_with_dotted_names(open_page: Any, trained: Path) -> None:
    page = open_page("/projects/receipts/runs/r1")
    setting = page.locator("#settings div", has_text="train.detection.preset")
    expect(setting.locator("dd")).to_have_text(TINY["detection"]["preset"])


def test_a_past_training_shows_what_the_status_keeps(open_page: Any, scene: Any, playing: str) -> None:
    record = {
        "id": "older", "revision": 0, "outcome": "Failed", "stage": "detection", "reason": "OutOfMemory",
        "startedAt": moment(300), "finishedAt": moment(200), "gpuSeconds": 90.0, "hmean": 0.5,
    }  # fmt: skip
    scene.facade.report(playing, runs=[record])
    eventually(lambda: scene.facade.reads(playing, {"runs": [record]}))
    page = open_page(f"/projects/{playing}/runs/older")
    expect(page.locator("#why")).to_have_text("OutOfMemory")
    expect(page.locator("#part .figures")).to_contain_text("1.5")
    expect(page.locator("#settings")).to_contain_text("keeps no settings")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog")).to_contain_text("Training r1, which is running, will be stopped.")


def test_why_it_waits_is_told_in_plain_words(open_page: Any, scene: Any, playing: str) -> None:
    stalled = condition("ProgressStalled", "NoReport", "nothing was reported for 20 minutes")
    scene.facade.report(playing, conditions=[stalled])
    page = open_page(f"/projects/{playing}/runs/r1")
    expect(page.locator(".conditions")).to_contain_text("The training has stopped reporting")
    expect(page.locator(".conditions")).to_contain_text("nothing was reported for 20 minutes")


@pytest.mark.parametrize("path", ["/projects/running/runs/never", "/projects/nobody/runs/r1"])
def test_a_run_that_does_not_exist_is_an_error_page(open_page: Any, visits: Any, path: str) -> None:
    visits.expected = ["404"]  # the page itself
    page = open_page(path)
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("link", name="Back to the projects").click()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()


def test_it_speaks_chinese(open_page: Any, trained: Path) -> None:
    page = open_page("/projects/receipts/runs/r1", locale="zh-CN")
    for heading in ("时间线", "曲线", "数据检查结果", "字典", "日志", "设置"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.locator("#found")).to_contain_text("图片缺失")
    expect(page.get_by_role("link", name="下载模型")).to_be_visible()
