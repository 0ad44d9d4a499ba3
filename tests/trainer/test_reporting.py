"""Progress reaches the platform's files and the API server, and never holds up a training."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ocr_contract.legacy import TrainStatus, Word
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_contract.volume import TestFolder as ImagesFolder
from ocr_trainer.reporting import Apply, Reporter


class ApiServer:
    """Receives what is applied; fails or hangs as told."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.failures = 0
        self.answer = threading.Event()
        self.answer.set()

    def __call__(self, trainer: dict[str, Any]) -> None:
        self.answer.wait(20)
        if self.failures:
            self.failures -= 1
            raise OSError("503 Service Unavailable")
        self.received.append(trainer)

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.received) >= count


def reporter(
    folder: Path, stage: Stage = Stage.DETECTION, apply: Apply | None = None, **more: Any
) -> Reporter:
    return Reporter(stage, "key", RunFolder(folder), apply=apply, **more)


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "status.json").read_text()))


def test_status_json_has_the_platforms_fields_in_their_order(tmp_path: Path) -> None:
    report = reporter(tmp_path)
    report.start_anew(detection_epochs=50, recognition_epochs=20)
    report.update_detection(
        now=True, epoch=3, images_seen=12, loss=0.5, precision=0.75, recall=1.0, hmean=6 / 7
    )
    assert list(status(tmp_path)) == list(TrainStatus.model_fields)
    assert (status(tmp_path)["det_epoch"], status(tmp_path)["detimageProgress"]) == (3, 12)
    assert (status(tmp_path)["det_totalEpoch"], status(tmp_path)["rec_totalEpoch"]) == (50, 20)
    assert status(tmp_path)["hmean"] == pytest.approx(0.857, abs=1e-3)


def test_words_come_in_chinese_and_in_the_report_by_name(tmp_path: Path) -> None:
    api = ApiServer()
    report = reporter(tmp_path, apply=api)
    report.word(Word.DETECTOR_VALIDATING)
    report.close()
    assert status(tmp_path)["status"] == "验证检测模型中"
    assert api.received[-1]["detection"]["state"] == "DETECTOR_VALIDATING"
    assert api.received[-1]["detection"]["run"] == "key"
    assert list(api.received[-1]) == ["detection"]


def test_two_models_that_train_at_once_keep_each_others_figures(tmp_path: Path) -> None:
    detector, reader = reporter(tmp_path), reporter(tmp_path, Stage.RECOGNITION)
    detector.word(Word.DETECTOR_TRAINED)
    detector.update_detection(now=True, hmean=0.9)
    reader.word(Word.RECOGNISER_TRAINING)
    reader.update_recognition(now=True, word_acc=0.5)
    detector.update_detection(now=True, epoch=7)
    assert status(tmp_path)["hmean"] == 0.9 and status(tmp_path)["word_acc"] == 0.5
    assert status(tmp_path)["status"] == Word.RECOGNISER_TRAINING, "the word said last"


def test_a_loss_that_is_no_number_does_not_reach_json(tmp_path: Path) -> None:
    report = reporter(tmp_path)
    report.update_detection(now=True, loss=0.5)
    report.update_detection(now=True, loss=float("nan"), epoch=2)
    assert (status(tmp_path)["det_loss"], status(tmp_path)["det_epoch"]) == (0.5, 2)


def test_many_updates_write_few_files_and_the_last_one_counts(tmp_path: Path) -> None:
    report = reporter(tmp_path)
    versions = set()
    for step in range(300):
        report.update_detection(images_seen=step)
        versions.add((tmp_path / "status.json").stat().st_ino)
    assert len(versions) <= 3
    report.close()
    assert status(tmp_path)["detimageProgress"] == 299


def test_a_field_that_does_not_exist_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="epochs"):
        reporter(tmp_path).update_detection(epochs=1)


def test_a_run_and_its_test_have_a_file_each(tmp_path: Path) -> None:
    report = reporter(tmp_path, Stage.TEST, test=RunFolder(tmp_path).test)
    report.word(Word.RECOGNISER_VALIDATING)
    report.update_test(now=True, images_done=2, total_images=5)
    assert not (tmp_path / "status.json").exists()
    assert json.loads((tmp_path / "status_test.json").read_text()) == {
        "status": "验证识别模型中", "testImage": 2, "totalTestImage": 5,
    }  # fmt: skip
    report.word(Word.SUCCEEDED)
    assert (
        status(tmp_path)["status"]
        == json.loads((tmp_path / "status_test.json").read_text())["status"]
        == "成功"
    )


def test_a_test_of_its_own_leaves_the_run_alone(tmp_path: Path) -> None:
    test = ImagesFolder(tmp_path / "test")
    report = reporter(tmp_path / "run", Stage.TEST, test=test, own_test=True)
    report.word(Word.FAILED)
    assert not (tmp_path / "run").exists()
    assert json.loads(test.status_test.read_text())["status"] == "失败"


def test_a_hanging_api_server_holds_nobody_up(tmp_path: Path) -> None:
    api = ApiServer()
    api.answer.clear()
    report = reporter(tmp_path, apply=api)
    started = time.monotonic()
    for epoch in range(50):
        report.update_detection(now=True, epoch=epoch)
    assert time.monotonic() - started < 1
    closing = time.monotonic()
    report.close()
    assert time.monotonic() - closing < 6
    assert status(tmp_path)["det_epoch"] == 49
    api.answer.set()


def test_what_failed_is_sent_again_with_the_latest_state(tmp_path: Path) -> None:
    api = ApiServer()
    api.failures = 1
    report = reporter(tmp_path, apply=api)
    report.update_detection(now=True, epoch=1)
    api.wait_for(1)
    assert api.received[0]["detection"]["epoch"] == 1
    report.update_detection(epoch=2)
    report.close()
    assert api.received[-1]["detection"]["epoch"] == 2


def test_epoch_ends_go_out_at_once_and_steps_together(tmp_path: Path) -> None:
    api = ApiServer()
    report = reporter(tmp_path, apply=api)
    for epoch in (1, 2, 3):
        report.update_detection(now=True, epoch=epoch)
        api.wait_for(epoch)
    for step in range(200):
        report.update_detection(images_seen=step)
    time.sleep(0.2)
    assert len(api.received) == 3, "steps wait for their five seconds"
    report.close()
    assert api.received[-1]["detection"] | {"epoch": 3, "images_seen": 199}


def test_a_volume_that_cannot_be_written_does_not_end_a_training(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    report = reporter(blocked / "run")
    report.update_detection(now=True, epoch=1)
    report.close()
