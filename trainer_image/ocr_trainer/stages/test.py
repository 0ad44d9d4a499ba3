"""Read the test's images with the run's model, and measure it where the truth is known.

Each image's result is kept as soon as it is there: stopped or killed, the next start reads only the rest.
"""

import hashlib
import logging
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ocr_contract.atomic import replace_json, replacing
from ocr_contract.legacy import Word
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.bundle import file_hash
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadData, Interrupted
from ocr_trainer.evaluation import Evaluation
from ocr_trainer.machine import processors
from ocr_trainer.owner import Owner
from ocr_trainer.testing.images import TestImage, own_images, run_images
from ocr_trainer.testing.lines import line_of
from ocr_trainer.testing.results import Results

logger = logging.getLogger(__name__)

_FIGURES = ("detection", "recognition")
"""Parts of testMetrics.json that the status report has under the same names."""


def run(context: StageContext) -> None:
    """Writes testResult.json and status_test.json as it goes.

    In the end lines.jsonl, and testMetrics.json where there is truth.
    """
    test = context.test
    assert test is not None, "a test has a folder"
    model = _model_hash(context)
    images = _images(context)
    if not images:
        raise BadData("there is no image to test: put images into the test's folder", reason="NoImages")
    owner = Owner(test.path / "work" / "test", context.pod_uid)
    owner.claim()
    with closing(Results(test, model, context.run_key)) as results:
        rest = [image for image in images if not results.has(image)]
        done = len(images) - len(rest)
        if done:
            logger.info("Kept the results of %d images that were read before", done)
        context.reporter.update_test(now=True, images_done=done, total_images=len(images))
        context.reporter.word(Word.RECOGNISER_VALIDATING)
        if rest:
            results.write(images)
            _read_rest(context, images, rest, results, owner)
        owner.check()
        results.write(images, durable=True)
        figures = _measure(context, images, results)
    context.reporter.update_test(now=True, images_done=len(images), eta_seconds=0, **figures)


def _model_hash(context: StageContext) -> str:
    """SHA-256 of the bundle; of both checkpoints for a test of the last epoch."""
    run = context.run
    if not run.model_zip.is_file():
        raise BadData(
            "the run has no packaged model (model/pthModel.zip): a test needs a training that succeeded",
            reason="NoModel",
        )
    if not _tests_last(context):
        return file_hash(run.model_zip)
    hashes = "".join(file_hash(path) for _, path in _last_weights(run))
    return hashlib.sha256(hashes.encode()).hexdigest()


def _tests_last(context: StageContext) -> bool:
    return context.input.test is not None and context.input.test.checkpoint == "Last"


def _last_weights(run: RunFolder) -> list[tuple[Path, Path]]:
    """Configuration and checkpoint of both models' last epochs."""
    folders = [run.stage(stage) for stage in (Stage.DETECTION, Stage.RECOGNITION)]
    for folder in folders:
        if not (folder / "last.pth").is_file():
            raise BadData(
                f"work/{folder.name}/last.pth is missing: test the best checkpoint", reason="NoModel"
            )
    return [(folder / "config.py", folder / "last.pth") for folder in folders]


def _images(context: StageContext) -> list[TestImage]:
    if context.input.test is None:
        return run_images(context.run)
    assert context.test is not None
    return own_images(context.test.path, context.input.test.path, context.input.train.dataset)


def _read_rest(
    context: StageContext, images: list[TestImage], rest: list[TestImage], results: Results, owner: Owner
) -> None:
    from ocr_trainer.testing.reading import read_images

    def check() -> None:
        if context.stop.is_set():
            raise Interrupted("stopped as asked; the next start reads the images that are left")

    before = len(images) - len(rest)
    with _pipeline(context) as pipeline, context.progress.task(
        "Reading test images", len(images), done=before
    ) as task:  # fmt: skip
        started = time.monotonic()
        try:
            for number, result in enumerate(read_images(pipeline, rest, processors(), check), start=1):
                results.add(result)
                task.advance()
                seconds = (time.monotonic() - started) / number
                context.reporter.update_test(
                    images_done=before + number,
                    eta_seconds=round(seconds * (len(rest) - number)),
                    milliseconds_per_image=seconds * 1000,
                )
                if results.is_due():
                    owner.check()
                    results.write(images)
        except Interrupted as error:
            if error.reason != "Superseded":
                results.write(images, durable=True)
            raise


@contextmanager
def _pipeline(context: StageContext) -> Iterator[Any]:
    """The packaged model, unpacked where the pod may write; or both last checkpoints."""
    from ocr_trainer.inference import Pipeline

    if _tests_last(context):
        detector, recogniser = _last_weights(context.run)
        yield Pipeline.load(*detector, *recogniser, context.run.dataset / "dictionary.txt")
        return
    with tempfile.TemporaryDirectory(prefix="ocr-model-") as folder:
        with zipfile.ZipFile(context.run.model_zip) as bundle:
            bundle.extractall(folder)
        yield Pipeline.open(Path(folder))


def _measure(context: StageContext, images: list[TestImage], results: Results) -> dict[str, float]:
    """lines.jsonl; testMetrics.json and the report's fields, nothing where there is no truth."""
    assert context.test is not None
    evaluation = Evaluation()
    with replacing(context.test.lines, durable=True) as lines:
        for kept in results.read_back(images):
            context.check_stop()
            pairing = None
            if kept.truth is not None:
                pairing = evaluation.add(kept.entry["file"], kept.truth, kept.found, kept.true_readings)
            lines.write(line_of(kept, pairing))
    if not evaluation.images:
        context.test.test_metrics.unlink(missing_ok=True)
        return {}
    document = evaluation.document()
    replace_json(context.test.test_metrics, document, durable=True)
    end_to_end = document["endToEnd"]
    logger.info("Tested %d images: %s, end to end %s", evaluation.images, document["detection"], end_to_end)
    figures = {name: value for part in _FIGURES for name, value in document[part].items()}
    return figures | {f"end_to_end_{name}": end_to_end[name] for name in ("precision", "recall", "f1")}
