"""Loads the next batch while the model computes: in a thread, the same batches in the same order.

Two cores are too few for loader processes. But most of a step is spent in torch's kernels, which leave Python
to others: what the next batch needs is done by then. With loader processes or a GPU the thread still draws
the detector's targets beside the model's work.
"""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def batches_ahead(loader: Iterable[Any], prepare: Callable[[Any], None]) -> Generator[Any, None, None]:
    """The loader's batches; each is loaded and prepared while the one before it is trained."""
    batches = iter(loader)

    def load() -> Any:
        batch = next(batches, None)
        if batch is not None:
            prepare(batch)
        return batch

    with ThreadPoolExecutor(1, thread_name_prefix="batches-ahead") as thread:
        loading = thread.submit(load)
        while (batch := loading.result()) is not None:
            loading = thread.submit(load)
            yield batch


def target_drawer(model: Any) -> Callable[[Any], None]:
    """What draws a batch's targets ahead of the loss, for a model whose loss can: the detector's."""
    model = getattr(model, "module", model)
    loss = getattr(getattr(model, "det_head", None), "module_loss", None)
    draw = getattr(loss, "draw_ahead", None)

    def prepare(batch: dict[str, Any]) -> None:
        if draw is not None:
            draw(batch["data_samples"])

    return prepare
