"""What goes wrong beside the work is told; a generator that can't be closed at the end is no news."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import pytest

from ocr_operator.service import report_defect


def test_a_watch_that_cannot_be_closed_at_the_end_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def watch() -> AsyncIterator[int]:
        try:
            yield 1
        except GeneratorExit:
            raise RuntimeError("generator didn't stop after athrow()") from None

    kept = watch()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(report_defect)
        await anext(kept)

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert not caplog.records


def test_a_task_that_fails_unheard_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("nobody awaits this")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(report_defect)
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del task
        await asyncio.sleep(0)
        gc.collect()

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert "nobody awaits this" in caplog.text
