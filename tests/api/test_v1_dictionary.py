"""The characters that a run's recogniser knows, and how often they occur, over /api/v1."""

import json
from typing import Any

import pytest

from facade_process import Facade

COUNTS: list[dict[str, Any]] = [
    {"character": "A", "training": 30, "validation": 4},
    {"character": "ß", "training": 0, "validation": 2, "known": False},
    {"character": " ", "training": 1, "validation": 0},
    {"character": "字", "training": 0, "validation": 0},
]


@pytest.fixture
def path(project_id: str) -> str:
    return f"/api/v1/projects/{project_id}/runs/r1/dictionary"


def put(facade: Facade, project_id: str, name: str, content: bytes) -> None:
    facade.put(f"train/{project_id}/r1/work/dataset/{name}", content)


def test_characters_are_told_with_their_counts_page_by_page(
    facade: Facade, project_id: str, path: str
) -> None:
    put(facade, project_id, "dictionary.txt", " \nA\n字\n".encode())
    put(facade, project_id, "characters.json", json.dumps({"characters": COUNTS}).encode())
    assert facade.http.get(path).json() == {
        "items": [{"known": True} | count for count in COUNTS], "total": 4, "next": None,
    }  # fmt: skip
    found, after = [], 0
    while after is not None:
        page = facade.http.get(path, params={"limit": 3, "after": after}).json()
        found += [item["character"] for item in page["items"]]
        assert page["total"] == 4
        after = page["next"]
    assert found == ["A", "ß", " ", "字"]
    assert facade.http.get(path, params={"after": 9}).json()["items"] == []


@pytest.mark.parametrize(
    "counted",
    [
        None,
        b'{"characters": [{"char',
        b'{"characters": [{"character": "A", "training": -1}]}',
        b'{"characters": [{"character": "\\ud83d"}]}',
        b"[]",
    ],
)
def test_a_dictionary_without_counts_is_told_without(
    facade: Facade, project_id: str, path: str, counted: bytes | None
) -> None:
    """Of a run that was prepared by an earlier release, and where the counts are damaged."""
    put(facade, project_id, "dictionary.txt", " \nA\n字\n".encode())
    if counted is not None:
        put(facade, project_id, "characters.json", counted)
    assert facade.http.get(path).json() == {
        "items": [
            {"character": c, "training": None, "validation": None, "known": True} for c in (" ", "A", "字")
        ],
        "total": 3,
        "next": None,
    }


def test_as_many_characters_as_unicode_has_are_told(facade: Facade, project_id: str, path: str) -> None:
    most = [chr(code) for code in range(0x20, 0x30000) if not 0xD800 <= code < 0xE000][:150_000]
    counts = [{"character": c, "training": 1_000_000, "validation": 100_000} for c in most]
    content = ",\n".join(json.dumps(count, ensure_ascii=False) for count in counts)
    put(facade, project_id, "characters.json", f'{{"characters": [\n{content}\n]}}\n'.encode())
    page = facade.http.get(path, params={"after": 149_999}).json()
    assert (page["total"], page["items"][0]["character"]) == (150_000, most[-1])
