"""pthModel.zip on a machine that has mmocr and nothing of this project, and in our own hands."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from numbers_run import SETTINGS, run_stage
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.errors import BadData

pytestmark = pytest.mark.training

PLAIN_MMOCR = Path(__file__).parents[1] / "plain_mmocr.py"
SATRN: dict[str, Any] = {
    "preset": "satrn_small",
    "epochs": 1,
    "batchSize": 16,
    "learningRate": 1e-3,
    "overrides": {"model.encoder.n_layers": 1, "model.decoder.n_layers": 1},
}


@pytest.fixture(scope="module", params=["crnn_tiny", "satrn_small"])
def run(request: pytest.FixtureRequest, trained_numbers: Path, tmp_path_factory: Any) -> RunFolder:
    """A packaged run: without stock model parts, and with the faster twins of mmocr's own."""
    first = RunFolder(trained_numbers)
    if request.param == "crnn_tiny":
        return first
    other = RunFolder(tmp_path_factory.mktemp("satrn") / "second")
    shutil.copytree(first.path, other.path, ignore=shutil.ignore_patterns("recognition", "package", "model"))
    shutil.copytree(first.dataset, other.dataset, dirs_exist_ok=True)
    settings = SETTINGS | {"recognition": SATRN}
    for stage in (Stage.RECOGNITION, Stage.PACKAGE):
        run_stage(stage, other, settings)
    return other


@pytest.fixture
def bundle(run: RunFolder, tmp_path: Path) -> Path:
    """The bundle unpacked, with nothing of the run beside it."""
    folder = tmp_path / "a folder of its own"
    with zipfile.ZipFile(run.model_zip) as packed:
        packed.extractall(folder)
    return folder


def test_mmocr_alone_opens_it_and_finds_and_reads_the_same(
    run: RunFolder, bundle: Path, tmp_path: Path
) -> None:
    from ocr_trainer.inference import Pipeline

    # What mmocr has no part for, the weighing by n-grams, is ours alone: without it the texts are the same.
    (bundle / "recognition" / "ngrams.json").unlink()
    page = run.path / "test" / "test-01.png"
    image = cv2.imread(str(page))
    assert image is not None
    pipeline = Pipeline.open(bundle)
    [found] = pipeline.detect_all([image])
    lines = [pipeline.cut(image, line.polygon) for line in found]
    assert len(lines) >= 10
    pictures = tmp_path / "lines"
    pictures.mkdir()
    for number, line in enumerate(lines):
        assert line is not None
        cv2.imwrite(str(pictures / f"{number:02}.png"), line)

    plain = ask_plain_mmocr(bundle, page, pictures)
    assert plain["ours"] == []
    polygons = [np.reshape(polygon, (-1, 2)).clip(0, image.shape[1::-1]) for polygon in plain["polygons"]]
    assert len(polygons) == len(found)
    assert max(abs(p - line.polygon).max() for p, line in zip(polygons, found, strict=True)) < 0.01
    assert plain["scores"] == pytest.approx([line.score for line in found], abs=1e-4)
    readings = pipeline.read_lines(lines)
    ours = [reading.text for reading in readings]
    assert plain["lines"] == ours
    assert plain["line_scores"] == pytest.approx([reading.score for reading in readings], abs=1e-4)
    assert len({round(reading.score, 4) for reading in readings}) > 5  # not one answer to whatever is shown
    # MMOCRInferencer cuts what it found along the page's sides, and by whole pixels: nearly the same.
    assert sum(theirs == text for theirs, text in zip(plain["texts"], ours, strict=True)) > 0.7 * len(ours)


def ask_plain_mmocr(bundle: Path, page: Path, lines: Path) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    answer = subprocess.run(
        [sys.executable, PLAIN_MMOCR, page, lines],
        cwd=bundle, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result


def test_its_configurations_name_no_place_and_nothing_of_this_project(bundle: Path) -> None:
    for path in bundle.rglob("*.py"):
        text = path.read_text()
        assert "ocr_trainer" not in text, path
        assert "/work/" not in text.replace('"work/', "").replace("'work/", ""), path
        assert str(Path.home()) not in text and "/tmp" not in text, path


def test_its_sums_verify_with_the_ordinary_tool(bundle: Path) -> None:
    assert subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=bundle).returncode == 0
    with (bundle / "dictionary.txt").open("a") as file:
        file.write("x\n")
    assert subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=bundle).returncode != 0


def test_packed_again_it_has_the_same_bytes(run: RunFolder) -> None:
    """By another pod, at another time, with files of another time, the models tried anew."""
    before = run.model_zip.read_bytes()
    for path in (*run.stage("detection").iterdir(), *run.dataset.glob("*.*")):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (run.stage("package") / "evaluation.json").unlink()
    settings = SETTINGS if run.path.name == "first" else SETTINGS | {"recognition": SATRN}
    run_stage(Stage.PACKAGE, run, settings, pod_uid="another-pod")
    assert run.model_zip.read_bytes() == before
    assert [path.name for path in run.model_zip.parent.iterdir()] == ["pthModel.zip"]


def test_a_training_that_did_not_end_is_not_packed(run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    (copy.stage("recognition") / "best.pth").unlink()
    before = copy.model_zip.read_bytes()
    with pytest.raises(BadData, match=r"work/recognition/best\.pth is missing"):
        run_stage(Stage.PACKAGE, copy, SETTINGS)
    assert copy.model_zip.read_bytes() == before


def test_the_card_and_the_figures_say_what_boxes_cost_and_what_is_mistaken(bundle: Path) -> None:
    figures = json.loads((bundle / "metrics.json").read_text())
    assert figures["dataset"]["trainImages"] == 36
    assert 0 < figures["detection"]["hmean"] <= 1
    found = figures["evaluation"]
    assert found["images"] == 6
    assert found["lines"] == 72
    assert found["endToEnd"]["f1TrueBoxes"] == found["recognition"]["word_acc"]
    assert sum(row["of"] for row in found["detectorErrors"]["missedByHeight"].values()) == 72
    card = (bundle / "README.md").read_text()
    assert f"**{found['endToEnd']['f1']:.4f}**" in card
    assert f"**{found['endToEnd']['f1TrueBoxes']:.4f}**" in card
    assert "| training images | 36 |" in card and "| torch | 2." in card and "MMOCRInferencer" in card
    for error in found["characterErrors"]:
        assert f"| {error['count']} |" in card
