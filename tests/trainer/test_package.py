"""The bundle as a file: whole, checkable, and the same bytes for the same contents."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

from ocr_trainer.bundle import write_bundle


def pack(members: dict[str, Path | bytes]) -> bytes:
    target = io.BytesIO()
    written: list[int] = []
    write_bundle(target, members, lambda: written.append(1))
    assert len(written) == len(members)
    return target.getvalue()


def test_it_is_whole_and_its_sums_agree(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(range(256)) * 9000)
    members: dict[str, Path | bytes] = {"detection/best.pth": weights, "README.md": "发票\n".encode()}
    with zipfile.ZipFile(io.BytesIO(pack(members))) as bundle:
        assert bundle.testzip() is None
        assert bundle.read("detection/best.pth") == weights.read_bytes()
        sums = bundle.read("SHA256SUMS").decode().splitlines()
        assert sums == [f"{hashlib.sha256(bundle.read(n)).hexdigest()}  {n}" for n in sorted(members)]


def test_equal_contents_give_equal_bytes_whatever_the_files_times_and_the_order(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_bytes(b"weights")
    os.utime(other, (1_000_000_000, 1_000_000_000))
    other.chmod(0o600)
    first = pack({"a": one, "b": b"text"})
    assert pack({"b": b"text", "a": other}) == first
    other.write_bytes(b"Weights")
    assert pack({"b": b"text", "a": other}) != first
