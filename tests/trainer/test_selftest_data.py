"""The self-test's built-in data and settings: the trainer takes them without a complaint, and quickly."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from ocr_api.selftest.dataset import IMAGES, pack
from ocr_api.selftest.steps import project_spec
from ocr_contract.resource import API_VERSION, KIND
from ocr_contract.spec import OcrProjectSpec


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """As the facade unpacks it on the volume."""
    folder = tmp_path / "train" / "p" / "r1"
    with zipfile.ZipFile(io.BytesIO(pack())) as archive:
        archive.extractall(folder)
    return folder


def trainer(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ocr_trainer", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_data_gate_finds_nothing_to_say(run_folder: Path) -> None:
    said = trainer("check", str(run_folder), cwd=run_folder)
    assert "Training: 2 images" in said and "validation: 1 images" in said
    assert "0 characters that training never shows" in said
    assert not any(word in said.lower() for word in ("error", "repaired", "ignored"))
    assert sum((run_folder / name).stat().st_size for name in IMAGES) < 150_000


def test_the_settings_are_those_of_a_project_without_a_gpu() -> None:
    spec = OcrProjectSpec.model_validate(project_spec("p"))
    assert spec.train is not None and spec.resources.gpus == 0


@pytest.mark.training
def test_it_trains_to_a_model(run_folder: Path, tmp_path: Path) -> None:
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "p"}, "spec": project_spec("p")}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(manifest))
    trainer("run", "p.yaml", cwd=tmp_path)
    assert zipfile.ZipFile(run_folder / "model" / "pthModel.zip").testzip() is None
    for stage in ("detection", "recognition"):
        assert json.loads((run_folder / "work" / stage / "metrics.json").read_text())["epoch"] == 1
    assert (run_folder / "work" / "dataset" / "findings.jsonl").read_text() == ""
