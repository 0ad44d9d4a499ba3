"""The namespace's OcrProjects in memory: every read is answered from here, whoever fills it.

Versions only go up: an apply's answer and the watch may cross, and the later one stays.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ocr_contract.names import project_name
from ocr_contract.project import Project, from_object, last_started


@dataclass(frozen=True)
class Seen:
    """One version of a project: as the API server sent it, less managedFields, and as the facade reads it."""

    document: Mapping[str, Any]
    project: Project


@dataclass(frozen=True)
class Change:
    kind: str
    """`present`, or `deleted`."""
    seen: Seen


class Subscription:
    """What has changed since somebody looked; a slow reader misses versions, never a project's latest."""

    def __init__(self, present: Iterable[Seen]) -> None:
        self._changes = {seen.project.name: Change("present", seen) for seen in present}
        self._news = asyncio.Event()
        self._news.set()

    def tell(self, change: Change) -> None:
        self._changes[change.seen.project.name] = change
        self._news.set()

    async def changes(self, patience: float) -> AsyncIterator[list[Change]]:
        """For ever: what is there, then what changes; an empty list where nothing did for `patience` s."""
        while True:
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                yield []
                continue
            found, self._changes = list(self._changes.values()), {}
            self._news.clear()
            yield found


class ProjectCache:
    """Latest versions by name, and who wants to hear of new ones."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._gone: dict[str, int] = {}
        """Versions at which projects were deleted: an answer that was under way brings none of them back."""
        self._subscriptions: set[Subscription] = set()
        self._last_started: Project | None = None
        self._last_started_known = False

    def all(self) -> list[Seen]:
        """By name."""
        return [self._seen[name] for name in sorted(self._seen)]

    def find(self, project_id: str) -> Seen | None:
        """The project with that projectID, whoever made it and under whatever name; the oldest of several."""
        usual = self._seen.get(project_name(project_id))
        if usual is not None and usual.project.project_id == project_id:
            return usual
        same = (seen for seen in self._seen.values() if seen.project.project_id == project_id)
        return min(same, key=lambda seen: seen.project.created, default=None)

    def last_started(self) -> Project | None:
        """The project in which a training or a test was started last; computed once for each change."""
        if not self._last_started_known:
            self._last_started = last_started(seen.project for seen in self._seen.values())
            self._last_started_known = True
        return self._last_started

    def remember(self, document: Mapping[str, Any]) -> Seen:
        """Take this version in, unless a later one is known."""
        metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
        seen = Seen({**document, "metadata": metadata}, from_object(document))
        name, there = seen.project.name, self._seen.get(seen.project.name)
        known = _version(there) if there is not None else self._gone.get(name, 0)
        if _version(seen) > known:
            self._seen[name] = seen
            self._gone.pop(name, None)
            self._changed(Change("present", seen))
        return seen

    def forget(self, document: Mapping[str, Any]) -> None:
        """The project was deleted."""
        metadata = document["metadata"]
        gone = self._seen.pop(metadata["name"], None)
        if gone is not None:
            self._gone[metadata["name"]] = int(metadata["resourceVersion"])
            self._changed(Change("deleted", gone))

    def replace(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """The whole list anew: what isn't in it is gone."""
        listed = {document["metadata"]["name"]: document for document in documents}
        self._gone.clear()
        for name in set(self._seen) - set(listed):
            self.forget(self._seen[name].document)
        for document in listed.values():
            self.remember(document)

    @contextmanager
    def subscription(self) -> Iterator[Subscription]:
        """All that is there, then what changes."""
        subscription = Subscription(self.all())
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def _changed(self, change: Change) -> None:
        self._last_started_known = False
        for subscription in self._subscriptions:
            subscription.tell(change)


def _version(seen: Seen) -> int:
    return int(seen.project.resource_version)
