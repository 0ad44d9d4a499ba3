"""Which replica works: what to write into the Lease, decided from what was read and this process's own clock.

The official client's `kubernetes.aio.leaderelection` is not used. A connection error leaves its `run` as an
exception and the work running; a call that hangs holds up its deadline for five minutes; it never lets go of
the Lease, so that each rollout waits for it to run out; it judges by local wall-clock time and writes that
as if it were UTC; and it polls for what our watch hears at once.
The rules here are those of client-go: another's clock is never compared with one's own. A Lease has run out
when it was not seen to change for as long as its holder said that it would hold.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ocr_operator.documents import Document


@dataclass(frozen=True)
class Candidate:
    """One process that would like to work."""

    name: str
    namespace: str
    """Where the Lease is."""
    identity: str
    """Differs between any two processes, those of one pod included."""
    holds_seconds: int
    """How long the others wait for a sign of life."""
    retry_seconds: float
    """How often the holder gives one, and a candidate looks for it."""


@dataclass(frozen=True)
class Sighting:
    """The Lease as it was last heard of, and since when it has been so by this process's own clock."""

    lease: Document
    since: float


@dataclass(frozen=True)
class Step:
    """What to do now, and when to look again at the latest."""

    write: dict[str, Any] | None
    wait: float


def heard(known: Sighting | None, lease: Document, now: float) -> Sighting:
    """The newer of the two; hearing the same again is no sign of life."""
    if known is not None and _uid(known.lease) == _uid(lease) and _version(lease) <= _version(known.lease):
        return known
    return Sighting(lease, now)


def decide(sighting: Sighting | None, candidate: Candidate, now: float, today: datetime) -> Step:
    """Create the Lease, renew it, take it over, or wait until it runs out."""
    if sighting is None:
        return Step(_claimed(_new(candidate), candidate, today), candidate.retry_seconds)
    if holder(sighting.lease) == candidate.identity or is_free(sighting, now):
        return Step(_claimed(sighting.lease, candidate, today), candidate.retry_seconds)
    return Step(None, min(candidate.retry_seconds, max(0.0, _runs_out(sighting) - now)))


def is_free(sighting: Sighting, now: float) -> bool:
    """Whether anybody may take it: it was let go, or its holder gave no sign of life."""
    return not holder(sighting.lease) or now >= _runs_out(sighting)


def holder(lease: Document) -> str:
    """The holder's identity; empty when it was let go."""
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def released(lease: Document, today: datetime) -> dict[str, Any]:
    """The Lease let go, for the next holder to take at once."""
    spec = dict(lease["spec"]) | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro(today)}
    return {**lease, "spec": spec}


def _claimed(lease: Document, candidate: Candidate, today: datetime) -> dict[str, Any]:
    spec = dict(lease.get("spec") or {})
    if holder(lease) != candidate.identity:
        spec["acquireTime"] = _micro(today)
        spec["leaseTransitions"] = int(spec.get("leaseTransitions", -1)) + 1
        spec["holderIdentity"] = candidate.identity
    spec["leaseDurationSeconds"] = candidate.holds_seconds
    spec["renewTime"] = _micro(today)
    return {**lease, "spec": spec}


def _new(candidate: Candidate) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": candidate.name, "namespace": candidate.namespace},
    }


def _runs_out(sighting: Sighting) -> float:
    held = (sighting.lease.get("spec") or {}).get("leaseDurationSeconds")
    return sighting.since + float(held or 0)


def _uid(lease: Document) -> str:
    return str(lease["metadata"]["uid"])


def _version(lease: Document) -> int:
    return int(lease["metadata"]["resourceVersion"])


def _micro(today: datetime) -> str:
    """A Kubernetes MicroTime."""
    return today.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
