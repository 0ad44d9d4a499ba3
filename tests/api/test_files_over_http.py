"""Files of the volume: asked for, downloaded, resumed, and never one that lies outside."""

import os
from pathlib import Path

import pytest

from facade_process import Facade, eventually
from ocr_contract.legacy import Word

MODEL = bytes(range(256)) * 1000
RESULT = '{"images": [{"file": "收据.jpg"}]}'.encode()


def test_check_file_before_and_after_the_model_exists(facade: Facade, project_id: str) -> None:
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    before = facade.ask("/train/checkFile", projectID=project_id, trainID="r1", type="model")
    assert before == {
        "code": 0, "msg": "pthModel.zip is not there yet", "exists": False, "file": "pthModel.zip", "size": 0,
    }  # fmt: skip
    download = facade.get("/train/download", projectID=project_id, downloadType="model")
    assert download.status_code == 404
    assert download.json() == {"code": 404, "msg": "pthModel.zip is not there yet"}

    facade.put(f"train/{project_id}/r1/model/pthModel.zip", MODEL)
    facade.put(f"train/{project_id}/r1/testResult.json", RESULT)
    after = facade.ask("/train/checkFile", projectID=project_id, type="model")
    assert (after["exists"], after["size"], after["msg"]) == (True, len(MODEL), "ok")
    result = facade.ask("/train/checkFile", projectID=project_id, trainID="r1", type="testResult")
    assert (result["file"], result["size"]) == ("testResult.json", len(RESULT))


def test_a_model_of_the_revision_before_is_not_taken_for_the_new_one(facade: Facade, project_id: str) -> None:
    which = {"projectID": project_id, "trainID": "r1", "type": "model"}
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    facade.put(f"train/{project_id}/r1/model/pthModel.zip", MODEL)

    def packaged(revision: int) -> dict[str, object]:
        stages = {"package": {"state": "Succeeded"}}
        return {"id": "r1", "revision": revision, "finishedAt": "2026-01-01T00:00:00Z", "stages": stages}

    facade.report(project_id, train=packaged(0))
    eventually(lambda: facade.ask("/status", projectID=project_id)["status"] == Word.SUCCEEDED)
    assert facade.ask("/train/checkFile", **which)["exists"]
    assert facade.ask("/train/start", projectID=project_id, trainID="r1")["revision"] == 1
    assert not facade.ask("/train/checkFile", **which)["exists"]
    assert facade.get("/train/download", **which).status_code == 404
    facade.report(project_id, train=packaged(1))
    eventually(lambda: bool(facade.ask("/train/checkFile", **which)["exists"]))
    assert facade.get("/train/download", **which).content == MODEL


def test_a_model_is_downloaded_whole_with_its_name(facade: Facade, project_id: str) -> None:
    facade.put(f"train/{project_id}/r1/model/pthModel.zip", MODEL)
    for call in (facade.http.get, facade.http.post):
        answer = call("/train/download", params={"projectID": project_id, "trainID": "r1"})
        assert answer.status_code == 200 and answer.content == MODEL
        assert answer.headers["content-length"] == str(len(MODEL))
        assert answer.headers["content-disposition"] == 'attachment; filename="pthModel.zip"'


def test_a_cut_download_is_resumed_by_range(facade: Facade, project_id: str) -> None:
    file = facade.put(f"train/{project_id}/r1/model/pthModel.zip", MODEL)
    url = "/train/download"
    which = {"projectID": project_id, "trainID": "r1", "downloadType": "model"}
    etag = facade.http.get(url, params=which).headers["etag"]
    resume = {"range": "bytes=1000-", "if-range": etag}
    rest = facade.http.get(url, params=which, headers=resume)
    assert rest.status_code == 206 and rest.content == MODEL[1000:]
    assert rest.headers["content-range"] == f"bytes 1000-{len(MODEL) - 1}/{len(MODEL)}"
    beyond = facade.http.get(url, params=which, headers={"range": f"bytes={len(MODEL)}-"})
    assert beyond.status_code == 416
    # Another model has come in between: the rest of the old one would be garbage, so the new one comes whole.
    new = file.with_name("new")
    new.write_bytes(MODEL[::-1])
    new.replace(file)
    whole = facade.http.get(url, params=which, headers=resume)
    assert whole.status_code == 200 and whole.content == MODEL[::-1]


def test_a_model_replaced_during_a_download_is_not_mixed(facade: Facade, project_id: str) -> None:
    old, new = b"old!" * 4_000_000, b"new?" * 4_000_000
    file = facade.put(f"train/{project_id}/r1/model/pthModel.zip", old)
    which = {"projectID": project_id, "trainID": "r1"}
    with facade.http.stream("GET", "/train/download", params=which) as answer:
        parts = answer.iter_bytes()
        content = next(parts)
        file.with_name("new").write_bytes(new)
        file.with_name("new").replace(file)
        content += b"".join(parts)
    assert content == old
    assert facade.http.get("/train/download", params=which).content == new


def test_the_result_of_a_test(facade: Facade, project_id: str) -> None:
    assert facade.ask("/test/checkFile", projectID=project_id, testID="t1")["exists"] is False
    facade.put(f"test/{project_id}/t1/testResult.json", RESULT)
    assert facade.ask("/test/checkFile", projectID=project_id, testID="t1")["size"] == len(RESULT)
    answer = facade.get("/test/download", projectID=project_id, testID="t1")
    assert answer.content == RESULT and answer.headers["content-type"] == "application/json"


PATHS = ["/train/checkFile", "/train/download"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("project", [False, True], ids=["the file is a link", "the project is a link"])
def test_no_link_leads_outside_the_volume(
    facade: Facade, project_id: str, tmp_path: Path, path: str, project: bool
) -> None:
    outside = tmp_path / "r1" / "model" / "pthModel.zip"
    outside.parent.mkdir(parents=True)
    outside.write_bytes(b"secret")
    link = facade.volume / "train" / project_id
    if project:
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path)
    else:
        (link / "r1" / "model").mkdir(parents=True)
        (link / "r1" / "model" / "pthModel.zip").symlink_to(outside)
    answer = facade.get(path, projectID=project_id, trainID="r1")
    assert answer.json()["msg"] == "pthModel.zip is not there yet"
    assert b"secret" not in answer.content


@pytest.mark.parametrize("path", PATHS)
def test_a_link_that_stays_on_the_volume_is_followed(facade: Facade, project_id: str, path: str) -> None:
    facade.put(f"train/{project_id}/r1/model/pthModel.zip", MODEL)
    (facade.volume / "train" / project_id / "r2").symlink_to("r1")
    assert (
        facade.get(path, projectID=project_id, trainID="r2").json()["size"] == len(MODEL)
        if (path == "/train/checkFile")
        else facade.get(path, projectID=project_id, trainID="r2").content == MODEL
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_pipe_or_folder_in_the_models_place_is_no_model(facade: Facade, project_id: str, path: str) -> None:
    folder = facade.volume / "train" / project_id
    (folder / "pipe" / "model").mkdir(parents=True)
    os.mkfifo(folder / "pipe" / "model" / "pthModel.zip")
    (folder / "folder" / "model" / "pthModel.zip").mkdir(parents=True)
    for train_id in ("pipe", "folder"):
        assert "not there yet" in facade.get(path, projectID=project_id, trainID=train_id).json()["msg"]
