"""Batches that are loaded while the one before them is trained."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ocr_trainer.training.ahead import batches_ahead


def ignore(batch: Any) -> None:
    del batch


def test_a_training_sees_every_batch_once_and_in_order() -> None:
    assert list(batches_ahead([[1], [2], [3]], ignore)) == [[1], [2], [3]]
    assert list(batches_ahead([], ignore)) == []


def test_a_batch_comes_prepared() -> None:
    assert list(batches_ahead([[1], [2]], lambda batch: batch.append("drawn"))) == [
        [1, "drawn"],
        [2, "drawn"],
    ]


def test_the_next_batch_is_loaded_while_one_is_trained() -> None:
    second_is_loaded = threading.Event()

    def loader() -> Iterator[int]:
        yield 1
        second_is_loaded.set()
        yield 2

    batches = batches_ahead(loader(), ignore)
    assert next(batches) == 1
    assert second_is_loaded.wait(5)
    batches.close()


def test_a_page_that_cannot_be_read_any_more_stops_the_training_at_its_batch() -> None:
    def loader() -> Iterator[int]:
        yield 1
        raise OSError("page.jpg can't be read any more")

    batches = batches_ahead(loader(), ignore)
    assert next(batches) == 1
    with pytest.raises(OSError, match=r"page\.jpg"):
        next(batches)


def test_a_stopped_training_leaves_no_thread_behind() -> None:
    def loader() -> Iterator[int]:
        yield 1
        time.sleep(0.05)
        yield 2

    batches = batches_ahead(loader(), ignore)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches-ahead")]
