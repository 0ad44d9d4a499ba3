"""Ten thousand ids, paths and names of the kinds that lead out of a folder: none leads out of the volume."""

import random
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from facade_process import Facade
from tested_images import image_line

CANARY = b"canary-of-another-place"
SEEDS, EACH = 8, 1250
PARTS = [
    "..", ".", "", "/", "\\", "\0", "%2e%2e", "%2F", "..;", "...", "~", "etc", "passwd", "canary", "secret",
    "out", "link", "train", "p", "r1", "a b", "\n", "\r\n", "\u2025", "\uff0e\uff0e", "\uff0f", "字", "é",
    "\u202e", "C:", "file://", "$(id)", "`id`", "*", "?", "#", "&x=1", "work", "uploads", "x" * 300,
    "字" * 70, "proc", "self", "environ", "photo.png",
]  # fmt: skip
LEGACY = ["/train/checkFile", "/train/download", "/test/checkFile", "/test/download", "/status", "/getEpoch"]
MODERN = [
    "/api/v1/projects/{p}/runs/{r}/files/{f}", "/api/v1/projects/{p}/tests/{r}/files/{f}",
    "/api/v1/projects/{p}/runs/{r}/log", "/api/v1/projects/{p}/runs/{r}/findings",
    "/api/v1/projects/{p}/runs/{r}/curves/detection", "/api/v1/projects/{p}/runs/{r}/files",
    "/api/v1/projects/{p}/runs/{r}/results", "/api/v1/projects/{p}/tests/{r}/results/{f}",
    "/api/v1/projects/{p}/runs/{r}/pictures/{f}", "/api/v1/projects/{p}/tests/{r}/pictures/{f}",
    "/api/v1/projects/{p}/runs/{r}/dictionary", "/api/v1/projects/{p}/runs/{r}/compare/{f}",
    "/api/v1/projects/p/runs/r1/compare/{r}", "/api/v1/uploads/{f}",
]  # fmt: skip


@pytest.fixture
def trap(facade: Facade, tmp_path: Path) -> Path:
    """Links on the volume that lead to a canary outside of it."""
    for name in (
        "model/pthModel.zip", "testResult.json", "status.json", "log/record.log", "secret",
        "work/dataset/dictionary.txt", "work/dataset/findings.jsonl",
    ):  # fmt: skip
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CANARY)
    lines = tmp_path / "work" / "test" / "lines.jsonl"
    lines.parent.mkdir(parents=True, exist_ok=True)
    lines.write_bytes(image_line(CANARY.decode(), known=False))
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    run = facade.volume / "train" / "p" / "r1"
    run.mkdir(parents=True, exist_ok=True)
    for link in (run / "out", facade.volume / "train" / "link", facade.volume / "train" / "p" / "link"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path)
    (facade.volume.parent / "canary").write_bytes(CANARY)
    return tmp_path


def drawn(draw: random.Random) -> str:
    """An id; half of them are such that a folder of theirs exists."""
    if draw.random() < 0.3:
        return draw.choice(["p", "r1", "link", "out"])
    separator = draw.choice(["", "/", "\\", "%2f", "/../"])
    return separator.join(draw.choices(PARTS, k=draw.randint(1, 5)))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_id_leads_out_of_the_volume(facade: Facade, trap: Path, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(EACH):
        p, r, f = drawn(draw), drawn(draw), drawn(draw)
        if draw.random() < 0.5:
            path = draw.choice(LEGACY)
            which = "testID" if path.startswith("/test") else "trainID"
            url = f"{path}?projectID={quote(p)}&{which}={quote(r)}"
        else:
            pattern = draw.choice(MODERN)
            safe = draw.choice(["", "/"])
            url = pattern.format(p=quote(p, safe=""), r=quote(r, safe=""), f=quote(f, safe=safe))
        answer = facade.http.get(url)
        assert answer.status_code < 500, (url, answer.text)
        assert CANARY not in answer.content, url
        assert answer.status_code != 200 or "canary" not in answer.text, url
        assert answer.headers.get("content-type") != "image/jpeg", url  # there is none on the volume
