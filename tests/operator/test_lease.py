"""Who may work: the rules of the Lease, with every clock in the test's hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocr_operator.lease import Candidate, Sighting, decide, heard, holder, is_free, released

TODAY = datetime(2026, 11, 25, 12, 0, 0, 250000, tzinfo=UTC)
ONE = Candidate(name="ocr-operator", namespace="ns", identity="one", holds_seconds=15, retry_seconds=2.0)
TWO = Candidate(name="ocr-operator", namespace="ns", identity="two", holds_seconds=15, retry_seconds=2.0)


class Server:
    """An API server that holds one Lease and refuses a write made from an old version."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0

    def write(self, lease: dict[str, Any]) -> bool:
        if lease["metadata"].get("resourceVersion") != (
            self.lease and self.lease["metadata"]["resourceVersion"]
        ):
            return False
        self.version += 1
        metadata = {**lease["metadata"], "uid": "u", "resourceVersion": str(self.version)}
        self.lease = {**lease, "metadata": metadata}
        return True

    def look(self, candidate: Candidate, known: Sighting | None, now: float) -> tuple[Sighting | None, bool]:
        """One look as a process takes it: what it knows afterwards, and whether it leads."""
        sighting = heard(known, self.lease, now) if self.lease else None
        step = decide(sighting, candidate, now, TODAY + timedelta(seconds=now))
        if step.write is None or not self.write(step.write):
            return sighting, False
        assert self.lease
        return Sighting(self.lease, now), True


def test_the_first_to_come_creates_the_lease_and_leads() -> None:
    server = Server()
    _, leads = server.look(ONE, None, 0)
    assert leads and server.lease
    assert server.lease["spec"] == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-25T12:00:00.250000Z",
        "renewTime": "2026-11-25T12:00:00.250000Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_changes_nothing_but_its_time() -> None:
    server = Server()
    server.look(ONE, None, 0)
    assert server.lease
    before = server.lease["spec"]
    _, leads = server.look(ONE, None, 2)
    assert leads and server.lease["spec"] == before | {"renewTime": "2026-11-25T12:00:02.250000Z"}


def test_a_standby_waits_as_long_as_the_holder_gives_signs_of_life() -> None:
    server, known = Server(), None
    server.look(ONE, None, 0)
    for now in range(0, 100, 2):
        server.look(ONE, None, now)
        known, leads = server.look(TWO, known, now + 1)
        assert not leads


def test_a_standby_takes_over_when_the_holder_was_silent_for_as_long_as_it_said() -> None:
    server = Server()
    server.look(ONE, None, 0)
    known, _ = server.look(TWO, None, 7)
    assert known is not None
    assert not server.look(TWO, known, 21.9)[1], "heard of at 7, held for 15"
    assert decide(known, TWO, 21.9, TODAY).wait == pytest.approx(0.1), "it looks again just then"
    assert server.look(TWO, known, 22)[1]
    assert server.lease and server.lease["spec"]["leaseTransitions"] == 1


def test_the_holders_clock_is_of_no_account() -> None:
    server = Server()
    server.look(ONE, None, -10_000)  # writes a time of hours ago
    known, leads = server.look(TWO, None, 0)
    assert not leads and known is not None and not is_free(known, 14)


def test_how_long_it_holds_is_the_holders_word() -> None:
    server = Server()
    patient = Candidate(name="l", namespace="ns", identity="patient", holds_seconds=60, retry_seconds=2.0)
    server.look(patient, None, 0)
    known, _ = server.look(TWO, None, 0)
    assert not server.look(TWO, known, 59)[1] and server.look(TWO, known, 60)[1]


def test_hearing_the_same_again_is_no_sign_of_life() -> None:
    server = Server()
    server.look(ONE, None, 0)
    assert server.lease
    old = server.lease
    known = heard(heard(None, old, 0), old, 10)
    assert known.since == 0
    server.look(ONE, None, 11)
    known = heard(known, server.lease, 11)
    assert known.since == 11 and heard(known, old, 12) is known, "a watch may lag behind an answer"


def test_a_lease_let_go_is_taken_at_once() -> None:
    server = Server()
    server.look(ONE, None, 0)
    assert server.lease and server.write(released(server.lease, TODAY))
    assert holder(server.lease) == ""
    assert server.look(TWO, None, 0.1)[1]


def test_of_two_who_take_it_at_the_same_time_one_leads() -> None:
    server = Server()
    server.look(ONE, None, 0)
    assert server.lease and server.write(released(server.lease, TODAY))
    sighting = heard(None, server.lease, 1)
    steps = [decide(sighting, candidate, 1, TODAY).write for candidate in (ONE, TWO)]
    assert [server.write(step) for step in steps if step] == [True, False]


def test_a_lease_that_somebody_made_by_hand_can_be_taken() -> None:
    server = Server()
    assert server.write({"metadata": {"name": "ocr-operator", "namespace": "ns"}})
    assert server.look(ONE, None, 0)[1]
