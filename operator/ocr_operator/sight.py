"""Whether this process still sees what it writes: the proof that liveness asks for.

Watching operators are known to go blind while they look healthy: a connection that is open and silent, or a
task that ended unnoticed. Whatever the API server has answered, to a write or to a list, must show up in the
watch of its kind, too; where it has not for some time, the watch is blind. The Lease is renewed every other
second, so its watch proves itself for ever; projects and Jobs prove themselves whenever the operator writes
one; and the slow resync lists every kind. Versions of one kind reach a watch in their order, so a later one
stands for all before it.

An API server that does not answer is no blindness, and a restart would not help: meanwhile the clock stands
still.
"""

from collections import deque
from dataclasses import dataclass, field

ENOUGH = 1000
"""Versions awaited of one kind: more need not be known, the oldest tells."""


@dataclass
class _Kind:
    seen: int = 0
    """The newest version that its watch has shown."""
    awaited: deque[tuple[int, float]] = field(default_factory=deque)
    """Versions to come, in their order, and since when."""


class Sight:
    """Fed with what the API server answers and what the watches show; times are one monotonic clock's."""

    def __init__(self, blind_seconds: float, silent_seconds: float, now: float) -> None:
        self._blind_seconds = blind_seconds
        self._silent_seconds = silent_seconds
        self._answered = now
        self._trouble = ("has not answered", "it was not asked yet")
        self._kinds: dict[str, _Kind] = {}

    def expect(self, kind: str, version: int, now: float) -> None:
        """The API server has told of that version."""
        found = self._kinds.setdefault(kind, _Kind())
        newest = found.awaited[-1][0] if found.awaited else found.seen
        if version > newest and len(found.awaited) < ENOUGH:
            found.awaited.append((version, now))

    def see(self, kind: str, version: int) -> None:
        """The watch has shown that version."""
        found = self._kinds.setdefault(kind, _Kind())
        found.seen = max(found.seen, version)
        while found.awaited and found.awaited[0][0] <= found.seen:
            found.awaited.popleft()

    def list_again(self, kind: str, asked: float) -> None:
        """The watch began with a list that was asked for then: nothing older can still be to come."""
        awaited = self._kinds.setdefault(kind, _Kind()).awaited
        while awaited and awaited[0][1] <= asked:
            awaited.popleft()

    def answer(self, now: float) -> None:
        """The API server has answered."""
        silence = now - self._answered
        if silence > self._silent_seconds:
            for found in self._kinds.values():
                found.awaited = deque((version, since + silence) for version, since in found.awaited)
        self._answered = now

    def complain(self, trouble: str, details: str) -> None:
        """The API server was asked and `trouble`, such as "has not answered"."""
        self._trouble = (trouble, details)

    def silent_for(self, now: float) -> float:
        """Seconds since the API server last answered."""
        return now - self._answered

    def behind(self, now: float) -> dict[str, float]:
        """By kind: the seconds for which its watch has not shown what the API server told of."""
        if self.silent_for(now) > self._silent_seconds:
            now = self._answered
        return {
            kind: max(0.0, now - found.awaited[0][1]) if found.awaited else 0.0
            for kind, found in self._kinds.items()
        }

    def silence(self, now: float) -> str | None:
        """What to say when the API server has not answered for too long."""
        seconds = self.silent_for(now)
        if seconds <= self._silent_seconds:
            return None
        trouble, details = self._trouble
        return f"the API server {trouble} for {seconds:.0f} s: {details}"

    def blindness(self, now: float) -> str | None:
        """What to say when a watch no longer shows what is there."""
        if self.silent_for(now) > self._silent_seconds:
            return None
        for kind, found in self._kinds.items():
            if found.awaited and now - found.awaited[0][1] > self._blind_seconds:
                version, since = found.awaited[0]
                return f"the watch of {kind} does not show version {version}, {now - since:.0f} s old"
        return None
