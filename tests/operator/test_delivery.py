"""Reports on their way to a real HTTP server: in order, signed, retried, bounded, and in nobody's way."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ocr_cluster.ports import PortClaim
from ocr_operator.telling.delivery import Delivery, Outcome, Patience
from ocr_operator.telling.messages import status_report
from ocr_operator.telling.news import Happening, Report
from report_receiver import KEY, Received, Receiver, receiver

QUICK = Patience(attempt=5.0, first_delay=0.02, longest_delay=0.1)
Scene = Callable[[Delivery], Awaitable[None]]


def report(number: int, project: str = "p", happening: Happening = Happening.PROGRESSED) -> Report:
    return Report(
        id=f"msg_{project}_{number}",
        project=("ns", project),
        run="r1",
        line="train",
        happening=happening,
        occurred=datetime(2026, 11, 25, tzinfo=UTC),
        body=f'{{"project":"{project}","number":{number}}}'.encode(),
        circumstances={},
    )


def end(number: int, project: str = "p") -> Report:
    return report(number, project, Happening.SUCCEEDED)


def play(url: str, scene: Scene, patience: Patience = QUICK) -> Counter[Outcome]:
    """What was counted while the delivery ran and the scene was played."""
    counted: Counter[Outcome] = Counter()

    async def run() -> None:
        delivery = Delivery(
            "platform",
            url,
            lambda report, at: status_report(report, at, [KEY]),
            lambda _, outcome: counted.update([outcome]),
            patience,
        )
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(delivery.run())
            await scene(delivery)
            running.cancel()

    asyncio.run(run())
    return counted


async def until(holds: Callable[[], Any]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


async def until_empty(delivery: Delivery) -> None:
    await until(lambda: not delivery.waiting)


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def fails_at_first(told: Receiver, *answers: int) -> None:
    """Answer so to the first requests, then well."""
    left = list(answers)
    told.answers = lambda _: left.pop(0) if left else 204


def numbers(received: list[Received], project: str = "p") -> list[int]:
    return [r.json["number"] for r in received if r.json["project"] == project]


def test_each_projects_reports_arrive_in_order_and_signed(told: Receiver) -> None:
    async def scene(delivery: Delivery) -> None:
        for number in range(10):
            for project in "abc":
                delivery.offer(report(number, project))
        await until_empty(delivery)

    counted = play(told.url, scene)
    assert all(numbers(told.accepted, project) == list(range(10)) for project in "abc")
    assert all(received.is_signed_with(KEY) for received in told.accepted)
    assert told.accepted[0].path == "/told" and told.accepted[0].headers["content-type"] == "application/json"
    assert counted == {Outcome.SENT: 30}


@pytest.mark.parametrize("answer", [500, 503, 429, 408, 425])
def test_what_may_pass_later_is_tried_again_under_the_same_id_before_the_next(
    told: Receiver, answer: int
) -> None:
    fails_at_first(told, answer, answer, answer)

    async def scene(delivery: Delivery) -> None:
        delivery.offer(report(1))
        delivery.offer(end(2))
        await until_empty(delivery)

    counted = play(told.url, scene)
    assert numbers(told.all) == [1, 1, 1, 1, 2]
    assert len({received.id for received in told.all[:4]}) == 1
    assert all(received.is_signed_with(KEY) for received in told.all), "each try is signed anew"
    assert counted == {Outcome.SENT: 2, Outcome.RETRIED: 3}


@pytest.mark.parametrize("answer", [400, 401, 404, 410, 422, 301, 307])
def test_what_was_refused_is_not_tried_again_nor_sent_elsewhere(told: Receiver, answer: int) -> None:
    fails_at_first(told, answer)
    told.headers = {"Location": told.url + "/elsewhere"}

    async def scene(delivery: Delivery) -> None:
        delivery.offer(report(1))
        delivery.offer(report(2))
        await until_empty(delivery)

    counted = play(told.url, scene)
    assert numbers(told.all) == [1, 2] and {received.path for received in told.all} == {"/told"}
    assert counted == {Outcome.FAILED: 1, Outcome.SENT: 1}


def test_a_receiver_that_is_down_is_tried_until_it_is_there() -> None:
    claim = PortClaim(1)
    address = f"http://127.0.0.1:{claim.ports[0]}/told"
    counted: Counter[Outcome] = Counter()

    async def scene(delivery: Delivery) -> None:
        delivery.offer(report(1))
        delivery.offer(end(2))
        await asyncio.sleep(0.1)
        with receiver(claim.ports[0]) as told:
            await until_empty(delivery)
            assert numbers(told.accepted) == [1, 2]

    try:
        counted = play(address, scene)
    finally:
        claim.release()
    assert counted[Outcome.SENT] == 2 and counted[Outcome.RETRIED] >= 2


def test_a_receiver_that_asks_for_patience_gets_it(told: Receiver) -> None:
    fails_at_first(told, 503)
    told.headers = {"Retry-After": "1"}
    begun = time.monotonic()

    async def scene(delivery: Delivery) -> None:
        delivery.offer(report(1))
        await until_empty(delivery)

    play(told.url, scene)
    assert time.monotonic() - begun >= 1.0


def test_one_project_that_cannot_be_told_holds_up_no_other(told: Receiver) -> None:
    told.answers = lambda received: 500 if received.json["project"] == "bad" else 204

    async def scene(delivery: Delivery) -> None:
        for number in range(5):
            delivery.offer(report(number, "bad"))
            delivery.offer(report(number, "good"))
        await until(lambda: len(told.accepted) == delivery.waiting == 5)

    play(told.url, scene)
    assert numbers(told.accepted, "good") == list(range(5))


def test_when_too_much_waits_old_progress_gives_way_and_never_an_end(told: Receiver) -> None:
    patience = Patience(attempt=5.0, first_delay=0.02, longest_delay=0.1, most_progress=3)
    told.answers = lambda _: 500

    async def scene(delivery: Delivery) -> None:
        for number in range(0, 20, 2):
            delivery.offer(report(number))
            delivery.offer(end(number + 1))
        await until(lambda: told.all)
        told.answers = lambda _: 204
        await until_empty(delivery)

    counted = play(told.url, scene, patience)
    arrived = numbers(told.accepted)
    assert arrived == sorted(arrived)
    assert [number for number in arrived if number % 2] == list(range(1, 20, 2)), "every end"
    assert [number for number in arrived if not number % 2] == [14, 16, 18], "the newest progress"
    assert counted[Outcome.DROPPED] == 7 and counted[Outcome.SENT] == 13


def test_in_the_end_it_is_given_up_progress_sooner_than_an_end(told: Receiver) -> None:
    patience = Patience(first_delay=0.02, longest_delay=0.05, progress=0.2, end=3.0)
    told.answers = lambda received: 500 if received.json["number"] < 9 else 204

    async def scene(delivery: Delivery) -> None:
        delivery.offer(report(1, "a"))
        delivery.offer(report(9, "a"))
        delivery.offer(end(1, "b"))
        await until(lambda: told.accepted)
        await until(lambda: delivery.waiting < 2)  # the answer arrives a moment later
        assert delivery.waiting == 1, "the end is still tried"
        await until_empty(delivery)

    counted = play(told.url, scene, patience)
    assert counted[Outcome.FAILED] == 2 and counted[Outcome.SENT] == 1
    assert len(numbers(told.all, "b")) > len(numbers(told.all, "a"))


def test_a_receiver_that_never_answers_keeps_nobody_waiting(told: Receiver) -> None:
    release = threading.Event()
    told.answers = lambda received: (release.wait(10), 204)[1] if received.json["number"] == 1 else 204

    async def scene(delivery: Delivery) -> None:
        delivery.offer(report(1))
        await until(lambda: told.all)
        begun = time.monotonic()
        for number in range(2, 200):
            delivery.offer(report(number))
        assert time.monotonic() - begun < 0.2, "to offer is not to send"
        await until(lambda: len(told.all) > 1)  # the attempt has timed out
        assert time.monotonic() - begun < 2
        release.set()
        await until_empty(delivery)

    counted = play(told.url, scene, Patience(attempt=0.2, first_delay=0.02))
    assert counted[Outcome.RETRIED] >= 1


def test_a_report_that_cannot_be_written_is_counted_and_keeps_none_behind_it(told: Receiver) -> None:
    counted: Counter[Outcome] = Counter()

    def write(report: Report, _: int) -> Any:
        if report.id == "msg_p_1":
            raise RuntimeError("a defect")
        return {"webhook-id": report.id}, report.body

    async def run() -> None:
        count = lambda _, outcome: counted.update([outcome])  # noqa: E731
        delivery = Delivery("platform", told.url, write, count, QUICK)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(delivery.run())
            delivery.offer(report(1))
            delivery.offer(report(2))
            await until_empty(delivery)
            running.cancel()

    asyncio.run(run())
    assert numbers(told.accepted) == [2]
    assert counted == {Outcome.FAILED: 1, Outcome.SENT: 1}
