"""Projects in memory: the latest version stays, the deleted stay away, and whoever listens hears of it."""

import asyncio
from typing import Any

from ocr_api.cache import Change, ProjectCache


def document(
    name: str, version: int, project_id: str | None = None, created: str = "2026-01-01"
) -> dict[str, Any]:
    metadata = {
        "name": name, "resourceVersion": str(version), "uid": name, "managedFields": [{}],
        "creationTimestamp": f"{created}T00:00:00Z",
    }  # fmt: skip
    return {"metadata": metadata, "spec": {"projectID": project_id or name, "train": {"id": f"r{version}"}}}


def train_id(cache: ProjectCache, project_id: str) -> str | None:
    seen = cache.find(project_id)
    return None if seen is None else seen.project.train_id


def test_a_late_answer_does_not_bring_an_older_version_back() -> None:
    cache = ProjectCache()
    cache.remember(document("p", 5))
    cache.remember(document("p", 3))
    assert train_id(cache, "p") == "r5"


def test_a_late_answer_does_not_bring_a_deleted_project_back() -> None:
    cache = ProjectCache()
    cache.remember(document("p", 5))
    cache.forget(document("p", 6))
    cache.remember(document("p", 5))
    assert cache.find("p") is None
    cache.remember(document("p", 7))  # made anew
    assert train_id(cache, "p") == "r7"


def test_a_new_list_takes_away_what_it_does_not_hold() -> None:
    cache = ProjectCache()
    for name in ("a", "b"):
        cache.remember(document(name, 1))
    cache.replace([document("b", 2), document("c", 3)])
    assert [seen.project.name for seen in cache.all()] == ["b", "c"]
    assert train_id(cache, "b") == "r2"


def test_of_two_projects_with_one_id_the_older_one_answers() -> None:
    cache = ProjectCache()
    cache.remember(document("younger", 1, "x_Y", created="2026-02-01"))
    cache.remember(document("older", 2, "x_Y", created="2026-01-01"))
    assert train_id(cache, "x_Y") == "r2"


def test_managed_fields_are_nobodys_reading() -> None:
    assert "managedFields" not in ProjectCache().remember(document("p", 1)).document["metadata"]


def test_a_listener_hears_what_is_there_then_what_changes_and_of_a_project_its_latest() -> None:
    async def scenario() -> list[list[tuple[str, str, str | None]]]:
        cache = ProjectCache()
        cache.remember(document("a", 1))
        heard = []
        with cache.subscription() as subscription:
            changes = subscription.changes(patience=0.05)
            heard.append(await anext(changes))
            cache.remember(document("b", 2))
            cache.remember(document("b", 3))
            cache.remember(document("b", 3))  # nothing new
            cache.forget(document("a", 4))
            heard.append(await anext(changes))
            heard.append(await anext(changes))
        cache.remember(document("c", 9))  # nobody listens any more
        return [[told(change) for change in step] for step in heard]

    def told(change: Change) -> tuple[str, str, str | None]:
        return change.kind, change.seen.project.name, change.seen.project.train_id

    first, second, silence = asyncio.run(scenario())
    assert first == [("present", "a", "r1")]
    assert sorted(second) == [("deleted", "a", "r1"), ("present", "b", "r3")]
    assert silence == []
