"""A large annotation file is read item by item, and each item is found again at its place."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from ocr_trainer.dataset import json_stream
from ocr_trainer.dataset.json_stream import PlacedItems, encoding_of, read_members
from ocr_trainer.errors import BadData

ITEMS = [{"id": n, "text": '发票 é 𝄞 \\ " \n' * (n % 5), "box": [n, -1.5e3, True, None]} for n in range(60)]


def items(path: Path) -> list[json_stream.Member]:
    return [m for m in read_members(path, "a.json", ("annotations",), lambda _: None) if m.item]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that items, characters and numbers are cut at every possible place."""
    monkeypatch.setattr(json_stream, "_CHUNK", 37)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("keyed", [False, True], ids=["list", "object"])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", b"")],
)
def test_items_are_found_again_at_their_places(
    tmp_path: Path, keyed: bool, indent: int | None, ascii_only: bool, encoding: str, mark: bytes
) -> None:
    collection: Any = {str(item["id"]): item for item in ITEMS} if keyed else ITEMS
    document = {"info": {"n": [12345678901]}, "annotations": collection, "more": 12345, "last": True}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    path = tmp_path / "a.json"
    path.write_bytes(mark + text.encode(encoding))
    found = items(path)
    assert [member.value for member in found] == ITEMS
    again = PlacedItems(path, encoding_of(path)[0], keyed)
    assert [again.read(member.start, member.length) for member in found] == ITEMS
    again.close()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b'{"images": [],\n "annotations": [}', "line 2, column 18: Expecting value"),
        (b'{"annotations": [\n' + b'{"id": 1},\n' * 50 + b'{"id" 1}]}', "line 52, column 7"),
        (b'{"annotations": [{"id": "a\n"}]}', "line 1, column 27: Invalid control character"),
        (b'{"annotations": [1, 2', "line 1, column 22"),
        (b'{"annotations": ["never closed]}', "line 1, column 18: Unterminated string"),
        (b'{"annotations": []} {', "line 1, column 21: Extra data"),
        (b'{"annotations": [1,]}', "line 1, column 20"),
        (b"{1: 2}", "line 1, column 2: Expecting property name"),
        (b'{"annotations": [\n"\xff"]}', "line 2"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, raw: bytes, where: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    with pytest.raises(BadData, match=f"a.json .*{where}"):
        items(path)


@pytest.mark.parametrize("raw", [b"", b"[1, 2]", b"12", b"null"])
def test_what_is_no_object_has_no_members(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    assert list(read_members(path, "a.json", ("annotations",), lambda _: None)) == []
