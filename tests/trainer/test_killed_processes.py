"""Real processes that are killed, interrupted and denied room: what is left of their trainings."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from numbers_run import run_stage
from ocr_contract.exit_codes import parse_last_words
from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.errors import Interrupted
from tiny_training import SETTINGS, StopAfter, copy_run, load, sigterm_stops, with_changes

pytestmark = pytest.mark.training

PATIENCE = 120.0


@contextmanager
def started(arguments: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_trainer", *arguments], stderr=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def detection(run: RunFolder, settings: dict[str, Any], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The stage as in its pod."""
    words = run.path.parent / "termination-log"
    words.touch()
    given = StageInput(project_id="numbers", train=Train.model_validate(settings))
    environment = {"OCR_STAGE_INPUT": given.model_dump_json(), "OCR_TERMINATION_LOG": str(words)}
    arguments = ["stage", "detection", "--run-folder", str(run.path), "--init-folder", str(run.path / "none")]
    with started(arguments, env={**os.environ, **environment}, **options) as process:
        yield process


def wait_until(holds: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_training_killed_while_it_writes_loses_one_epoch_at_most(
    prepared: RunFolder, tmp_path: Path
) -> None:
    """SIGKILL when a checkpoint's temporary file is seen, or the checkpoint itself just after."""
    settings = with_changes("detection", epochs=4, evaluateEvery=1)
    run = copy_run(prepared, tmp_path / "first")
    folder = run.stage("detection")
    with detection(run, settings) as process:
        wait_until(lambda: (folder / "last.pth").exists(), process)
        wait_until(lambda: list(folder.glob(".last.pth.*")) or (folder / "previous.pth").exists(), process)
        process.kill()
        process.wait()
    assert not (folder / "done.json").exists()
    run_stage(Stage.DETECTION, run, settings)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records if "hmean" in record] == [1, 2, 3, 4]
    assert load(folder / "last.pth")["meta"]["iter"] == 12
    assert not list(folder.glob(".*")) and not (folder / "previous.pth").exists()


def test_a_training_told_to_stop_while_it_writes_ends_that_and_goes_on_later(
    prepared: RunFolder, tmp_path: Path
) -> None:
    """SIGTERM when a checkpoint's temporary file is seen."""
    settings = with_changes("detection", epochs=40, evaluateEvery=1)
    run = copy_run(prepared, tmp_path / "first")
    folder = run.stage("detection")
    with detection(run, settings) as process:
        wait_until(lambda: list(folder.glob(".last.pth.*")), process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75, errors
    stopped = load(folder / "last.pth")["meta"]["iter"]
    assert 0 < stopped < 120 and not list(folder.glob(".*"))
    with sigterm_stops() as stop, pytest.raises(Interrupted):
        run_stage(Stage.DETECTION, run, settings, stop=stop, progress=StopAfter(2))
    assert load(folder / "last.pth")["meta"]["iter"] == stopped + 2


def test_a_full_volume_is_named_and_harms_nothing(prepared: RunFolder, tmp_path: Path) -> None:
    """No file may grow beyond two megabytes: the next checkpoint has no room."""
    run = copy_run(prepared, tmp_path / "first")
    with sigterm_stops() as stop, pytest.raises(Interrupted):
        run_stage(Stage.DETECTION, run, SETTINGS, stop=stop, progress=StopAfter(2))
    last = run.stage("detection") / "last.pth"
    before = last.read_bytes()
    limit = 2 << 20
    assert len(before) > limit

    def deny_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with detection(run, SETTINGS, preexec_fn=deny_room) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, errors
    words = parse_last_words((tmp_path / "termination-log").read_text())
    assert words is not None and words.reason == "VolumeFull" and str(last) in words.message
    assert last.read_bytes() == before
    assert not list(last.parent.glob(".*"))


def test_ctrl_c_stops_a_run_and_the_same_command_goes_on(prepared: RunFolder, tmp_path: Path) -> None:
    """Once while the detector learns; the second start ends with a model and a table of figures."""
    root = tmp_path / "volume"
    run = copy_run(prepared, root / "train" / "numbers" / "first")
    manifest = tmp_path / "project.yaml"
    document = {
        "apiVersion": "ocrproject.dev/v1alpha1", "kind": "OcrProject", "metadata": {"name": "numbers"},
        "spec": {"train": with_changes("detection", epochs=12), "resources": {"gpus": 0}},
    }  # fmt: skip
    manifest.write_text(yaml.safe_dump(document))
    command = ["run", str(manifest), "--root", str(root)]
    with started(command, start_new_session=True) as process:
        wait_until(lambda: json.loads(run.status.read_text())["det_loss"] > 0, process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75, errors
    assert "the same command goes on" in errors and "Traceback" not in errors
    trained = load(run.stage("detection") / "last.pth")["meta"]["iter"]
    assert 0 < trained < 36

    with started(command, stdout=subprocess.PIPE) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert f"iteration {trained}" in run.record_log.read_text()
    assert "hmean" in output and str(run.model_zip) in output and run.model_zip.is_file()
