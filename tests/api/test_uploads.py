"""A dataset comes over HTTP: in one request or in pieces, all of it or nothing, never under a running run."""

import base64
import io
import os
import socket
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from facade_process import Cluster, Facade, eventually, serve
from ocr_api.errors import Conflict, NotFound, VolumeFull
from ocr_api.uploads.destination import Destination
from ocr_api.uploads.store import KEPT, UploadState, UploadStore

JPEG = bytes(range(256)) * 2000
ANNOTATIONS = b'{"images": [], "annotations": []}'


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, JPEG if name.endswith("jpg") else ANNOTATIONS)
    return packed.getvalue()


DATASET = zipped("receipts/1.jpg", "receipts/2.jpg", "receipts/annotations.json")


def metadata(project_id: str, **ids: str) -> dict[str, str]:
    pairs = {"projectID": project_id, **ids}.items()
    return {
        "Tus-Resumable": "1.0.0",
        "Upload-Metadata": ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs),
    }


def files(facade: Facade, path: str) -> list[str]:
    folder = facade.volume / path
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def leftovers(facade: Facade) -> list[Path]:
    folder = facade.volume / "uploads"
    return list(folder.iterdir()) if folder.exists() else []


class Tus:
    """A client of tus 1.0, as small as one can be."""

    def __init__(self, http: httpx.Client, length: int, headers: dict[str, str]) -> None:
        self.http = http
        made = http.post("/api/v1/uploads", headers=headers | {"Upload-Length": str(length)})
        assert made.status_code == 201, made.text
        self.url = made.headers["location"]

    def send(self, data: bytes, offset: int) -> httpx.Response:
        return self.http.patch(
            self.url, content=data,
            headers={"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
        )  # fmt: skip

    def offset(self) -> int:
        return int(self.http.head(self.url).headers["upload-offset"])

    def ended(self) -> dict[str, Any]:
        eventually(lambda: self.http.get(self.url).json()["state"] in ("Done", "Failed"), "not unpacked")
        document: dict[str, Any] = self.http.get(self.url).json()
        return document


@pytest.mark.parametrize(("kind", "folder"), [("runs", "train"), ("tests", "test")])
def test_a_zip_in_one_request(facade: Facade, project_id: str, kind: str, folder: str) -> None:
    path = f"/api/v1/projects/{project_id}/{kind}/r1/dataset"
    answer = facade.http.put(path, content=DATASET, headers={"Content-Type": "application/zip"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["files"]) == ("Done", 3)
    assert files(facade, f"{folder}/{project_id}/r1") == ["1.jpg", "2.jpg", "annotations.json"]
    assert (facade.volume / folder / project_id / "r1" / "1.jpg").read_bytes() == JPEG
    # Once more would mix two sets.
    again = facade.http.put(path, content=DATASET, headers={"Content-Type": "application/zip"})
    assert again.status_code == 409 and "has files already" in again.json()["detail"]
    ids = {"trainID" if kind == "runs" else "testID": "r1"}
    piecemeal = facade.http.post(
        "/api/v1/uploads", headers=metadata(project_id, **ids) | {"Upload-Length": "9"}
    )
    assert piecemeal.status_code == 409 and "has files already" in piecemeal.json()["detail"]


def test_an_upload_that_breaks_off_goes_on_where_it_stopped(facade: Facade, project_id: str) -> None:
    upload = Tus(facade.http, len(DATASET), metadata(project_id, trainID="r1"))
    half = len(DATASET) // 2

    def breaks_off() -> Iterator[bytes]:
        yield DATASET[:half]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        facade.http.patch(
            upload.url, content=breaks_off(),
            headers={"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        )  # fmt: skip
    eventually(lambda: upload.offset() == half, "what had come was lost")
    wrong = upload.send(DATASET, 0)
    assert wrong.status_code == 409 and f"goes on at offset {half}" in wrong.json()["detail"]
    assert not (facade.volume / "train" / project_id).exists()
    rest = upload.send(DATASET[half:], half)
    assert (rest.status_code, rest.headers["upload-offset"]) == (204, str(len(DATASET)))
    assert (upload.ended()["state"], upload.ended()["files"]) == ("Done", 3)
    assert files(facade, f"train/{project_id}/r1") == ["1.jpg", "2.jpg", "annotations.json"]


def test_another_replica_goes_on_with_an_upload(facade: Facade, project_id: str, cluster: Cluster) -> None:
    upload = Tus(facade.http, len(DATASET), metadata(project_id, testID="t1"))
    upload.send(DATASET[:1000], 0)
    path = upload.url
    with serve(cluster, facade.namespace, facade.volume) as other:
        assert other.head(path).headers["upload-offset"] == "1000"
        sent = other.patch(
            path, content=DATASET[1000:],
            headers={"Upload-Offset": "1000", "Content-Type": "application/offset+octet-stream"},
        )  # fmt: skip
        assert sent.status_code == 204
    # Whichever of the two unpacks it: the one that was stopped has ended its work first.
    assert upload.ended()["state"] == "Done"
    assert files(facade, f"test/{project_id}/t1") == ["1.jpg", "2.jpg", "annotations.json"]


def test_what_tus_clients_ask_first(facade: Facade, project_id: str) -> None:
    told = facade.http.options("/api/v1/uploads")
    assert (told.status_code, told.headers["tus-version"]) == (204, "1.0.0")
    assert "creation" in told.headers["tus-extension"] and int(told.headers["tus-max-size"]) > 2**30
    upload = Tus(facade.http, 10, metadata(project_id, trainID="r1"))
    assert facade.http.delete(upload.url).status_code == 204
    assert facade.http.head(upload.url).status_code == 404
    assert facade.http.get("/api/v1/uploads/../../etc").status_code == 404


@pytest.mark.parametrize(
    ("send", "status", "says"),
    [
        (lambda data: data[:-30], 400, "no zip that can be read"),
        (lambda data: b"\x1f\x8b" + data, 400, ""),
        (lambda _: zipped("../x.jpg"), 400, "leads out of the zip"),
        (lambda _: b"", 400, "no zip that can be read"),
    ],
)
def test_a_bad_zip_is_refused_and_leaves_nothing(
    facade: Facade, project_id: str, send: Callable[[bytes], bytes], status: int, says: str
) -> None:
    before = leftovers(facade)
    answer = facade.http.put(
        f"/api/v1/projects/{project_id}/runs/r1/dataset",
        content=send(zipped("a.jpg")), headers={"Content-Type": "application/zip"},
    )  # fmt: skip
    if says:
        assert answer.status_code == status and says in answer.json()["detail"]
        assert not (facade.volume / "train" / project_id / "r1").exists()
    assert set(leftovers(facade)) <= set(before)
    upload = Tus(facade.http, len(send(DATASET)), metadata(project_id, trainID="r2"))
    if send(DATASET) and says:
        assert upload.send(send(DATASET), 0).status_code == 204
        ended = upload.ended()
        assert (ended["state"], ended["error"]) == ("Failed", status) and says in ended["message"]
        assert not (facade.volume / "train" / project_id / "r2").exists()


def test_a_bomb_is_refused(facade: Facade, project_id: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("annotations.json", b"0" * 300_000_000)
    assert len(packed.getvalue()) < 400_000
    answer = facade.http.put(
        f"/api/v1/projects/{project_id}/runs/r1/dataset",
        content=packed.getvalue(), headers={"Content-Type": "application/zip"},
    )  # fmt: skip
    assert answer.status_code == 413 and "grows from" in answer.json()["detail"]
    assert not (facade.volume / "train" / project_id).exists()


def test_a_zip_larger_than_is_allowed_is_refused_early(
    facade: Facade, project_id: str, cluster: Cluster
) -> None:
    with serve(cluster, facade.namespace, facade.volume, OCR_MAX_UPLOAD_BYTES="100000") as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        made = http.post(
            "/api/v1/uploads", headers=metadata(project_id, trainID="r1") | {"Upload-Length": "100001"}
        )
        assert made.status_code == 413 and "100000 are allowed" in made.json()["detail"]

        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * 65536

        path = f"/api/v1/projects/{project_id}/runs/r1/dataset"
        answer = http.put(path, content=endless(), headers={"Content-Type": "application/zip"})
        assert answer.status_code == 413
        upload = Tus(http, 10, metadata(project_id, trainID="r1"))
        assert upload.send(b"more than ten bytes", 0).status_code == 413


def test_an_upload_that_comes_to_a_halt_is_answered_and_can_go_on(
    facade: Facade, project_id: str, cluster: Cluster
) -> None:
    """A client that sends a little and then nothing holds nothing up for longer than the limit."""
    with serve(cluster, facade.namespace, facade.volume, OCR_BODY_SECONDS="0.5") as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "not ready")
        upload = Tus(http, len(DATASET), metadata(project_id, trainID="r1"))
        address = (http.base_url.host, http.base_url.port or 80)
        with socket.create_connection(address, timeout=20) as slow:
            slow.sendall(
                f"PATCH {upload.url} HTTP/1.1\r\nHost: {address[0]}\r\nUpload-Offset: 0\r\n"
                f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(DATASET)}\r\n\r\n"
                .encode() + DATASET[:5000]
            )  # fmt: skip
            answer = slow.makefile("rb").read()  # until the facade hangs up
        assert answer.startswith(b"HTTP/1.1 408 ") and b"brought nothing for" in answer
        assert upload.offset() == 5000
        assert upload.send(DATASET[5000:], 5000).status_code == 204
        assert upload.ended()["state"] == "Done"


def test_images_do_not_change_under_a_run(facade: Facade, project_id: str) -> None:
    upload = Tus(facade.http, len(DATASET), metadata(project_id, trainID="r1"))  # begun before the run
    facade.ask("/train/start", projectID=project_id, trainID="r1")
    upload.send(DATASET, 0)
    assert (upload.ended()["state"], upload.ended()["error"]) == ("Failed", 409)
    path = f"/api/v1/projects/{project_id}/runs/r1"
    for answer in (
        facade.http.put(f"{path}/dataset", content=DATASET, headers={"Content-Type": "application/zip"}),
        facade.http.put(f"{path}/files/a.jpg", content=JPEG),
        facade.http.post(
            "/api/v1/uploads", headers=metadata(project_id, trainID="r1") | {"Upload-Length": "9"}
        ),
    ):
        assert answer.status_code == 409 and "has been started" in answer.json()["detail"]
    assert facade.http.put(f"{path[:-1]}2/files/a.jpg", content=JPEG).status_code == 200  # the next run's


def test_single_images_and_annotations(facade: Facade, project_id: str) -> None:
    path = f"/api/v1/projects/{project_id}/runs/r1/files"
    for name in ("收据 1.jpg", "more/2.jpg", "annotations.json"):
        answer = facade.http.put(f"{path}/{name}", content=JPEG)
        assert (answer.status_code, answer.json()["path"], answer.json()["size"]) == (200, name, len(JPEG))
    assert facade.http.put(f"{path}/more/2.jpg", content=b"new").status_code == 200
    assert facade.http.get(f"{path}/more/2.jpg").content == b"new"
    assert files(facade, f"train/{project_id}/r1") == ["annotations.json", "more/2.jpg", "收据 1.jpg"]
    for name, says in (("status.json", "the service itself"), ("work/x.jpg", "the service itself")):
        answer = facade.http.put(f"{path}/{name}", content=b"x")
        assert answer.status_code == 400 and says in answer.json()["detail"]
    assert facade.http.put(f"{path}/more", content=b"x").status_code == 409  # a folder


@pytest.mark.parametrize("where", ["project", "run", "folder"])
def test_nothing_is_written_through_a_link(
    facade: Facade, project_id: str, tmp_path: Path, where: str
) -> None:
    project = facade.volume / "train" / project_id
    link = {"project": project, "run": project / "r1", "folder": project / "r1" / "images"}[where]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path)
    path = f"/api/v1/projects/{project_id}/runs/r1"
    single = facade.http.put(f"{path}/files/images/a.jpg", content=JPEG)
    assert single.status_code == 409 and "link" in single.json()["detail"]
    whole = facade.http.put(f"{path}/dataset", content=DATASET, headers={"Content-Type": "application/zip"})
    assert whole.status_code == 409
    assert list(tmp_path.iterdir()) == []


def test_malformed_calls_are_told_what_is_wrong(facade: Facade, project_id: str) -> None:
    post = lambda **headers: facade.http.post("/api/v1/uploads", headers=headers)  # noqa: E731
    good = metadata(project_id, trainID="r1")
    assert "is no number of bytes" in post(**good, **{"Upload-Length": "ten"}).json()["detail"]
    assert "must name projectID" in post(**{"Upload-Length": "1"}).json()["detail"]
    both = metadata(project_id, trainID="r1", testID="t1") | {"Upload-Length": "1"}
    assert "must name projectID" in post(**both).json()["detail"]
    assert "base64" in post(**{"Upload-Metadata": "projectID ***", "Upload-Length": "1"}).json()["detail"]
    bad = metadata("../..", trainID="r1") | {"Upload-Length": "1"}
    assert "is not allowed" in post(**bad).json()["detail"]
    upload = Tus(facade.http, 5, good)
    assert facade.http.patch(upload.url, content=b"x").status_code == 415
    put = facade.http.put(f"/api/v1/projects/{project_id}/runs/r1/dataset", json={})
    assert put.status_code == 415


# What can't be had over HTTP: clocks, a full volume, a process that dies while it unpacks.


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path, max_bytes=10**8)


TO = Destination("train", "p", "r1")


def whole(store: UploadStore) -> str:
    """An upload whose last byte has come."""
    upload = store.create(TO, len(DATASET))
    (store._folder / upload.id / "data.zip").write_bytes(DATASET)
    return upload.id


def allow(_: Destination) -> None:
    pass


def test_an_upload_whose_replica_died_while_unpacking_is_finished_by_the_next(
    store: UploadStore, tmp_path: Path
) -> None:
    identifier = whole(store)
    (tmp_path / "uploads" / identifier / "data").mkdir()
    (tmp_path / "uploads" / identifier / "data" / "1.jpg").write_bytes(b"half")
    upload = store.read(identifier)
    upload.state = UploadState.UNPACKING
    store._save(upload)
    assert store.is_left(store.read(identifier))
    assert store.finish(identifier, allow).state == UploadState.DONE
    assert (tmp_path / "train" / "p" / "r1" / "1.jpg").read_bytes() == JPEG
    assert not store.is_left(store.read(identifier))


def test_an_upload_in_somebodys_hands_is_left_to_them(store: UploadStore) -> None:
    identifier = whole(store)
    with store._held(identifier):
        assert not store.is_left(store.read(identifier))
        with pytest.raises(Conflict, match="another call is at work"):
            store.finish(identifier, allow)


def test_uploads_that_rest_are_cleared_away(tmp_path: Path) -> None:
    now = [1_000_000_000.0]
    store = UploadStore(tmp_path, 1000, clock=lambda: now[0])
    old = store.create(TO, 10)
    for path in (tmp_path / "uploads" / old.id, *(tmp_path / "uploads" / old.id).iterdir()):
        os.utime(path, (now[0], now[0]))
    now[0] += KEPT.total_seconds() + 1
    new = store.create(TO, 10)
    assert {path.name for path in (tmp_path / "uploads").iterdir()} == {new.id}
    with pytest.raises(NotFound, match="has expired"):
        store.read(old.id)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small volume")
def test_a_full_volume_is_told_and_nothing_is_put_in_place(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=True)
    try:
        store = UploadStore(small, 10**8)
        identifier = whole(store)  # a zip of 1 MB, which unpacks to another one
        (small / "filler").write_bytes(b"x" * 600_000)
        upload = store.finish(identifier, allow)
        assert (upload.state, upload.error) == (UploadState.FAILED, VolumeFull.status)
        assert upload.message == "the shared volume is full: nothing was put in place"
        assert not (small / "train").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)
