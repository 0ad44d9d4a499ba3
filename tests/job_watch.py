"""Every Job that ever appeared in a namespace, those included that are gone by now."""

import json
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

from operator_world import World, eventually

_LAST = "the-last-one"


class JobWatch:
    """`with JobWatch(world) as watch: ...; watch.seen()`; one of them at a time in a namespace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._uids: defaultdict[str, set[str]] = defaultdict(set)
        self.news = threading.Event()
        """Set when a Job has appeared; to be cleared by who waits for the next one."""
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        listed = self._world.http.get(self._world.jobs_path).json()
        assert listed["items"] == [], "begin before the first Job"
        self._since = listed["metadata"]["resourceVersion"]
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def seen(self) -> dict[str, set[str]]:
        """The uids of the projects' Jobs by name, up to this moment; ends the watch."""
        self._end()
        return self.seen_so_far()

    def seen_so_far(self) -> dict[str, set[str]]:
        """The same, while the watch goes on and may be a moment behind."""
        return {name: set(uids) for name, uids in self._uids.copy().items() if name != _LAST}

    def _end(self) -> None:
        """Make a Job that says: nothing that came before me is still to be heard of."""
        if not self._thread.is_alive():
            return
        pod = {"restartPolicy": "Never", "containers": [{"name": "none", "image": "none"}]}
        job = {"metadata": {"name": _LAST}, "spec": {"suspend": True, "template": {"spec": pod}}}
        self._world.http.post(self._world.jobs_path, json=job).raise_for_status()
        eventually(lambda: not self._thread.is_alive(), "the watch has seen everything")

    def _listen(self) -> None:
        query = {"watch": "1", "resourceVersion": self._since, "timeoutSeconds": "3600"}
        with self._world.http.stream("GET", self._world.jobs_path, params=query, timeout=None) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                metadata = event["object"]["metadata"]
                if event["type"] == "ADDED":
                    self._uids[metadata["name"]].add(metadata["uid"])
                    self.news.set()
                if metadata["name"] == _LAST:
                    return
