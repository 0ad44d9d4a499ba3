"""A folder from an annotation page becomes a data set, with a finding for all that was wrong with it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from annotated_folder import AnnotatedFolder
from ocr_contract.legacy import TrainStatus, Word
from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_contract.volume import RunFolder
from ocr_trainer.errors import BadConfiguration, BadData, Interrupted
from prepared import all_texts, dataset, findings, lines, pages, run_prepare


def test_a_sound_folder_is_written_as_the_trainings_read_it(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.write()
    run = run_prepare(annotated)
    summary = dataset(run)
    assert findings(run) == Counter()
    assert summary["trainImages"] + summary["validationImages"] == 8
    assert summary["validationImages"] >= 1
    assert summary["trainWords"] + summary["validationWords"] == 16
    assert summary["longestText"] == 6
    written = lines(run, "train")
    assert len(written) == summary["trainWords"]
    for image, label in written:
        x0, y0, x1, y1 = label["box"]
        assert image.shape[:2] == (label["height"], label["width"])
        assert (x1 - x0, y1 - y0) == (80, 10) and x0 > 0
    dictionary = (run.dataset / "dictionary.txt").read_text().split("\n")
    assert dictionary[-1] == "" and dictionary[:-1] == sorted({*dictionary[:-1], " "})
    assert len(dictionary) - 1 == summary["characters"]
    instance = next(iter(pages(run, "train").values()))[0]
    assert instance["polygon"] and len(instance["bbox"]) == 4 and instance["ignore"] is False


def test_the_platform_sees_a_fresh_status_with_the_counts(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.write()
    (annotated.path / "status.json").write_text('{"status": "x", "precision": 0.9, "det_epoch": 50}')
    run = run_prepare(annotated, detection={"epochs": 7, "preset": "dbnet_r18_tiny"})
    status = TrainStatus.model_validate_json(run.status.read_text())
    assert (status.status, status.det_epoch, status.precision) == (Word.DETECTOR_TRAINING, 0, 0.0)
    assert status.det_totalEpoch == 7
    assert status.TotalTrainRecImageList == dataset(run)["trainWords"]
    assert status.TotalTrainDetImageList == dataset(run)["trainImages"]


def test_the_figures_are_told_before_a_gpu_is_asked_for(
    annotated: AnnotatedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    annotated.pages(8)
    image = annotated.picture("odd.png")
    annotated.text(image, "DOWN", segmentation=[[150, 10, 166, 10, 166, 90, 150, 90]])
    annotated.text(image, "nowhere", segmentation=[], bbox=[])
    annotated.write()
    sent: list[dict[str, Any]] = []
    with caplog.at_level("INFO"):
        summary = dataset(run_prepare(annotated, apply=sent.append))
    sizes = [summary[f"{which}TextHeight"] for which in ("smallest", "median", "largest")]
    assert sizes[:2] == [10, 10] and 14 < sizes[2] <= 16, "across the reading direction"
    assert summary["verticalShare"] == round(1 / 17, 4)
    assert summary["findings"] == [{"severity": "error", "kind": "no-outline", "count": 1}]
    report = sent[-1]["dataset"]
    assert report["findings"] == summary["findings"]
    assert report["medianTextHeight"] == 10 and report["verticalShare"] == summary["verticalShare"]
    assert report["nearDuplicates"] == 0 and report["unseenCharacters"] == summary["unseenCharacters"]
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "error: 1 no-outline, e.g. odd.png" in told
    assert "Text heights in pixels" in told and "5.9% read downwards" in told


def test_preparing_again_gives_the_same_and_starts_from_what_changed(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.write()
    first = dataset(run_prepare(annotated))
    untouched = (annotated.path / "work/dataset/dataset.json").stat().st_mtime_ns
    run = run_prepare(annotated)
    assert (annotated.path / "work/dataset/dataset.json").stat().st_mtime_ns == untouched
    annotated.text(1, "more")
    annotated.write()
    assert dataset(run_prepare(annotated))["fingerprint"] != first["fingerprint"]
    annotated.annotations.pop()
    annotated.write()
    assert dataset(run_prepare(annotated))["fingerprint"] == first["fingerprint"]
    assert sorted(path.name for path in run.work.iterdir()) == ["dataset", "prepare"], "nothing left over"


def test_stopping_leaves_the_old_data_set(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.write()
    before = dataset(run_prepare(annotated))
    annotated.text(1, "more")
    annotated.write()
    with pytest.raises(Interrupted):
        run_prepare(annotated, stop=True)
    assert dataset(RunFolder(annotated.path)) == before


def test_unreadable_pictures_are_findings_and_stop_nothing(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    for name, raw in {"empty.jpg": b"", "text.png": b"<html>", "gone.png": None}.items():
        annotated.text(annotated.picture(name), "LOST")
        (annotated.path / name).unlink() if raw is None else (annotated.path / name).write_bytes(raw)
    annotated.text(annotated.picture("cut.jpg"), "LOST")
    whole = (annotated.path / "cut.jpg").read_bytes()
    (annotated.path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    annotated.write()
    run = run_prepare(annotated)
    assert findings(run) == {("error", "unreadable-image"): 3, ("error", "missing-image"): 1}
    assert "LOST" not in all_texts(run)


def test_odd_annotations_are_repaired_or_reported_by_id(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    image = annotated.picture("odd.png")
    annotated.text(image, "LI\u200b\nNE")
    annotated.text(image, "total", segmentation=[[150, 50, 260, 50, 260, 70, 150, 70]])
    annotated.text(image, "flat", segmentation=[[10, 10, 90, 10, 50, 10]], bbox=[])
    annotated.text(image, "none", segmentation=[], bbox=[])
    annotated.text(image, "tat", segmentation=[[10, 50, 90, 70, 90, 50, 10, 70]])
    annotated.text(99, "nobody's")
    annotated.text(image, "IN", segmentation=[[10, 100, 90, 100, 90, 115, 10, 115]])
    annotated.text(image, "IN", segmentation=[[10, 100, 90, 100, 90, 115, 10, 115]])
    annotated.text(image, "al", segmentation=[], bbox=[10, 30, 60, 12])
    annotated.write()
    run = run_prepare(annotated)
    assert findings(run) == {
        ("repaired", "text"): 1,
        ("repaired", "outline"): 2,
        ("error", "degenerate-outline"): 1,
        ("error", "no-outline"): 1,
        ("ignored", "orphan"): 1,
        ("ignored", "duplicate"): 1,
    }
    assert {"LI NE", "total", "tat", "IN", "al"} <= set(all_texts(run))
    by_kind = {json.loads(line)["kind"]: json.loads(line) for line in run.findings.read_text().splitlines()}
    assert by_kind["no-outline"]["image"] == "odd.png" and by_kind["no-outline"]["annotation"] == "20"


def test_regions_nobody_cares_about_are_for_the_detector_only(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    image = annotated.picture("more.png")
    annotated.text(image, "###")
    annotated.text(image, "smudge", legibility="illegible")
    annotated.text(image, None)
    annotated.write()
    run = run_prepare(annotated)
    instances = {**pages(run, "train"), **pages(run, "val")}["more.png"]
    assert [(i["ignore"], i["text"]) for i in instances] == [(True, ""), (True, ""), (False, "")]
    assert dataset(run)["trainWords"] + dataset(run)["validationWords"] == 16


def test_images_without_texts_are_kept_as_negatives(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.picture("blank.png")
    annotated.write()
    run = run_prepare(annotated)
    assert {**pages(run, "train"), **pages(run, "val")}["blank.png"] == []


def test_a_turned_photograph_is_stored_upright(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    photograph = Image.new("RGB", (120, 60), "white")
    photograph.paste((0, 0, 0), (20, 10, 60, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    photograph.save(annotated.path / "phone.jpg", exif=exif, quality=95)
    annotated.images.append({"id": 50, "file_name": "phone.jpg", "width": 60, "height": 120})
    annotated.text(50, "total", segmentation=[[40, 20, 50, 20, 50, 60, 40, 60]])
    annotated.write()
    run = run_prepare(annotated)
    assert findings(run) == {("repaired", "turned-image"): 1}
    (path,) = [
        p for p in {**pages(run, "train"), **pages(run, "val")} if p.startswith("work/dataset/images/")
    ]
    upright = cv2.imread(str(annotated.path / path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert upright.shape == (120, 60, 3) and upright[22:58, 42:48].max() < 40


def test_a_validation_file_is_obeyed_and_shares_no_picture(
    annotated: AnnotatedFolder, another: Callable[[AnnotatedFolder], AnnotatedFolder]
) -> None:
    validation = another(annotated)
    annotated.pages(6)
    validation.images, validation.annotations = [], []
    for number in range(2):
        validation.text(validation.picture(f"check{number}.png", shade=7), f"CHECK {number}")
    copied = annotated.path / "copy.png"
    copied.write_bytes((annotated.path / "check0.png").read_bytes())
    annotated.images.append({"id": 77, "file_name": "copy.png"})
    annotated.text(77, "LEAK")
    annotated.write("instances_train.json")
    validation.write("instances_val.json")
    run = run_prepare(annotated)
    assert set(pages(run, "val")) == {"check0.png", "check1.png"}
    assert len(pages(run, "train")) == 6
    assert findings(run)["repaired", "leaked-image"] == 1


def test_test_images_need_no_truth_and_never_train(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.write()
    for number in range(3):
        (annotated.path / "test").mkdir(exist_ok=True)
        cv2.imwrite(str(annotated.path / f"test/{number}.png"), np.full((40, 60, 3), 50 * number, np.uint8))
    run = run_prepare(annotated, runTest=True)
    assert dataset(run)["testImages"] == 3
    assert pages(run, "test") == {f"test/{number}.png": [] for number in range(3)}
    assert findings(run) == Counter()
    assert not (run_prepare(annotated).dataset / "detection" / "test.json").exists()


def test_a_category_that_never_has_text_is_left_out(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    annotated.categories.append({"id": 2, "name": "table"})
    annotated.text(1, None, category_id=2, segmentation=[[0, 0, 190, 0, 190, 110, 0, 110]])
    annotated.write()
    run = run_prepare(annotated)
    assert findings(run) == {("ignored", "textless-category"): 1}
    assert len(all_texts(run)) == 16


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        pytest.param(None, "NoAnnotations", "no annotation file", id="no annotations"),
        pytest.param('{"images": [],\n "annotations": [}', "BrokenAnnotations", "annotations.json .* line 2",
                     id="broken JSON"),
        pytest.param(b'{"images": [],\n"\xff', "BrokenAnnotations", "annotations.json .* line 2",
                     id="not UTF-8"),
        pytest.param('{"shapes": []}', "NoAnnotations", "no annotation file", id="another tool's JSON"),
        pytest.param('{"images": [], "annotations": []}', "NothingUsable", "no annotation", id="empty COCO"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_trained_says_why(
    annotated: AnnotatedFolder, content: str | bytes | None, reason: str, words: str
) -> None:
    annotated.pages(3)
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (annotated.path / "annotations.json").write_bytes(raw)
    with pytest.raises(BadData, match=words) as caught:
        run_prepare(annotated)
    assert (caught.value.reason, caught.value.exit_code) == (reason, 65)
    assert "\n" not in caught.value.message


def test_no_text_at_all_lists_the_keys_that_were_seen(annotated: AnnotatedFolder) -> None:
    for number in range(4):
        annotated.text(annotated.picture(f"{number}.png"), None, wording="a", attributes={"shade": "dark"})
    annotated.write()
    with pytest.raises(BadData, match=r"attributes\.shade, wording.*textKey"):
        run_prepare(annotated)
    run = run_prepare(annotated, dataset={"textKey": "wording"})
    assert set(all_texts(run)) == {"a"}


def test_nothing_usable_still_leaves_the_findings(annotated: AnnotatedFolder) -> None:
    annotated.pages(3)
    annotated.write()
    for picture in annotated.path.glob("*.png"):
        picture.write_bytes(b"")
    with pytest.raises(BadData, match="no image can be used"):
        run_prepare(annotated)
    assert findings(RunFolder(annotated.path)) == {("error", "unreadable-image"): 3}


def test_one_image_is_too_few(annotated: AnnotatedFolder) -> None:
    annotated.pages(1)
    annotated.write()
    with pytest.raises(BadData, match="two different usable images"):
        run_prepare(annotated)


def test_missing_pictures_fail_when_they_are_most_of_them(annotated: AnnotatedFolder) -> None:
    annotated.pages(6)
    annotated.write()
    for number in range(4):
        (annotated.path / f"page{number}.png").unlink()
    with pytest.raises(BadData, match=r"4 of the 6 images in annotations\.json .* page0\.png"):
        run_prepare(annotated)


def test_two_files_that_could_be_meant_are_both_named(annotated: AnnotatedFolder) -> None:
    annotated.pages(6)
    annotated.write("a.json")
    annotated.annotations[0]["text"] = "CORRECTED"
    annotated.write("b.json")
    with pytest.raises(
        BadData, match=r"a\.json and b\.json annotate page0\.png .* train\.dataset\.annotations"
    ):
        run_prepare(annotated)
    assert dataset(run_prepare(annotated, dataset={"annotations": "b.json"}))["trainImages"] > 0


def test_one_id_for_two_pictures_is_refused(annotated: AnnotatedFolder) -> None:
    annotated.pages(6)
    annotated.images[1]["id"] = annotated.images[0]["id"]
    annotated.write()
    with pytest.raises(BadData, match=r"image id 1 to page0\.png and to page1\.png"):
        run_prepare(annotated)


def test_a_test_without_images_is_refused_before_the_training(annotated: AnnotatedFolder) -> None:
    annotated.pages(6)
    annotated.write()
    with pytest.raises(BadData, match="no test images"):
        run_prepare(annotated, runTest=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dataset": {"path": "../elsewhere"}}, "train.dataset.path"),
        ({"dataset": {"path": "absent"}}, "absent"),
        ({"dataset": {"annotations": "/etc/passwd"}}, "train.dataset.annotations"),
        ({"detection": {"preset": "dbnet_r51"}}, "dbnet_r51"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    annotated: AnnotatedFolder, settings: dict[str, Any], words: str
) -> None:
    annotated.pages(6)
    annotated.write()
    with pytest.raises(BadConfiguration, match=words):
        run_prepare(annotated, **settings)


def test_ids_that_are_text_and_files_in_dictionaries_are_read(annotated: AnnotatedFolder) -> None:
    annotated.pages(6)
    document = {
        "imgs": {str(image["id"]): image for image in annotated.images},
        "anns": {str(a["id"]): {**a, "image_id": str(a["image_id"])} for a in annotated.annotations},
    }
    (annotated.path / "annotations.json").write_text("\ufeff" + json.dumps(document), encoding="utf-8")
    assert len(all_texts(run_prepare(annotated))) == 12


def test_preparing_needs_no_torch(annotated: AnnotatedFolder, tmp_path: Path) -> None:
    annotated.pages(4)
    annotated.write()
    script = (
        "import sys; from ocr_trainer.__main__ import main; "
        f"code = main(['stage', 'prepare', '--run-folder', {str(annotated.path)!r}]); "
        "assert not {'torch', 'mmengine', 'kubernetes'} & set(sys.modules), 'imported'; sys.exit(code)"
    )

    environment = {
        **os.environ,
        "OCR_STAGE_INPUT": StageInput(project_id="p", train=Train(id="a")).model_dump_json(),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
