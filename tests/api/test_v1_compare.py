"""Two runs side by side over /api/v1: figures with their differences, and images that one reads better."""

import json
from pathlib import Path
from typing import Any

import pytest

from facade_process import Facade, eventually
from ocr_contract.names import run_hash

START, HOUR_LATER = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"


@pytest.fixture
def path(facade: Facade, project_id: str) -> str:
    """Of the present run r2, compared with the past run r1; both have tested themselves."""
    facade.ask("/train/start", projectID=project_id, trainID="r2")
    past = {
        "id": "r1", "revision": 0, "outcome": "Succeeded", "startedAt": START, "finishedAt": HOUR_LATER,
        "gpuSeconds": 100.0, "hmean": 0.75, "endToEndF1": 0.5,
    }  # fmt: skip
    status = {
        "runs": [past],
        "train": {"id": "r2", "startedAt": START, "stages": {"detection": {"gpuSeconds": 40.0}}},
        "trainer": {
            "detection": {"run": run_hash("r2", 0), "hmean": 0.875},
            "recognition": {"run": run_hash("r2", 0), "charPrecision": 0.9},
            "test": {"run": run_hash("r2", 0), "endToEndF1": 0.25},
        },
    }
    facade.report(project_id, **status)
    runs = f"/api/v1/projects/{project_id}/runs"
    eventually(lambda: facade.http.get(f"{runs}/r2").json().get("endToEndF1") == 0.25)
    return f"{runs}/r2/compare/r1"


def image(file: str, right: int, misread: int = 0, missed: int = 0, false: int = 0, **more: Any) -> bytes:
    """A line as the test writes it."""
    counts = {"right": right, "misread": misread, "missed": missed, "false": false}
    lines = [{"kind": "right", "text": 'a ,"lines":["'}] * right
    return json.dumps({"file": file, "known": True, "score": None, **counts, **more, "lines": lines},
                      separators=(",", ":")).encode() + b"\n"  # fmt: skip


def put(facade: Facade, project_id: str, run: str, *lines: bytes) -> None:
    facade.put(f"train/{project_id}/{run}/work/test/lines.jsonl", b"".join(lines))


def test_figures_stand_side_by_side(facade: Facade, path: str) -> None:
    found = facade.http.get(path).json()
    assert (found["run"], found["other"], found["images"]) == ("r2", "r1", None)
    assert found["figures"] == {
        "hmean": {"run": 0.875, "other": 0.75, "difference": 0.125},
        "charPrecision": {"run": 0.9, "other": None, "difference": None},
        "endToEndF1": {"run": 0.25, "other": 0.5, "difference": -0.25},
        "gpuSeconds": {"run": 40.0, "other": 100.0, "difference": -60.0},
        "durationSeconds": {"run": None, "other": 3600.0, "difference": None},
    }


def test_images_that_got_better_and_worse(facade: Facade, project_id: str, path: str) -> None:
    put(
        facade, project_id, "r1", image("a.jpg", 1, misread=1, missed=1, false=1), image("b.jpg", 4),
        image("c.jpg", 2, missed=2), image("same.jpg", 1, missed=1), image("gone.jpg", 1),
        image("blank.jpg", 0), image("truthless.jpg", 0), b'{"file": "half.jpg", "know',
    )  # fmt: skip
    put(
        facade, project_id, "r2", image("a.jpg", 4), image("b.jpg", 3, misread=1),
        image("c.jpg", 3, missed=1), image("same.jpg", 2, false=2), image("new.jpg", 1),
        image("blank.jpg", 0, false=1), image("truthless.jpg", 0, known=False), b"[]\n",
        b'{"file": "a.jpg", "known": true}\n',
    )  # fmt: skip
    found = facade.http.get(path).json()["images"]
    assert (found["compared"], found["improved"], found["worsened"]) == (5, 2, 2)
    assert [(one["file"], one["difference"]) for one in found["better"]] == [("a.jpg", 0.75), ("c.jpg", 0.25)]
    assert [(one["file"], one["difference"]) for one in found["worse"]] == [
        ("blank.jpg", -1.0), ("b.jpg", -0.25),
    ]  # fmt: skip
    assert found["better"][0]["run"] == {"share": 1.0, "right": 4, "misread": 0, "missed": 0, "false": 0}
    assert found["better"][0]["other"] == {"share": 0.25, "right": 1, "misread": 1, "missed": 1, "false": 1}


def test_a_hundred_images_are_shown_each_way_the_biggest_difference_first(
    facade: Facade, project_id: str, path: str
) -> None:
    put(facade, project_id, "r1", *(image(f"{n:03}.jpg", 200, false=n) for n in range(400)))
    put(facade, project_id, "r2", *(image(f"{n:03}.jpg", 200, false=399 - n) for n in range(400)))
    found = facade.http.get(path).json()["images"]
    assert (found["compared"], found["improved"], found["worsened"]) == (400, 200, 200)
    assert [one["file"] for one in found["better"]] == [f"{n:03}.jpg" for n in range(399, 299, -1)]
    assert [one["file"] for one in found["worse"]] == [f"{n:03}.jpg" for n in range(100)]


def test_an_image_with_very_many_lines_is_compared_by_its_counts(
    facade: Facade, project_id: str, path: str
) -> None:
    put(facade, project_id, "r1", image("crowd.jpg", 60_000, missed=60_000), image("b.jpg", 1))
    put(facade, project_id, "r2", image("crowd.jpg", 60_000), image("b.jpg", 1))
    found = facade.http.get(path).json()["images"]
    assert [(one["file"], one["difference"]) for one in found["better"]] == [("crowd.jpg", 0.5)]
    assert found["compared"] == 2


def test_results_of_an_earlier_revision_are_not_compared(facade: Facade, project_id: str, path: str) -> None:
    for run in ("r1", "r2"):
        put(facade, project_id, run, image("a.jpg", 1))
    assert facade.http.get(path).json()["images"] is not None
    facade.report(project_id, trainer={"test": None})
    eventually(lambda: facade.http.get(path).json()["figures"]["endToEndF1"]["run"] is None)
    assert facade.http.get(path).json()["images"] is None


def test_unknown_runs_are_told(facade: Facade, path: str) -> None:
    runs = path.rsplit("/", 3)[0]
    for pair in ("r2/compare/r9", "r9/compare/r1"):
        answer = facade.http.get(f"{runs}/{pair}")
        assert answer.status_code == 404 and "knows no training 'r9'" in answer.json()["detail"]
    assert facade.http.get("/api/v1/projects/nowhere/runs/r1/compare/r2").status_code == 404


def test_a_link_out_of_the_volume_is_not_followed(
    facade: Facade, project_id: str, path: str, tmp_path: Path
) -> None:
    (tmp_path / "lines.jsonl").write_bytes(image("secret.jpg", 1))
    put(facade, project_id, "r1", image("secret.jpg", 0, missed=1))
    link = facade.volume / f"train/{project_id}/r2/work/test/lines.jsonl"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "lines.jsonl")
    assert facade.http.get(path).json()["images"] is None
