"""The whole path as a user goes it: helm install, kubectl apply, Jobs in containers, the model."""

import hashlib
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from example_receipts import RECEIPTS, put_receipts
from ocr_cluster.release import Release, condition, get_json
from ocr_contract.legacy import Word
from ocr_contract.resource import LABEL_PROJECT

REPOSITORY = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.e2e


def upload_images(url: str, folder: Path) -> None:
    """Two receipts as a zip, as somebody sends them who has no access to the volume."""
    packed = folder / "images.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for image in sorted((RECEIPTS / "data" / "test").glob("*.jpg"))[3:5]:
            file.write(image, f"more receipts/{image.name}")
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--upload-file", str(packed)]
    sent = subprocess.run(
        [*command, "--header", "Content-Type: application/zip", url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert sent.returncode == 0 and json.loads(sent.stdout)["files"] == 2, sent.stdout + sent.stderr


def apply(release: Release, folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """`kubectl apply` of the demo's manifest under another name, changed."""
    manifest = yaml.safe_load((RECEIPTS / "ocrproject-demo.yaml").read_text())
    manifest["metadata"]["name"] = manifest["spec"]["projectID"] = name
    change(manifest["spec"])
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(manifest))
    release.kubectl("apply", "-f", str(path))


def wait_for_end(release: Release, name: str, minutes: float) -> dict[str, Any]:
    """The OcrProject when it is Complete or Failed."""
    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        project = release.project(name)
        if condition(project, "Complete") or condition(project, "Failed"):
            return project
        time.sleep(2)
    pods = release.kubectl("get", "ocr,jobs,pods", "-o", "wide", check=False)
    raise AssertionError(f"{name} did not end within {minutes} minutes:\n{pods}")


def test_receipts_become_a_model_that_reads(release: Release, tmp_path: Path) -> None:
    """An administrator settles what a project may use; the platform's own script does the rest, with curl."""
    run = put_receipts(release, "receipts", "r1", {"train": 24, "val": 4, "test": 3})
    apply(release, tmp_path, "receipts", lambda spec: spec.pop("train"))
    with release.facade() as address:
        upload_images(f"{address}/api/v1/projects/receipts/tests/t1/dataset", tmp_path)
        said = subprocess.run(
            [
                str(REPOSITORY / "examples" / "platform.sh"), "receipts", "r1", "t1", "runTest=1",
                "detPreset=dbnet_r18_tiny", "detEpochs=3", "detBatchSize=4",
                "recPreset=crnn_tiny", "recEpochs=2", "recBatchSize=16",
            ],
            cwd=tmp_path, env=os.environ | {"API": address}, capture_output=True, text=True, timeout=900,
            check=False,
        )  # fmt: skip
        kept = release.kubectl("get", "ocr,jobs,pods", "-o", "wide", check=False)
        assert said.returncode == 0, said.stdout + said.stderr + kept
        answer = get_json(f"{address}/status?projectID=receipts&trainID=r1")
        again = get_json(f"{address}/train/start?projectID=receipts&trainID=r2")
        assert again["state"] == "active"
        assert get_json(f"{address}/train/stop?projectID=receipts")["state"] == "suspended"
    assert answer["status"] == Word.SUCCEEDED
    assert answer["det_epoch"] == 3 and answer["rec_epoch"] == 2
    words = [line.split()[0] for line in said.stdout.splitlines() if line.startswith("  ")]
    assert Word.DETECTOR_TRAINING in words and Word.RECOGNISER_TRAINING in words
    assert words.count(Word.SUCCEEDED) == 2, said.stdout

    status = release.project("receipts")["status"]
    assert status["trainer"]["dataset"]["trainImages"] == 24
    assert status["trainer"]["detection"]["epoch"] == 3
    assert status["trainer"]["recognition"]["epoch"] == 2
    assert status["model"]["trainId"] == "r1"

    model = tmp_path / "pthModel.zip"
    assert model.read_bytes() == (run / "model" / "pthModel.zip").read_bytes()
    with zipfile.ZipFile(model) as bundle:
        assert bundle.testzip() is None
        assert {"detection/best.pth", "recognition/best.pth", "dictionary.txt", "SHA256SUMS"} <= set(
            bundle.namelist()
        )
    for count, path in ((3, run / "testResult.json"), (2, tmp_path / "testResult.json")):
        result = json.loads(path.read_text())
        assert result["version"] == 1 and len(result["images"]) == count
        assert result["model"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_a_folder_without_annotations_fails_with_a_sentence_and_no_second_attempt(
    release: Release, tmp_path: Path
) -> None:
    run = put_receipts(release, "empty", "r1", {"train": 2})
    (run / "train.json").unlink()

    apply(release, tmp_path, "empty", lambda spec: spec["train"].update(id="r1"))
    project = wait_for_end(release, "empty", minutes=3)

    failed = condition(project, "Failed")
    assert failed is not None
    assert "annotation" in failed["message"]
    assert project["status"]["train"]["stages"]["prepare"]["attempts"] == 1
    jobs = release.kubectl("get", "jobs", "-l", f"{LABEL_PROJECT}=empty", "-o", "name").split()
    assert [job for job in jobs if "prepare" not in job] == []


def test_an_unknown_preset_is_named_with_those_that_exist(release: Release, tmp_path: Path) -> None:
    put_receipts(release, "preset", "r1", {"train": 6, "val": 2})

    def unknown(spec: dict[str, Any]) -> None:
        spec["train"]["id"] = "r1"
        spec["train"]["detection"]["preset"] = "dbnet_r5000"

    apply(release, tmp_path, "preset", unknown)
    project = wait_for_end(release, "preset", minutes=4)

    failed = condition(project, "Failed")
    assert failed is not None
    assert "dbnet_r5000" in failed["message"] and "dbnet_r50" in failed["message"]
