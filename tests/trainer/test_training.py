"""Two small models really learn to find and read numbers on drawn pages, through the stages that a Job runs.

One training serves all tests.
"""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numbers_run import HEIGHT, SETTINGS, WIDTH, run_stage
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_contract.volume import TestFolder as ImagesFolder
from ocr_trainer.errors import BadConfiguration, BadData, Interrupted
from ocr_trainer.progress import Task

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def run(trained_numbers: Path) -> RunFolder:
    """A run that went through all stages."""
    return RunFolder(trained_numbers)


def load(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def first_loss(run: RunFolder, kind: str) -> float:
    """Of the first record: a few steps' mean."""
    line = (run.stage(kind) / "metrics.jsonl").read_text().splitlines()[0]
    return float(json.loads(line)["loss"])


def test_numbers_on_unseen_pages_are_found_and_read(run: RunFolder) -> None:
    truth = json.loads((run.path / "test.json").read_text())
    metrics = json.loads(run.test.test_metrics.read_text())
    assert metrics["images"] == 6
    assert metrics["detection"]["hmean"] > 0.8
    assert metrics["endToEnd"]["f1"] > 0.5  # one in a thousand by chance

    results = json.loads(run.test.test_result.read_text())["images"]
    read = [line["text"] for image in results for line in image["instances"]]
    wanted = [annotation["utf8_string"] for annotation in truth["annotations"]]
    assert len(set(read) & set(wanted)) > len(set(wanted)) / 2
    assert {(image["width"], image["height"]) for image in results} == {(WIDTH, HEIGHT)}
    for line in results[0]["instances"]:
        assert 0 < line["detectionScore"] <= 1 and 0 <= line["recognitionScore"] <= 1


def test_the_last_epoch_is_validated_and_saved_though_no_multiple_of_evaluate_every(run: RunFolder) -> None:
    folder = run.stage("detection")
    curves = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in curves if "hmean" in line] == [5, 7]
    assert [line["epoch"] for line in curves if "iterations" in line] == list(range(1, 8))
    assert load(folder / "last.pth")["meta"]["epoch"] == 7
    best = max((line for line in curves if "hmean" in line), key=lambda line: float(line["hmean"]))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["epoch"] == load(folder / "best.pth")["meta"]["epoch"]
    assert metrics["hmean"] == best["hmean"]


def test_the_status_file_tells_the_platform_the_final_figures(run: RunFolder) -> None:
    status = json.loads(run.status.read_text())
    detector = json.loads((run.stage("detection") / "metrics.json").read_text())
    assert (status["det_epoch"], status["det_totalEpoch"], status["rec_epoch"]) == (7, 7, 4)
    assert (status["detimageProgress"], status["TotalTrainDetImageList"]) == (36, 36)
    assert status["recimageProgress"] == status["TotalTrainRecImageList"] > 300
    assert {name: status[name] for name in ("precision", "recall", "hmean")} == {
        name: detector[name] for name in ("precision", "recall", "hmean")
    }  # of the best epoch, whose weights are packaged
    assert status["word_acc"] > 0.5
    assert run.record_log.read_text().count("Epoch(train)") >= 11


def test_a_training_that_is_done_is_not_done_again(run: RunFolder) -> None:
    last = run.stage("recognition") / "last.pth"
    before = last.stat().st_mtime_ns
    run_stage(Stage.RECOGNITION, run, SETTINGS)
    assert last.stat().st_mtime_ns == before


def test_batches_hold_every_line_once_and_short_texts_come_first(run: RunFolder) -> None:
    """The sampler on the run's own lines, and the same batches again for a resumed epoch."""
    from ocr_trainer import compat

    compat.install()
    from mmengine.dataset import DefaultSampler

    from ocr_trainer.training.lines import LineDataset, LineKey, WidthBatchSampler

    reading = {"height": 32, "step": 32, "widest": 480, "squeeze": 0.7, "pad_x": 0.15, "pad_y": 0.1}
    lines = LineDataset(str(run.dataset / "recognition" / "train.lmdb"), reading, training=True)
    sampler = DefaultSampler(lines, shuffle=True, seed=0)
    batches = WidthBatchSampler(sampler, 8, training=True, curriculum=0.5, epochs=4)

    def epoch(number: int) -> list[list[LineKey]]:
        sampler.set_epoch(number)
        return list(batches)

    full, short = epoch(3), epoch(0)
    assert sorted(key.index for batch in full for key in batch) == list(range(len(lines)))
    assert all(len({key.width for key in batch}) == 1 for batch in full)
    assert epoch(3) == full != epoch(2)
    assert sum(map(len, short)) == len(lines)  # the shortest half, twice
    longest = sorted(map(len, lines.texts))[len(lines) // 2]
    assert all(len(lines.texts[key.index]) <= longest for batch in short for key in batch)


class SignalAfter:
    """A progress that has this process sent SIGTERM when so many batches are trained."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:  # noqa: ARG002
        yield self

    def advance(self, steps: int = 1, *, note: str = "") -> None:  # noqa: ARG002
        self.left -= steps
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("kind", ["detection", "recognition"])
def test_a_stopped_training_goes_on_where_it_stopped(run: RunFolder, tmp_path: Path, kind: str) -> None:
    """SIGTERM in the second epoch: in the end every epoch had each of its batches once."""
    copy = RunFolder(tmp_path / "first")
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("detection.*", "*.pth", "done.json"))
    shutil.rmtree(copy.stage(kind))
    settings = SETTINGS | {kind: SETTINGS[kind] | {"epochs": 2, "evaluateEvery": 2, "batchSize": 12}}
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        batches = 4 if kind == "detection" else 45
        with pytest.raises(Interrupted):
            run_stage(Stage(kind), copy, settings, stop=stop, progress=SignalAfter(batches))
    finally:
        signal.signal(signal.SIGTERM, before)
    stopped = load(copy.stage(kind) / "last.pth")["meta"]
    assert stopped["batches_done"] > 0
    assert not (copy.stage(kind) / "done.json").exists()

    run_stage(Stage(kind), copy, settings)
    curves = [json.loads(line) for line in (copy.stage(kind) / "metrics.jsonl").read_text().splitlines()]
    ends = [line["iterations"] for line in curves if "iterations" in line]
    assert [line["epoch"] for line in curves if "iterations" in line] == [1, 2]
    assert ends[0] < ends[1] == load(copy.stage(kind) / "last.pth")["meta"]["iter"]
    if kind == "detection":
        assert ends == [3, 6]  # 36 pages in batches of 12
    assert (copy.stage(kind) / "best.pth").exists()


def test_a_diverged_training_ends_and_says_so(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "first")
    shutil.copytree(run.dataset, copy.dataset)
    shutil.copytree(run.path / "train", copy.path / "train")
    recognition = SETTINGS["recognition"] | {"batchSize": 4, "learningRate": 1e30}
    settings = SETTINGS | {"recognition": recognition}
    with pytest.raises(BadConfiguration, match=r"lower recognition\.learningRate"):
        run_stage(Stage.RECOGNITION, copy, settings)


def test_a_test_before_a_successful_training_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no packaged model"):
        run_stage(Stage.TEST, RunFolder(tmp_path / "run"), SETTINGS, test=ImagesFolder(tmp_path))


def test_an_override_that_the_model_refuses_is_the_users_fault(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "first")
    shutil.copytree(run.dataset, copy.dataset)
    settings = SETTINGS | {"detection": SETTINGS["detection"] | {"overrides": {"model.neck.colour": "red"}}}
    with pytest.raises(BadConfiguration, match="colour"):
        run_stage(Stage.DETECTION, copy, settings)


def test_a_detector_starts_from_another_run_of_the_project(run: RunFolder) -> None:
    """initFrom: the second run's first loss is far below the first run's."""
    second = RunFolder(run.path.parent / "second")
    shutil.copytree(run.path, second.path, ignore=shutil.ignore_patterns("detection.*", "*.pth", "done.json"))
    shutil.rmtree(second.stage("detection"))
    detection = SETTINGS["detection"] | {"epochs": 1, "initFrom": "first"}
    run_stage(Stage.DETECTION, second, SETTINGS | {"id": "second", "detection": detection})

    assert first_loss(second, "detection") < 0.7 * first_loss(run, "detection")


def with_same_data(run: RunFolder, folder: Path) -> RunFolder:
    """A run that is prepared and not trained."""
    trained = ("detection", "recognition", "model")
    shutil.copytree(run.path, folder, ignore=lambda _, names: set(names) & set(trained))
    shutil.copytree(run.dataset, RunFolder(folder).dataset, dirs_exist_ok=True)
    return RunFolder(folder)


@pytest.mark.parametrize("kind", ["detection", "recognition"])
def test_a_model_starts_from_a_file_on_the_volume(run: RunFolder, tmp_path: Path, kind: str) -> None:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(run.stage(kind) / "best.pth", models / "first.pth")
    second = with_same_data(run, tmp_path / "second")
    settings = SETTINGS | {kind: SETTINGS[kind] | {"epochs": 1, "initFrom": "models/first.pth"}}
    run_stage(Stage(kind), second, settings, init=models)
    assert first_loss(second, kind) < 0.7 * first_loss(run, kind)


def test_weights_that_read_other_characters_are_refused_and_the_characters_named(
    run: RunFolder, tmp_path: Path
) -> None:
    second = with_same_data(run, tmp_path / "second")
    dictionary = second.dataset / "dictionary.txt"
    dictionary.write_text(dictionary.read_text().replace("7", "A"))
    settings = SETTINGS | {"recognition": SETTINGS["recognition"] | {"initFrom": "first"}}
    with pytest.raises(BadConfiguration, match=r"doesn't know 'A'; only it knows '7'") as refused:
        run_stage(Stage.RECOGNITION, second, settings, init=run.path)
    assert (
        refused.value.reason == "OtherCharacters" and not (second.stage("recognition") / "last.pth").exists()
    )


def test_fast_decoding_reads_what_mmocr_reads(run: RunFolder) -> None:
    """The recognisers' faster parts give mmocr's own texts, with the same weights."""
    from ocr_trainer import compat

    compat.install()
    import torch
    from mmengine.config import Config
    from mmocr.registry import MODELS

    from ocr_trainer.presets import preset_path
    from ocr_trainer.training import recogniser_parts  # noqa: F401
    from ocr_trainer.training.configuration import set_dictionary
    from ocr_trainer.training.lines import pack

    config = Config.fromfile(str(preset_path("recognition", "satrn_small")))
    set_dictionary(config, run.dataset / "dictionary.txt")
    config.merge_from_dict({"model.encoder.n_layers": 1, "model.decoder.n_layers": 2})
    torch.manual_seed(3)
    fast = MODELS.build(config.model).eval()
    config.model.encoder.type, config.model.decoder.type = "SATRNEncoder", "NRTRDecoder"
    slow = MODELS.build(config.model).eval()
    slow.load_state_dict(fast.state_dict())
    rng = np.random.default_rng(1)
    packed = [pack(rng.integers(0, 256, (32, 96, 3), dtype=np.uint8)) for _ in range(3)]

    def read(model: Any) -> list[str]:
        batch = {"inputs": [p["inputs"] for p in packed], "data_samples": [p["data_samples"] for p in packed]}
        with torch.inference_mode():
            return [sample.pred_text.item for sample in model.test_step(batch)]

    assert read(fast) == read(slow)


def test_deformable_convolutions_run_without_compiled_mmcv() -> None:
    from ocr_trainer import compat

    compat.install()
    import torch
    from mmcv.ops import ModulatedDeformConv2dPack

    layer = ModulatedDeformConv2dPack(4, 6, 3, padding=1)
    image = torch.randn(2, 4, 8, 8)
    # Zero offsets and a mask of sigmoid(0): half of an ordinary convolution.
    plain = torch.nn.functional.conv2d(image, layer.weight, None, padding=1) * 0.5 + layer.bias[:, None, None]
    assert torch.allclose(layer(image), plain, atol=1e-5)
