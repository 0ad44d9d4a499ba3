"""Read the test's images with the run's model, and measure it where the truth is known."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_contract.atomic import replace_json
from ocr_contract.legacy import Word
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadData
from ocr_trainer.metrics import Tally, Text

logger = logging.getLogger(__name__)

_TOGETHER = 4
"""Images that are read at once: their lines make fuller batches."""
_WRITE_SECONDS = 2.0
_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class TestImage:
    __test__ = False

    name: str
    """Relative to the test's folder."""
    path: Path
    truth: list[Text] | None
    """None: nobody says what is in it."""


def run(context: StageContext) -> None:
    """Writes testResult.json and status_test.json as it goes, testMetrics.json where there is truth."""
    assert context.test is not None, "a test has a folder"
    _check_model(context.run)
    images = _own_images(context) if context.input.test else _run_images(context.run)
    if not images:
        raise BadData("there is no image to test: put JPEG or PNG files into the test's folder")
    context.reporter.update_test(now=True, images_done=0, total_images=len(images))
    context.reporter.word(Word.RECOGNISER_VALIDATING)
    results, tally = _read_images(context, images)
    replace_json(context.test.test_result, {"images": results}, durable=True)
    figures = _measure(context, tally)
    context.reporter.update_test(now=True, images_done=len(images), eta_seconds=0, **figures)


def _check_model(run: RunFolder) -> None:
    if not run.model_zip.is_file():
        raise BadData(
            "the run has no packaged model (model/pthModel.zip): a test needs a training that succeeded",
            reason="NoModel",
        )


def _own_images(context: StageContext) -> list[TestImage]:
    """All images of the test's folder, below `path` where one is given."""
    assert context.test is not None and context.input.test is not None
    root = (context.test.path / context.input.test.path).resolve()
    if not root.is_relative_to(context.test.path.resolve()) or not root.is_dir():
        raise BadData(f"test.path {context.input.test.path!r} is no folder of the test", reason="NoFolder")
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in _IMAGES and path.is_file())
    return [TestImage(path.relative_to(root).as_posix(), path, None) for path in found]


def _run_images(run: RunFolder) -> list[TestImage]:
    """The test images that lay in the run's folder when it was prepared, with their truth."""
    import numpy as np

    listing = run.dataset / "detection" / "test.json"
    if not listing.is_file():
        raise BadData("runTest: the run's folder held no test images when it was prepared", reason="NoImages")
    images = []
    for entry in json.loads(listing.read_text())["data_list"]:
        truth = [
            Text(
                np.array(instance["polygon"], np.float64).reshape(-1, 2),
                instance.get("text") or None,
                bool(instance["ignore"]),
            )
            for instance in entry["instances"]
        ]
        images.append(TestImage(entry["img_path"], run.path / entry["img_path"], truth or None))
    return images


def _read_images(context: StageContext, images: list[TestImage]) -> tuple[list[dict[str, Any]], Tally]:
    assert context.test is not None
    pipeline = _load_pipeline(context)
    results: list[dict[str, Any]] = []
    tally = Tally()
    started = written = time.monotonic()
    with context.progress.task("Reading test images", total=len(images)) as task:
        for batch in _batches(images):
            context.check_stop()
            for image, result, found in _read_batch(pipeline, batch):
                results.append(result)
                if image.truth is not None:
                    tally.add(image.truth, found)
            task.advance(len(batch))
            now = time.monotonic()
            left = round((now - started) / len(results) * (len(images) - len(results)))
            context.reporter.update_test(images_done=len(results), eta_seconds=left)
            if now - written > _WRITE_SECONDS:
                replace_json(context.test.test_result, {"images": results})
                written = time.monotonic()
    return results, tally


def _load_pipeline(context: StageContext) -> Any:
    from ocr_trainer.inference import Pipeline

    wanted = context.input.test.checkpoint if context.input.test else "Best"
    detection, recognition = (context.run.stage(s) for s in (Stage.DETECTION, Stage.RECOGNITION))
    weights = f"{wanted.lower()}.pth"
    return Pipeline.load(
        detection / "config.py",
        detection / weights,
        recognition / "config.py",
        recognition / weights,
        context.run.dataset / "dictionary.txt",
    )


def _batches(images: list[TestImage]) -> Iterator[list[TestImage]]:
    for begin in range(0, len(images), _TOGETHER):
        yield images[begin : begin + _TOGETHER]


def _read_batch(
    pipeline: Any, batch: list[TestImage]
) -> Iterator[tuple[TestImage, dict[str, Any], list[Text]]]:
    """Each image with its entry for testResult.json and what was found in it."""
    import cv2

    pictures = [cv2.imread(str(image.path), cv2.IMREAD_COLOR) for image in batch]
    readable = [picture for picture in pictures if picture is not None]
    lines = pipeline.detect_all(readable) if readable else []
    pages = [
        (picture, [line.polygon for line in found]) for picture, found in zip(readable, lines, strict=True)
    ]
    read = iter(zip(readable, lines, pipeline.read_all(pages), strict=True))
    for image, picture in zip(batch, pictures, strict=True):
        if picture is None:
            logger.warning("Could not read %s", image.name)
            yield image, {"file": image.name, "error": "the file is no readable image", "texts": []}, []
            continue
        _, found, readings = next(read)
        texts = [
            {
                "polygon": [round(float(value), 2) for value in line.polygon.reshape(-1)],
                "score": round(line.score, 4),
                "text": reading.text,
                "textScore": round(reading.score, 4),
            }
            for line, reading in zip(found, readings, strict=True)
        ]
        height, width = picture.shape[:2]
        result = {"file": image.name, "width": width, "height": height, "texts": texts}
        found_texts = [
            Text(line.polygon, reading.text) for line, reading in zip(found, readings, strict=True)
        ]
        yield image, result, found_texts


def _measure(context: StageContext, tally: Tally) -> dict[str, float]:
    """testMetrics.json and the report's fields; nothing where there is no truth."""
    assert context.test is not None
    if not tally.images:
        context.test.test_metrics.unlink(missing_ok=True)
        return {}
    detection, end_to_end = tally.detection(), tally.end_to_end()
    replace_json(
        context.test.test_metrics,
        {"detection": detection, "endToEnd": end_to_end, "images": tally.images},
        durable=True,
    )
    logger.info("Tested %d images: detection %s, end to end %s", tally.images, detection, end_to_end)
    return {
        **detection,
        "end_to_end_precision": end_to_end["precision"],
        "end_to_end_recall": end_to_end["recall"],
        "end_to_end_f1": end_to_end["f1"],
    }
