"""A test image by image over /api/v1: the worst, the least certain, one with all its lines."""

import json
from pathlib import Path

import pytest

from facade_process import Facade
from ocr_api.files import Volume
from ocr_api.results import Results
from tested_images import image_line, unreadable_line

LINES = b"".join([
    image_line("a/good.jpg", ("Total", ("Total", 0.99)), ("5.00", ("5.00", 0.93))),
    image_line("b.jpg", ("10.00", ("1O.0", 0.41)), ("RM", None), (None, ("~", 0.2))),
    image_line("c.jpg", ("x", None)),
    image_line("收据 d.jpg", (None, ("seen", 0.3)), known=False),
    unreadable_line("e.jpg", "is cut off"),
    image_line("f.jpg", ("ok", ("ok", 0.6))),
])  # fmt: skip


@pytest.fixture
def test(facade: Facade, project_id: str) -> str:
    """A test with results; its path in the API."""
    facade.put(f"test/{project_id}/t1/work/test/lines.jsonl", LINES)
    return f"/api/v1/projects/{project_id}/tests/t1"


def names(facade: Facade, url: str, **parameters: str | int) -> list[str]:
    page = facade.get(url, **parameters).json()
    return [item["file"] for item in page["items"]]


def test_the_worst_images_come_first(facade: Facade, test: str) -> None:
    assert names(facade, f"{test}/results") == [
        "e.jpg",  # can't be read at all
        "b.jpg",  # three lines wrong
        "c.jpg",  # one
        "收据 d.jpg",  # nobody has checked it
        "f.jpg", "a/good.jpg",  # nothing wrong, the less certain one first
    ]  # fmt: skip
    item = facade.get(f"{test}/results").json()["items"][1]
    assert item == {
        "file": "b.jpg", "width": 400, "height": 300, "error": None, "known": True, "score": 0.2,
        "right": 0, "misread": 1, "missed": 1, "false": 1,
    }  # fmt: skip


def test_what_to_label_next_is_what_the_model_is_least_certain_of(facade: Facade, test: str) -> None:
    assert names(facade, f"{test}/results", sort="uncertain") == [
        "b.jpg", "收据 d.jpg", "f.jpg", "a/good.jpg", "c.jpg", "e.jpg",
    ]  # fmt: skip
    assert names(facade, f"{test}/results", sort="name")[:2] == ["a/good.jpg", "b.jpg"]
    assert facade.get(f"{test}/results", sort="size").status_code == 422


def test_images_are_looked_for_by_name_and_paged(facade: Facade, test: str) -> None:
    assert names(facade, f"{test}/results", q="收据") == ["收据 d.jpg"]
    assert names(facade, f"{test}/results", q="GOOD") == ["a/good.jpg"]
    read, after = [], 0
    while after is not None:
        page = facade.get(f"{test}/results", sort="name", limit=2, after=after).json()
        read += [item["file"] for item in page["items"]]
        after = page["next"]
    assert read == names(facade, f"{test}/results", sort="name") and len(read) == 6
    beyond = facade.get(f"{test}/results", after=6).json()
    assert (beyond["items"], beyond["next"]) == ([], None)


def test_the_whole_of_it_as_figures(facade: Facade, test: str, project_id: str) -> None:
    page = facade.get(f"{test}/results", limit=1, q="b.jpg").json()
    assert page["totals"] == {"images": 6, "right": 3, "misread": 1, "missed": 2, "false": 1}
    told = {name: {n: c for n, c in enumerate(bins) if c} for name, bins in page["scores"].items()}
    assert told == {"right": {19: 1, 18: 1, 12: 1}, "wrong": {8: 1, 4: 1}, "unknown": {6: 1}}
    assert {len(bins) for bins in page["scores"].values()} == {20}
    assert page["confusions"] == []  # nothing measured them
    errors = [{"true": "0", "read": "O", "count": 12}, {"true": "", "read": "c", "count": 1}]
    metrics = {"images": 5, "characterErrors": errors, "worstLines": []}
    facade.put(f"test/{project_id}/t1/testMetrics.json", json.dumps(metrics).encode())
    assert facade.get(f"{test}/results").json()["confusions"] == errors


def test_one_image_says_what_each_line_is_and_where_a_misread_one_differs(facade: Facade, test: str) -> None:
    image = facade.get(f"{test}/results/b.jpg").json()
    misread, false, missed = image["lines"]
    assert (misread["kind"], misread["expected"], misread["text"]) == ("misread", "10.00", "1O.0")
    assert misread["polygon"] == misread["truth"] == [0, 0, 90, 0, 90, 10, 0, 10]
    assert (misread["detectionScore"], misread["recognitionScore"]) == (0.9, 0.41)
    assert misread["difference"] == [
        ["equal", "1", "1"], ["replace", "0", "O"], ["equal", ".0", ".0"], ["delete", "0", ""]
    ]  # fmt: skip
    assert (missed["kind"], missed["expected"], missed["polygon"]) == ("missed", "RM", None)
    assert (false["kind"], false["text"], false["truth"], false["difference"]) == ("false", "~", None, None)
    [line] = facade.get(f"{test}/results/收据 d.jpg").json()["lines"]
    assert (line["kind"], line["text"]) == ("found", "seen")
    assert facade.get(f"{test}/results/a/good.jpg").json()["lines"][1]["kind"] == "right"
    assert facade.get(f"{test}/results/e.jpg").json()["error"] == "is cut off"
    for missing in ("good.jpg", "zz.jpg", "0", "a/../b.jpg"):
        assert facade.get(f"{test}/results/{missing}").status_code == (
            200 if missing == "a/../b.jpg" else 404
        )  # a client tidies the last one up


def test_a_runs_own_test_lies_in_the_runs_folder(facade: Facade, project_id: str) -> None:
    run = f"/api/v1/projects/{project_id}/runs/r1"
    answer = facade.get(f"{run}/results")
    assert answer.status_code == 404 and "no results by image" in answer.json()["detail"]
    assert facade.get(f"{run}/results/b.jpg").status_code == 404
    facade.put(f"train/{project_id}/r1/work/test/lines.jsonl", LINES)
    assert names(facade, f"{run}/results", limit=2) == ["e.jpg", "b.jpg"]
    assert len(facade.get(f"{run}/results/b.jpg").json()["lines"]) == 3


def test_a_test_that_was_done_again_is_shown_anew(facade: Facade, test: str, project_id: str) -> None:
    assert len(names(facade, f"{test}/results")) == 6
    again = facade.put(f"test/{project_id}/t1/work/test/again", image_line("new.jpg", ("a", ("a", 0.5))))
    again.replace(again.with_name("lines.jsonl"))
    assert names(facade, f"{test}/results") == ["new.jpg"]
    assert facade.get(f"{test}/results/b.jpg").status_code == 404


def test_lines_that_are_no_images_are_passed_over(facade: Facade, test: str, project_id: str) -> None:
    odd = b'\n[1]\n{"file": "no counts"}\nnot JSON\n{"file":"f","lines":[\n' + b"x" * 100_000 + b"\n"
    half = image_line("half.jpg", ("a", ("a", 0.5)))[:-9]
    facade.put(f"test/{project_id}/t1/work/test/lines.jsonl", odd + LINES + half)
    assert names(facade, f"{test}/results", sort="name")[:2] == ["a/good.jpg", "b.jpg"]
    assert facade.get(f"{test}/results/b.jpg").status_code == 200
    assert facade.get(f"{test}/results/half.jpg").status_code == 404  # its lines are cut off
    facade.put(f"test/{project_id}/t1/work/test/lines.jsonl", b"")
    page = facade.get(f"{test}/results").json()
    assert page["items"] == [] and page["totals"]["images"] == 0


def test_few_indexes_are_kept(tmp_path: Path) -> None:
    """Those of the tests looked at last; a large one alone is kept, too."""
    for name in "abc":
        (tmp_path / name).write_bytes(LINES)
    results = Results(Volume(tmp_path), most_images=12)

    def index(name: str) -> object:
        with results.reading(name) as found:
            assert found is not None
            return found[0]

    first, second = index("a"), index("b")
    assert index("a") is first
    index("c")
    assert index("a") is first and index("b") is not second
    small = Results(Volume(tmp_path), most_images=1)
    with small.reading("a") as one, small.reading("a") as other:
        assert one is not None and other is not None and one[0] is other[0]
