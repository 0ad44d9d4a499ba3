"""Two processes train one model together, started by torchrun, here without GPUs."""

import json
import threading
import time
from pathlib import Path

import pytest

from numbers_run import stage_context
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.errors import Interrupted
from ocr_trainer.training.kinds import DETECTION
from ocr_trainer.training.stage import train
from tiny_training import copy_run, load, with_changes

pytestmark = pytest.mark.training


def stop_when_it_trains(run: RunFolder, stop: threading.Event) -> None:
    """SIGTERM reaches the stage's process, whose handler sets the flag, when the first batch is reported."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if json.loads(run.status.read_text())["det_loss"] > 0:
            break
        time.sleep(0.05)
    stop.set()


def test_two_ranks_stop_together_and_go_on_to_the_end(prepared: RunFolder, tmp_path: Path) -> None:
    run = copy_run(prepared, tmp_path / "first")
    settings = with_changes("detection", epochs=6, evaluateEvery=6)
    folder = run.stage("detection")
    stop = threading.Event()
    watcher = threading.Thread(target=stop_when_it_trains, args=(run, stop))
    watcher.start()
    with (
        stage_context(Stage.DETECTION, run, settings, stop=stop) as context,
        pytest.raises(Interrupted, match="a checkpoint is written"),
    ):
        train(context, DETECTION, processes=2)
    watcher.join()
    stopped = load(folder / "last.pth")["meta"]
    assert 0 < stopped["iter"] < 12

    with stage_context(Stage.DETECTION, run, settings) as context:
        train(context, DETECTION, processes=2)
    # Ten pages in batches of four are three batches: two steps of two ranks.
    assert load(folder / "last.pth")["meta"]["iter"] == 12
    status = json.loads(run.status.read_text())
    assert (status["det_epoch"], status["detimageProgress"], status["TotalTrainDetImageList"]) == (6, 10, 10)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["iterations"] for record in records if "iterations" in record] == [2, 4, 6, 8, 10, 12]
    assert (folder / "best.pth").exists() and (folder / "done.json").exists()
    assert not list(folder.glob(".*"))
