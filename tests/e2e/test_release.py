"""The whole path as a user goes it: helm install, kubectl apply, Jobs in containers, the model."""

import hashlib
import io
import json
import shutil
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from ocr_cluster import images
from ocr_cluster.node import Node
from ocr_cluster.release import TAG, TARGETS, Release, condition, get_json, open_to_pods
from ocr_contract.legacy import Word
from ocr_contract.resource import LABEL_PROJECT

REPOSITORY = Path(__file__).resolve().parents[2]
RECEIPTS = REPOSITORY / "examples" / "receipts"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def release() -> Iterator[Release]:
    """The chart, installed on this machine's node with images just built from the Dockerfile."""
    node = Node(REPOSITORY / ".cluster")
    with ExitStack() as stack:
        if not node.is_up():
            stack.callback(node.down)
        kubeconfig = node.up()
        for target in TARGETS:
            images.build_image(node, REPOSITORY, target, f"ocr-{target}:{TAG}")
        # Not pytest's own folder, which is private to root: the pods are another user.
        volume = Path(stack.enter_context(TemporaryDirectory(prefix="ocr-e2e-")))
        installed = Release(REPOSITORY, node.binaries, kubeconfig, f"e2e-{int(time.time())}", volume)
        stack.callback(installed.uninstall)
        installed.install()
        yield installed


def put_receipts(release: Release, project: str, train_id: str, counts: dict[str, int]) -> Path:
    """A part of the example receipts in a run's folder, as the annotation platform puts them there."""
    run = release.volume / "train" / project / train_id
    run.mkdir(parents=True)
    for split, count in counts.items():
        document = json.loads((RECEIPTS / "data" / f"{split}.json").read_text())
        document["images"] = document["images"][:count]
        kept = {image["id"] for image in document["images"]}
        document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
        (run / f"{split}.json").write_text(json.dumps(document))
        (run / split).mkdir()
        for image in document["images"]:
            shutil.copyfile(RECEIPTS / "data" / split / image["file_name"], run / split / image["file_name"])
    open_to_pods(run)
    return run


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
    run = put_receipts(release, "receipts", "r1", {"train": 24, "val": 4, "test": 3})

    def short(spec: dict[str, Any]) -> None:
        spec["train"]["id"] = "r1"
        spec["train"]["detection"] |= {"epochs": 3, "evaluateEvery": 2}
        spec["train"]["recognition"] |= {"epochs": 2, "evaluateEvery": 2}

    apply(release, tmp_path, "receipts", short)
    project = wait_for_end(release, "receipts", minutes=15)

    status = project["status"]
    assert condition(project, "Complete"), status
    assert {name: stage["state"] for name, stage in status["train"]["stages"].items()} == {
        "prepare": "Succeeded", "detection": "Succeeded", "recognition": "Succeeded", "package": "Succeeded",
        "test": "Succeeded",
    }  # fmt: skip
    assert status["trainer"]["dataset"]["trainImages"] == 24
    assert status["trainer"]["detection"]["epoch"] == 3
    assert status["trainer"]["recognition"]["epoch"] == 2
    assert status["model"]["trainId"] == "r1"

    with zipfile.ZipFile(run / "model" / "pthModel.zip") as bundle:
        assert bundle.testzip() is None
        assert {"detection/best.pth", "recognition/best.pth", "dictionary.txt", "SHA256SUMS"} <= set(
            bundle.namelist()
        )
    result = json.loads((run / "testResult.json").read_text())
    assert result["version"] == 1 and len(result["images"]) == 3
    assert result["model"] == hashlib.sha256((run / "model" / "pthModel.zip").read_bytes()).hexdigest()

    with release.facade() as address:
        answer = get_json(f"{address}/status?projectID=receipts&trainID=r1")
        assert answer["status"] == Word.SUCCEEDED
        assert answer["det_epoch"] == 3 and answer["rec_epoch"] == 2
        size = (run / "model" / "pthModel.zip").stat().st_size
        assert str(size) in json.dumps(
            get_json(f"{address}/train/checkFile?projectID=receipts&trainID=r1&type=model")
        )
        url = f"{address}/train/download?projectID=receipts&trainID=r1&downloadType=model"
        with urllib.request.urlopen(url) as download:
            assert len(zipfile.ZipFile(io.BytesIO(download.read())).namelist()) > 4


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
