"""The command line says what is wrong in one sentence, with the exit code that a Job acts upon."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from annotated_folder import AnnotatedFolder
from ocr_contract.exit_codes import parse_last_words
from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_trainer.__main__ import main
from ocr_trainer.errors import BadConfiguration, TrainerError
from ocr_trainer.local import read_manifest


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ocr_trainer", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def stage_input(**train: Any) -> str:
    return StageInput(project_id="p", train=Train.model_validate({"id": "one", **train})).model_dump_json()


def manifest(folder: Path, train: dict[str, Any] | None = None, **document: Any) -> Path:
    path = folder / "project.yaml"
    whole = {
        "apiVersion": "ocrproject.dev/v1alpha1", "kind": "OcrProject", "metadata": {"name": "receipts"},
        "spec": {"train": {"id": "one", **(train or {})}},
    }  # fmt: skip
    path.write_text(yaml.safe_dump({**whole, **document}))
    return path


def test_help_needs_no_torch() -> None:
    script = (
        "import sys; from ocr_trainer.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'mmengine', 'cv2', 'kubernetes'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("run", "check", "stage", "65"))


@pytest.mark.parametrize("arguments", [[], ["fly"], ["stage", "cook"], ["run"], ["check", "/nowhere/at/all"]])
def test_a_wrong_call_ends_with_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: Any = main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 64
    assert capsys.readouterr().err


def test_a_stage_without_its_input_says_so(tmp_path: Path) -> None:
    words = tmp_path / "termination-log"
    words.touch()
    done = call("stage", "prepare", OCR_TERMINATION_LOG=str(words), OCR_STAGE_INPUT="")
    assert done.returncode == 64
    last = parse_last_words(words.read_text())
    assert last is not None and last.reason == "WrongCall" and "OCR_STAGE_INPUT is not set" in last.message


@pytest.mark.parametrize("identifier", ["..", "a/b", ""])
def test_an_id_that_leads_elsewhere_is_refused(tmp_path: Path, identifier: str) -> None:
    document = json.loads(stage_input())
    document["train"]["id"] = identifier
    done = call(
        "stage", "prepare", OCR_STAGE_INPUT=json.dumps(document), OCR_TERMINATION_LOG=str(tmp_path / "x")
    )
    assert done.returncode == 64 and "train.id" in done.stderr and "Traceback" not in done.stderr
    with pytest.raises(BadConfiguration, match=r"spec\.train\.id"):
        read_manifest(manifest(tmp_path, {"id": identifier}))


def test_bad_data_ends_with_65_and_is_told_everywhere(tmp_path: Path) -> None:
    run, words = tmp_path / "run", tmp_path / "words"
    run.mkdir()
    words.touch()
    (run / "a.json").write_text('{"images": [}')
    done = call(
        "stage", "prepare", "--run-folder", str(run),
        OCR_STAGE_INPUT=stage_input(), OCR_TERMINATION_LOG=str(words),
    )  # fmt: skip
    assert done.returncode == 65
    last = parse_last_words(words.read_text())
    assert last is not None and last.reason == "BrokenAnnotations" and "a.json" in last.message
    assert json.loads((run / "status.json").read_text())["status"] == "失败"
    assert "a.json is not valid JSON: line 1" in (run / "log/record.log").read_text()


def test_our_own_fault_ends_with_1_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    run, words = tmp_path / "run", tmp_path / "words"
    words.touch()
    (run / "work" / "detection").mkdir(parents=True)
    for stage in ("detection", "recognition"):
        (run / "work" / stage).mkdir(exist_ok=True)
        for name in ("config.py", "best.pth"):
            (run / "work" / stage / name).touch()
    (run / "work" / "dataset").mkdir()
    (run / "work" / "dataset" / "dictionary.txt").touch()
    (run / "work" / "dataset" / "dataset.json").write_text("{}")
    done = call(
        "stage", "package", "--run-folder", str(run),
        OCR_STAGE_INPUT=stage_input(), OCR_TERMINATION_LOG=str(words),
    )  # fmt: skip
    assert done.returncode == 1
    last = parse_last_words(words.read_text())
    assert last is not None and last.reason == "InternalError" and last.message.startswith("RuntimeError")
    assert "Traceback" in (run / "log/record.log").read_text()


def test_sigterm_ends_a_stage_with_75(annotated: AnnotatedFolder) -> None:
    annotated.pages(8)
    for number in range(3000):  # the same pages under many names: minutes of work
        name = f"more{number}.png"
        (annotated.path / name).hardlink_to(annotated.path / f"page{number % 8}.png")
        annotated.images.append({"id": 100 + number, "file_name": name})
        annotated.annotations += [
            {"id": 1000 + 30 * number + row, "image_id": 100 + number, "text": "total",
             "bbox": [10, 3 * row, 150, 12]}
            for row in range(30)
        ]  # fmt: skip
    annotated.write()
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_trainer", "stage", "prepare", "--run-folder", str(annotated.path)],
        env={**os.environ, "OCR_STAGE_INPUT": stage_input()}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 40
        while not list(annotated.path.glob("work/dataset.*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 75, errors
    assert not (annotated.path / "work" / "dataset").exists() and not list(
        annotated.path.glob("work/dataset.*")
    )
    assert json.loads((annotated.path / "status.json").read_text())["status"] != "失败"


@pytest.mark.parametrize(
    ("train", "field"),
    [
        ({"detection": {"epochs": 0}}, r"spec\.train\.detection\.epochs"),
        ({"recognition": {"batchsize": 4}}, r"spec\.train\.recognition\.batchsize: there is no such field"),
        ({"order": "Random"}, r"spec\.train\.order"),
        ({"dataset": {"validation": {"file": 7}}}, r"spec\.train\.dataset\.validation\.file"),
    ],
)
def test_a_wrong_manifest_names_the_field(tmp_path: Path, train: dict[str, Any], field: str) -> None:
    with pytest.raises(BadConfiguration, match=field):
        read_manifest(manifest(tmp_path, train))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "not valid YAML.*line 1"),
        ("- a", "kind must be OcrProject"),
        ("kind: OcrProject\napiVersion: v1", "apiVersion"),
        ("kind: OcrProject\napiVersion: ocrproject.dev/v1alpha1\nspec: {}", r"spec\.train is missing"),
        ("kind: OcrProject\napiVersion: ocrproject.dev/v1alpha1\nspec: {train: {id: a}}", r"metadata\.name"),
    ],
)
def test_what_is_no_manifest_says_so(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "project.yaml"
    path.write_text(content)
    with pytest.raises(TrainerError, match=words):
        read_manifest(path)


def test_the_projects_name_is_its_id_unless_it_has_one(tmp_path: Path) -> None:
    assert read_manifest(manifest(tmp_path)).project_id == "receipts"
    spec = {"projectID": "Receipts_7", "train": {"id": "one"}}
    assert read_manifest(manifest(tmp_path, spec=spec)).project_id == "Receipts_7"


def test_run_says_where_the_images_belong(tmp_path: Path) -> None:
    done = call("run", str(manifest(tmp_path)), "--root", str(tmp_path))
    assert done.returncode == 65 and str(tmp_path / "train/receipts/one") in done.stderr


def test_check_prints_findings_and_leaves_nothing(annotated: AnnotatedFolder) -> None:
    annotated.pages(6)
    annotated.text(1, "nowhere", segmentation=[], bbox=[])
    annotated.write()
    before = sorted(path.name for path in annotated.path.rglob("*"))
    done = call("check", str(annotated.path))
    assert done.returncode == 0, done.stderr
    assert "no-outline" in done.stdout and "Training: 5 images, 10 lines" in done.stdout
    assert sorted(path.name for path in annotated.path.rglob("*")) == before


def test_check_takes_the_settings_of_a_data_set(annotated: AnnotatedFolder) -> None:
    for number in range(6):
        image = annotated.picture(f"photos/{number}.png")
        annotated.text(image, None, wording=f"LINE {number}")
        annotated.text(image, None, wording="logo", category_id=2)
    annotated.categories.append({"id": 2, "name": "logo"})
    annotated.write("mine.json")
    chosen = (
        "--annotations",
        "mine.json",
        "--path",
        "photos",
        "--text-key",
        "wording",
        "--categories",
        "text",
    )
    done = call("check", str(annotated.path), *chosen)
    assert done.returncode == 0, done.stderr
    assert "unchosen-category" in done.stdout
    unusable = call("check", str(annotated.path), "--annotations", "mine.json", "--text-key", "absent")
    assert unusable.returncode == 65 and "'absent'" in unusable.stderr
    unknown = call("check", str(annotated.path), "--text-key", "wording", "--categories", "texts")
    assert unknown.returncode == 78 and "those that exist: logo, text" in unknown.stderr
