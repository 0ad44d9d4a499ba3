"""Pages of drawn numbers, and two small models that learn to find and read them in seconds.

Built once for all tests that need a trained run: importing the OCR stack alone costs as much as the rest.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ocr_contract.spec import Test as TestSpec
from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import TRAIN_STAGES, Stage
from ocr_contract.volume import RunFolder
from ocr_contract.volume import TestFolder as ImagesFolder
from ocr_trainer.context import StageContext
from ocr_trainer.progress import LogProgress
from ocr_trainer.reporting import Reporter

WIDTH, HEIGHT = 320, 240
SETTINGS: dict[str, Any] = {
    "id": "first",
    "runTest": True,
    "detection": {
        "preset": "dbnet_r18_tiny",
        "epochs": 7,
        "batchSize": 4,
        "evaluateEvery": 5,
        "overrides": {
            "long_side": 320,
            "train_dataloader.dataset.pipeline.2.size": 192,
            "train_dataloader.dataset.pipeline.2.long_side": [280, 360],
        },
    },
    "recognition": {"preset": "crnn_tiny", "epochs": 4, "batchSize": 8, "evaluateEvery": 4},
}


def draw_pages(folder: Path, name: str, count: int, rng: np.random.Generator) -> None:
    """`count` pages of numbers in a folder, and the COCO file beside it that says what they are."""
    (folder / name).mkdir(parents=True)
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "text"}]}
    for page in range(count):
        image = np.full((HEIGHT, WIDTH, 3), rng.integers(200, 256), np.uint8)
        for row in range(6 if page or name != "train" else 0):  # one training page without text
            for column in range(2):
                text = "".join(str(digit) for digit in rng.integers(0, 10, rng.integers(2, 6)))
                scale = float(rng.uniform(0.65, 0.85))
                (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
                x = 14 + column * 155 + int(rng.integers(0, 20))
                y = 28 + row * 38 + int(rng.integers(0, 6))
                ink = tuple(int(shade) for shade in rng.integers(0, 90, 3))
                cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 2, cv2.LINE_AA)
                box = [x - 1, y - height - 1, width + 2, height + below // 2 + 2]
                document["annotations"].append(
                    {"id": len(document["annotations"]) + 1, "image_id": page, "category_id": 1,
                     "bbox": box, "utf8_string": text}
                )  # fmt: skip
        file_name = f"{name}-{page:02}.png"
        cv2.imwrite(str(folder / name / file_name), image)
        document["images"].append({"id": page, "file_name": file_name, "width": WIDTH, "height": HEIGHT})
    (folder / f"{name}.json").write_text(json.dumps(document))


@contextmanager
def stage_context(
    stage: Stage,
    run: RunFolder,
    settings: dict[str, Any],
    test: ImagesFolder | None = None,
    checkpoint: Literal["Best", "Last"] = "Best",
    path: str = "",
    **more: Any,
) -> Iterator[StageContext]:
    """A context as `ocr-trainer run` makes it, without Kubernetes."""
    train = Train.model_validate(settings)
    own_test = TestSpec(id="t1", checkpoint=checkpoint, path=path) if test else None
    folder = test or (run.test if stage is Stage.TEST else None)
    init_from = settings[stage].get("initFrom") if stage in settings else None
    reporter = Reporter(stage, "run", run, folder, own_test=own_test is not None)
    try:
        yield StageContext(
            input=StageInput(project_id="numbers", train=train, test=own_test),
            run=run,
            test=folder,
            reporter=reporter,
            **{
                "init": run.path.parent / init_from if init_from else None,
                "pod_uid": "this-process",
                "stop": threading.Event(),
                "progress": LogProgress(),
                **more,
            },
        )
    finally:
        reporter.close()


def run_stage(stage: Stage, run: RunFolder, settings: dict[str, Any], **more: Any) -> None:
    with stage_context(stage, run, settings, **more) as context:
        import_module(f"ocr_trainer.stages.{stage}").run(context)


def train_numbers(folder: Path) -> None:
    """A run's folder that went through all stages."""
    rng = np.random.default_rng(5)
    for name, count in (("train", 36), ("val", 6), ("test", 6)):
        draw_pages(folder, name, count, rng)
    for stage in (*TRAIN_STAGES, Stage.TEST):
        run_stage(stage, RunFolder(folder), SETTINGS)
