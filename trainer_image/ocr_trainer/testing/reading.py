"""Many images through a pipeline: decoded, looked at and read by a few threads, in order, in little memory.

On processors each thread takes some images from the file to the texts and computes with one core: decoding,
cutting and what else Python does of one thread fills the gaps of the others. On a GPU two threads are enough
to keep it busy.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from ocr_trainer.dataset import pictures
from ocr_trainer.evaluation import readable
from ocr_trainer.inference import Detection, Pipeline, Reading
from ocr_trainer.metrics import Text
from ocr_trainer.testing.images import TestImage

logger = logging.getLogger(__name__)

_TOGETHER = 4
"""Images that one thread reads at once: their lines make fuller batches."""
_MOST_THREADS = 8
"""Each holds some decoded images and a model's intermediate results."""


@dataclass
class ReadImage:
    """What was found in an image, or why nothing was."""

    image: TestImage
    error: str = ""
    width: int = 0
    height: int = 0
    found: list[Detection] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    """One for each of `found`."""
    truth: list[Text] | None = None
    true_readings: list[str] = field(default_factory=list)
    """What the recogniser says to each of `evaluation.readable(truth)`."""
    milliseconds: float = 0.0


def read_images(
    pipeline: Pipeline, images: Iterable[TestImage], threads: int, check: Callable[[], None]
) -> Iterator[ReadImage]:
    """Each image's result, in order. check: asked between batches; whatever it raises ends the reading."""
    workers = 2 if pipeline.device == "cuda" else max(1, min(threads, _MOST_THREADS))
    waiting: deque[Future[list[ReadImage]]] = deque()
    rest = iter(images)

    def work(chunk: Sequence[TestImage]) -> list[ReadImage]:
        _use_one_core(workers)
        return read_together(pipeline, chunk, check)

    with ThreadPoolExecutor(workers, thread_name_prefix="read") as pool:
        try:
            while True:
                while len(waiting) <= workers and (chunk := list(islice(rest, _TOGETHER))):
                    waiting.append(pool.submit(work, chunk))
                if not waiting:
                    return
                check()
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_together(
    pipeline: Pipeline, images: Sequence[TestImage], check: Callable[[], None]
) -> list[ReadImage]:
    """Decode, find, cut and read some images."""
    started = time.perf_counter()
    results = [ReadImage(image) for image in images]
    decoded = [(result, picture) for result in results if (picture := _decode(result)) is not None]
    for result, _ in decoded:
        result.truth = result.image.truth() if result.image.truth else None
    pages = [picture.pixels for _, picture in decoded]
    lines, counts = [], []
    for (result, _), page, found in zip(decoded, pages, pipeline.detect_all(pages, check=check), strict=True):
        result.found = found
        outlines = [line.polygon for line in found]
        outlines += [text.polygon for text in readable(result.truth or [])]
        counts.append(len(outlines))
        lines += [pipeline.cut(page, outline) for outline in outlines]
    readings = iter(pipeline.read_lines(lines, check=check))
    for (result, _), count in zip(decoded, counts, strict=True):
        read = list(islice(readings, count))
        result.readings = read[: len(result.found)]
        result.true_readings = [reading.text for reading in read[len(result.found) :]]
    share = (time.perf_counter() - started) * 1000 / len(images)
    for result in results:
        result.milliseconds = share
    return results


def _decode(result: ReadImage) -> pictures.Picture | None:
    try:
        picture = pictures.read(result.image.path.read_bytes())
    except OSError as error:
        result.error = f"can't be opened: {error.strerror}"
    except pictures.UnreadablePicture as error:
        result.error = str(error)
    else:
        result.width, result.height = picture.width, picture.height
        return picture
    logger.warning("Could not read %s: it %s", result.image.name, result.error)
    return None


def _use_one_core(workers: int) -> None:
    """torch's threads are counted for each of ours."""
    import torch

    if workers > 1 and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
