"""What a run has left on the volume, over /api/v1: curves, findings, the log, files."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from facade_process import Facade, eventually


@pytest.fixture
def run(facade: Facade, project_id: str) -> str:
    return f"/api/v1/projects/{project_id}/runs/r1"


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


NOTHING = {
    "curves/detection": {"steps": [], "epochs": [], "validations": []},
    "curves/recognition": {"steps": [], "epochs": [], "validations": []},
    "findings": {"items": [], "checked": False, "next": None},
    "dictionary": {"items": [], "total": 0, "next": None},
}


@pytest.mark.parametrize("what", [*NOTHING, "log"])
def test_a_training_that_has_left_nothing_yet_is_no_error_but_an_unknown_one_is(
    facade: Facade, project_id: str, run: str, what: str
) -> None:
    unknown = facade.http.get(f"{run}/{what}")
    assert unknown.status_code == 404 and "there is no project" in unknown.json()["detail"]
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    eventually(lambda: facade.http.get(f"/api/v1/projects/{project_id}").status_code == 200)
    unknown = facade.http.get(f"{run}0/{what}")
    assert unknown.status_code == 404 and "has no training 'r10'" in unknown.json()["detail"]
    answer = facade.http.get(f"{run}/{what}").raise_for_status()
    if what == "log":
        assert answer.text == ""
    else:
        assert answer.json() == NOTHING[what]


def test_curves_are_three_kinds_and_thinned_out(facade: Facade, project_id: str, run: str) -> None:
    steps = [{"step": n, "epoch": 1 + n // 500, "loss": float(n), "lr": 0.1} for n in range(1, 1001)]
    epochs = [{"epoch": 1, "iterations": 500, "loss": 250.5, "lr": 0.1}]
    validations = [{"epoch": 1, "precision": 0.5, "recall": 0.5, "hmean": 0.5}]
    path = f"train/{project_id}/r1/work/detection/metrics.jsonl"
    facade.put(path, lines(*steps, *epochs, *validations) + b'{"step": 1001, "ep')
    found = facade.http.get(f"{run}/curves/detection", params={"points": 100}).json()
    assert (found["epochs"], found["validations"]) == (epochs, validations)
    assert len(found["steps"]) == 100
    assert found["steps"][0] == {"step": 10, "epoch": 1, "loss": 5.5, "lr": pytest.approx(0.1)}
    assert found["steps"][-1]["step"] == 1000
    whole = facade.http.get(f"{run}/curves/detection", params={"points": 1000}).json()
    assert whole["steps"] == steps


def test_findings_are_filtered_and_paged(facade: Facade, project_id: str, run: str) -> None:
    records = [
        {"severity": "error" if n % 10 == 0 else "repaired", "kind": "outline", "image": f"{n:03}.jpg",
         "annotation": str(n), "what": "crosses itself", "done": "hull",
         "polygon": [[n, 2.25, 30, 4, 5, 6], [1, 2, 3, 4, 5, 6]]}
        for n in range(100)
    ]  # fmt: skip
    facade.put(f"train/{project_id}/r1/work/dataset/findings.jsonl", lines(*records))
    found, after = [], 0
    while after is not None:
        page = facade.http.get(
            f"{run}/findings", params={"severity": "repaired", "limit": 40, "after": after}
        ).json()
        found += page["items"]
        after = page["next"]
    assert found == [record for record in records if record["severity"] == "repaired"]
    one = facade.http.get(f"{run}/findings", params={"image": "050.JPG", "kind": "outline"}).json()
    assert one == {"items": [records[50]], "checked": True, "next": None}


@pytest.mark.parametrize(
    "line",
    [
        b'{"severity": "error", "kind": "text"}',
        b'{"severity": "error", "kind": "text", "polygon": null}',
        b'{"severity": "error", "kind": "text", "polygon": "1 2 3 4"}',
        b'{"severity": "error", "kind": "text", "polygon": [[1, 2], ["x", 4]]}',
        b'{"severity": "error", "kind": "text", "polygon": [[NaN, 2, 1e999, 4]]}',
        b'{"severity": "error", "kind": "text", "polygon": {"x": 1}, "more": [{}]}',
    ],
)
def test_a_finding_without_a_polygon_to_draw_has_none(
    facade: Facade, project_id: str, run: str, line: bytes
) -> None:
    """Findings of earlier releases have none, and nothing that lies in the file breaks the page."""
    facade.put(f"train/{project_id}/r1/work/dataset/findings.jsonl", line + b"\n")
    assert facade.http.get(f"{run}/findings").json()["items"] == [
        {"severity": "error", "kind": "text", "image": "", "annotation": "", "what": "", "done": "",
         "polygon": []}
    ]  # fmt: skip


def test_half_a_character_in_a_finding_is_told_as_a_question_mark(
    facade: Facade, project_id: str, run: str
) -> None:
    line = b'{"severity": "repaired", "kind": "text", "what": "O\\ud83dD", "annotation": 7}\n'
    facade.put(f"train/{project_id}/r1/work/dataset/findings.jsonl", line)
    [found] = facade.http.get(f"{run}/findings").json()["items"]
    assert (found["what"], found["annotation"]) == ("O?D", "7")


def test_the_end_of_the_log(facade: Facade, project_id: str, run: str) -> None:
    text = "".join(f"line {n} 第\n" for n in range(20_000))
    facade.put(f"train/{project_id}/r1/log/record.log", text.encode())
    tail = facade.http.get(f"{run}/log", params={"lines": 3})
    assert tail.text == "line 19997 第\nline 19998 第\nline 19999 第\n"
    assert tail.headers["content-type"] == "text/plain; charset=utf-8"
    assert len(facade.http.get(f"{run}/log", params={"lines": 10_000}).text.splitlines()) == 10_000
    facade.put(f"train/{project_id}/r1/log/record.log", b"no line's end")
    assert facade.http.get(f"{run}/log").text == "no line's end"


def test_the_log_is_followed_until_the_run_ends(facade: Facade, project_id: str, run: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    heard: list[str] = []

    def listen() -> None:
        with facade.http.stream("GET", f"{run}/log", params={"follow": True}) as answer:
            heard.extend(answer.iter_lines())

    listener = threading.Thread(target=listen)
    listener.start()  # before there is a file: it comes
    time.sleep(0.2)
    file = facade.put(f"train/{project_id}/r1/log/record.log", b"first\n")
    eventually(lambda: heard == ["first"], "the first line was not heard")
    with file.open("ab") as log:
        log.write(b"second\n")
    eventually(lambda: heard == ["first", "second"], "the second line was not heard")
    facade.ask("/train/stop", projectID=project_id)
    listener.join(20)
    assert not listener.is_alive() and heard == ["first", "second"]


def test_files_are_listed_and_downloaded(facade: Facade, project_id: str, run: str) -> None:
    assert facade.http.get(f"{run}/files").status_code == 404
    facade.put(f"train/{project_id}/r1/images/收据 1.jpg", b"\xff\xd8picture")
    facade.put(f"train/{project_id}/r1/model/pthModel.zip", b"PK" * 500)
    listed = facade.http.get(f"{run}/files").json()
    assert [(file["path"], file["size"]) for file in listed["items"]] == [
        ("images/收据 1.jpg", 9), ("model/pthModel.zip", 1000),
    ]  # fmt: skip
    assert listed["truncated"] is False
    some = facade.http.get(f"{run}/files", params={"prefix": "model/"}).json()["items"]
    assert [file["path"] for file in some] == ["model/pthModel.zip"]

    picture = facade.http.get(f"{run}/files/images/收据 1.jpg")
    assert picture.content == b"\xff\xd8picture" and picture.headers["content-type"] == "image/jpeg"
    head = facade.http.head(f"{run}/files/model/pthModel.zip")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "1000", b"")
    assert facade.http.get(f"{run}/files/model").status_code == 404  # a folder is no file
    facade.put(f"test/{project_id}/t1/testResult.json", b"{}")
    tests = f"/api/v1/projects/{project_id}/tests/t1/files"
    assert facade.http.get(tests).json()["items"][0]["path"] == "testResult.json"
    assert facade.http.get(f"{tests}/testResult.json").content == b"{}"


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=2-3", 206, b"23"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=3-2", 200, b"0123456789"),  # malformed ones are ignored, by RFC 9110
        ("bytes=-", 200, b"0123456789"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=10-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_parts_of_a_file(
    facade: Facade, project_id: str, run: str, asked: str, status: int, content: bytes | None
) -> None:
    facade.put(f"train/{project_id}/r1/model/pthModel.zip", b"0123456789")
    new = facade.http.get(f"{run}/files/model/pthModel.zip", headers={"range": asked})
    old = facade.http.get(
        "/train/download", params={"projectID": project_id, "trainID": "r1"}, headers={"range": asked}
    )
    assert new.status_code == old.status_code == status
    if content is not None:
        assert new.content == old.content == content
    else:
        assert new.json()["status"] == old.json()["code"] == 416
        assert new.headers["content-range"] == old.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(
    "path", ["../r2/secret", "images/../../r2/secret", "/etc/passwd", "link/secret", "out"]
)
def test_no_path_leaves_the_runs_folder(facade: Facade, project_id: str, tmp_path: Path, path: str) -> None:
    """Nor does a link leave the volume; raw bytes on the wire, for clients tidy such paths up."""
    facade.put(f"train/{project_id}/r2/secret", b"of another run")
    folder = facade.put(f"train/{project_id}/r1/images/a.jpg", b"picture").parents[1]
    (tmp_path / "secret").write_bytes(b"of another place")
    (folder / "link").symlink_to(tmp_path)
    (folder / "out").symlink_to(tmp_path / "secret")
    url = facade.http.base_url.copy_with(
        raw_path=httpx.URL(f"/api/v1/projects/{project_id}/runs/r1/files/").raw_path + path.encode()
    )
    answer = facade.http.send(facade.http.build_request("GET", url))
    assert answer.status_code == 404 and b"of another" not in answer.content
    listed = facade.http.get(f"/api/v1/projects/{project_id}/runs/r1/files").json()["items"]
    assert [file["path"] for file in listed] == ["images/a.jpg"]
