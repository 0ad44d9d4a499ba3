"""When the operator says of itself that it went blind, and when it does not."""

import pytest

from ocr_operator.sight import Sight


@pytest.fixture
def sight() -> Sight:
    return Sight(blind_seconds=60, silent_seconds=10, now=0)


def alive(sight: Sight, until: int, since: int = 0) -> None:
    """The API server answers every other second."""
    for second in range(since, until + 1, 2):
        sight.answer(second)


def test_what_comes_back_is_seen(sight: Sight) -> None:
    for second in range(0, 600, 2):
        sight.answer(second)
        sight.expect("lease", second + 1, second)
        sight.see("lease", second + 1)
    assert sight.blindness(600) is None


def test_a_write_that_does_not_come_back_is_blindness(sight: Sight) -> None:
    sight.expect("lease", 7, 0)
    alive(sight, 100)
    assert sight.blindness(60) is None
    assert sight.blindness(61) == "the watch of lease does not show version 7, 61 s old"
    sight.see("lease", 7)
    assert sight.blindness(100) is None


def test_each_watch_stands_for_itself(sight: Sight) -> None:
    sight.expect("pod", 5, 0)
    alive(sight, 70)
    for version in range(100):
        sight.see("lease", version)
    assert "watch of pod" in str(sight.blindness(70))


def test_a_later_version_stands_for_those_before(sight: Sight) -> None:
    sight.expect("job", 5, 0)
    sight.see("job", 9)  # of another Job
    sight.expect("job", 8, 1)  # answered after the watch was quicker
    alive(sight, 100)
    assert sight.blindness(100) is None


def test_some_of_it_is_not_enough(sight: Sight) -> None:
    sight.expect("project", 5, 0)
    sight.expect("project", 6, 20)
    sight.see("project", 5)
    alive(sight, 100)
    assert sight.blindness(80) is None and sight.blindness(81)


def test_an_api_server_that_is_down_is_silence_and_no_blindness(sight: Sight) -> None:
    alive(sight, 20)
    sight.expect("lease", 7, 20)
    sight.complain("has not answered", "connection refused")
    assert sight.silence(30) is None
    for second in range(31, 1000):
        assert (
            sight.silence(second)
            == f"the API server has not answered for {second - 20} s: connection refused"
        )
        assert sight.blindness(second) is None
    alive(sight, 1059, since=1000)
    assert sight.silence(1059) is None
    assert sight.blindness(1059) is None, "the time of the outage does not count"
    alive(sight, 1100, since=1060)
    assert sight.blindness(1061), "the time since then does"


def test_answers_with_gaps_between_them_do_not_hide_blindness(sight: Sight) -> None:
    sight.expect("lease", 7, 0)
    for second in range(0, 70, 9):
        sight.complain("has answered with errors", "500")
        sight.answer(second)
    assert sight.blindness(64)


def test_a_watch_that_lists_again_owes_nothing_older(sight: Sight) -> None:
    sight.expect("job", 5, 0)  # deleted before the list: no event will ever tell
    sight.expect("job", 8, 9)
    sight.list_again("job", asked=3)
    alive(sight, 100)
    assert sight.blindness(69) is None and sight.blindness(70)


def test_what_is_awaited_is_bounded(sight: Sight) -> None:
    for version in range(1, 100_000):
        sight.expect("job", version, 0)
    alive(sight, 70)
    assert sight.blindness(70)
    sight.see("job", 100_000)
    assert sight.blindness(70) is None
