"""The queue's promises to level-triggered workers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ocr_operator.work_queue import FIRST_DELAY, LONGEST_DELAY, WorkQueue

Scene = Callable[[WorkQueue[str]], Awaitable[None]]


def play(scene: Scene) -> None:
    async def run() -> None:
        queue = WorkQueue[str]()
        try:
            await asyncio.wait_for(scene(queue), 10)
        finally:
            queue.close()

    asyncio.run(run())


async def is_empty(queue: WorkQueue[str]) -> bool:
    try:
        await asyncio.wait_for(queue.get(), 0.02)
    except TimeoutError:
        return True
    return False


def test_a_key_added_often_is_handed_out_once() -> None:
    async def scene(queue: WorkQueue[str]) -> None:
        for key in "abaab":
            queue.add(key)
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert await is_empty(queue)

    play(scene)


def test_a_key_is_never_in_two_hands_and_never_forgotten() -> None:
    async def scene(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await queue.get()
        queue.add("a")
        assert await is_empty(queue), "handed out while it is in work"
        queue.done("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert await is_empty(queue)

    play(scene)


def test_of_two_later_wishes_the_earlier_counts() -> None:
    async def scene(queue: WorkQueue[str]) -> None:
        queue.add_after("a", 60)
        queue.add_after("a", 0.01)
        queue.add_after("a", 60)
        assert await queue.get() == "a"

    play(scene)


def test_a_key_that_fails_again_waits_longer_until_it_is_forgiven() -> None:
    async def scene(queue: WorkQueue[str]) -> None:
        delays = [queue.add_failed("a") for _ in range(12)]
        assert delays[:3] == pytest.approx([FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY])
        assert delays[-1] == LONGEST_DELAY
        assert queue.add_failed("b") == FIRST_DELAY
        queue.forgive("a")
        assert queue.add_failed("a") == FIRST_DELAY

    play(scene)


def test_many_workers_share_the_keys() -> None:
    async def scene(queue: WorkQueue[str]) -> None:
        done: list[str] = []

        async def worker() -> None:
            while True:
                key = await queue.get()
                await asyncio.sleep(0)
                done.append(key)
                queue.done(key)

        keys = [str(number) for number in range(100)]
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(worker()) for _ in range(8)]
            for key in keys:
                queue.add(key)
            while len(done) < len(keys):
                await asyncio.sleep(0)
            for task in workers:
                task.cancel()
        assert sorted(done) == sorted(keys)

    play(scene)


def test_a_closed_queue_hands_out_nothing_more_and_tells_when_work_is_done() -> None:
    async def scene(queue: WorkQueue[str]) -> None:
        queue.add("a")
        queue.add("b")
        in_work = await queue.get()
        queue.close()
        assert await is_empty(queue)
        idle = asyncio.create_task(queue.idle())
        await asyncio.sleep(0)
        assert not idle.done()
        queue.done(in_work)
        await idle

    play(scene)
