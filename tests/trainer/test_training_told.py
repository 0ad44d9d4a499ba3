"""What a real training tells the platform, and how it ends when it can't go on."""

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from numbers_run import run_stage
from ocr_contract.legacy import TrainStatus, Word
from ocr_contract.names import run_hash
from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import TRAIN_STAGES, Stage
from ocr_contract.volume import RunFolder
from ocr_trainer import reporting
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.execution import execute
from ocr_trainer.progress import LogProgress
from tiny_training import SETTINGS, copy_run, load, with_changes

pytestmark = pytest.mark.training


class Told:
    """Everything that reached status.json and the API server, which hangs for a while as servers do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[dict[str, Any]] = []
        self.applied: list[dict[str, Any]] = []
        replace = reporting.replace_json

        def keep(path: Path, document: Any, **options: Any) -> None:
            if path.name == "status.json":
                self.files.append(document)
            replace(path, document, **options)

        monkeypatch.setattr(reporting, "replace_json", keep)

    def apply(self, trainer: dict[str, Any]) -> None:
        time.sleep(0.5)
        self.applied.append(json.loads(json.dumps(trainer)))

    @property
    def words(self) -> list[str]:
        words = [document["status"] for document in self.files]
        return [word for index, word in enumerate(words) if index == 0 or word != words[index - 1]]


def run_all(run: RunFolder, settings: dict[str, Any], told: Told) -> None:
    given = StageInput(project_id="numbers", train=Train.model_validate(settings))
    for stage in TRAIN_STAGES:
        execute(
            stage, given, run, None, pod_uid="uid", stop=threading.Event(), progress=LogProgress(),
            apply=told.apply,
        )  # fmt: skip


def test_a_run_says_the_platforms_words_in_their_order(
    prepared: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both models are also validated in between, which is no word of its own."""
    told = Told(monkeypatch)
    run = copy_run(prepared, tmp_path / "first")
    run_all(run, SETTINGS, told)
    assert told.words == [word.value for word in Word if word is not Word.FAILED]
    assert all(list(document) == list(TrainStatus.model_fields) for document in told.files)
    last = json.loads(run.status.read_text())
    epochs = ("det_epoch", "det_totalEpoch", "rec_epoch", "rec_totalEpoch")
    assert [last[name] for name in epochs] == [3, 3, 3, 3]
    if last["precision"] + last["recall"]:
        both = 2 * last["precision"] * last["recall"] / (last["precision"] + last["recall"])
        assert last["hmean"] == pytest.approx(both, abs=1e-4)

    reports = [trainer["detection"] for trainer in told.applied if "detection" in trainer]
    assert {report["run"] for report in reports} == {run_hash("first", 0)}
    final = reports[-1]
    assert (final["percent"], final["etaSeconds"], final["state"]) == (100, 0, "DETECTOR_VALIDATED")
    assert final["losses"].keys() == {"loss_prob", "loss_thr", "loss_db"}
    assert final["loss"] == pytest.approx(sum(final["losses"].values()), rel=0.2)
    assert final["learningRate"] > 0 and final["samplesPerSecond"] > 0 and 0 <= final["dataWait"] <= 1
    # Three epochs teach this detector nothing, and that is told, too.
    assert final["bestEpoch"] in (2, 3) and "notLearning" in final

    records = [
        json.loads(line) for line in (run.stage("recognition") / "metrics.jsonl").read_text().splitlines()
    ]
    steps = [record for record in records if "step" in record]
    assert steps and all(record["step"] % 10 == 0 for record in steps)
    assert all({"epoch", "loss", "lr", "samplesPerSecond", "dataWait"} <= record.keys() for record in steps)
    assert any(name != "loss" and name.startswith("loss") for name in steps[0])


def test_a_run_that_fails_says_the_last_word(
    prepared: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch)
    run = copy_run(prepared, tmp_path / "first")
    with pytest.raises(BadConfiguration):
        run_all(run, with_changes("detection", preset="none_such"), told)
    assert told.words[-1] == Word.FAILED


def test_an_override_that_fails_with_the_first_batch_is_the_users_fault(
    prepared: RunFolder, tmp_path: Path
) -> None:
    """Nothing that could be seen before there is a loader: what lays a batch together has no such setting."""
    overrides = SETTINGS["detection"]["overrides"] | {
        "train_dataloader.collate_fn": {"type": "pseudo_collate", "colour": "red"}
    }
    run = copy_run(prepared, tmp_path / "first")
    with pytest.raises(BadConfiguration, match=r"detection\.overrides make a training that fails") as told:
        run_stage(Stage.DETECTION, run, with_changes("detection", overrides=overrides))
    assert told.value.reason == "BadOverride"


def test_a_diverged_training_keeps_the_checkpoint_of_before(prepared: RunFolder, tmp_path: Path) -> None:
    """The learning rate makes weights infinite in a step or two; what is kept is finite."""
    import torch

    run = copy_run(prepared, tmp_path / "first")
    settings = with_changes("recognition", learningRate=1e30, epochs=30, evaluateEvery=1)
    with pytest.raises(BadConfiguration, match=r"lower recognition\.learningRate") as told:
        run_stage(Stage.RECOGNITION, run, settings)
    assert told.value.reason == "Diverged"
    folder = run.stage("recognition")
    for path in folder.glob("*.pth"):
        weights = load(path)["state_dict"].values()
        assert all(torch.isfinite(tensor).all() for tensor in weights if tensor.is_floating_point())
    assert all(math.isfinite(v) for v in json.loads(run.status.read_text()).values() if isinstance(v, float))


def test_the_number_of_loader_processes_changes_no_batch(prepared: RunFolder) -> None:
    """Two workers, one process, and a batch asked for by itself: the same pictures."""
    import torch

    from ocr_trainer.training import parts

    parts.register()
    from mmengine.config import Config
    from mmengine.runner import Runner

    from ocr_trainer.presets import preset_path

    config = Config.fromfile(str(preset_path("detection", "dbnet_r18_tiny"))).train_dataloader
    config.dataset.data_root = str(prepared.path)
    config.dataset.ann_file = str(prepared.dataset / "detection" / "train.json")
    for step in config.dataset.pipeline:
        if step.get("megabytes") == "auto":
            step.megabytes = 64
    config.batch_size = 4

    def pictures(workers: int, begin: int = 0) -> list[torch.Tensor]:
        loader = Runner.build_dataloader(
            {**config.to_dict(), "num_workers": workers, "persistent_workers": workers > 0}, seed=0
        )
        loader.batch_sampler.sampler.set_epoch(3)
        loader.batch_sampler.begin = begin
        return [picture for batch in loader for picture in batch["inputs"]]

    alone, together = pictures(0), pictures(2)
    assert len(alone) == len(together) == 10
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(alone[8:], pictures(0, begin=2), strict=True))
