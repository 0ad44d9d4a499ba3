"""What the dashboard's tests look at: four projects as operator and trainer leave them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from facade_process import Facade, eventually
from ocr_contract.names import run_hash
from tested_runs import add_tested

RECEIPTS = Path(__file__).resolve().parents[1] / "examples" / "receipts"
CHART_MS = 20_000
"""The library of charts has five megabytes, which a busy machine takes seconds to parse."""
TINY = {
    "detection": {"preset": "dbnet_r18_tiny", "epochs": 2, "batchSize": 2, "evaluateEvery": 1},
    "recognition": {"preset": "crnn_tiny", "epochs": 2, "batchSize": 16, "evaluateEvery": 1},
}


@dataclass(frozen=True)
class Scene:
    facade: Facade

    @property
    def base(self) -> str:
        return str(self.facade.http.base_url).rstrip("/")


def set_scene(facade: Facade) -> Scene:
    """finished, running, failed and waiting, in the facade's memory."""
    states = {
        "finished": ({"train": {"id": "r1", "runTest": True, **TINY}}, finished()),
        "running": ({"train": {"id": "r1"}}, running()),
        "failed": ({"train": {"id": "r1"}}, failed()),
        "waiting": ({"train": {"id": "r1"}, "scheduling": {"queueName": "team"}}, waiting()),
    }
    for name, (spec, status) in states.items():
        facade.create(name, spec)
        facade.report(name, **status)
    for name, (_, status) in states.items():
        eventually(lambda name=name, status=status: facade.reads(name, {"phase": status["phase"]}))  # type: ignore[misc]
    add_tested(facade, moment)
    return Scene(facade)


def moment(minutes_ago: float) -> str:
    time = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes_ago)
    return time.isoformat().replace("+00:00", "Z")


def stages(**states: str) -> dict[str, Any]:
    """Of a run: Succeeded, Running, Failed or Pending each."""
    found = {}
    for place, name in enumerate(("prepare", "detection", "recognition", "package", "test")):
        state = states.get(name, "Pending")
        stage: dict[str, Any] = {"state": state, "attempts": 0 if state == "Pending" else 1}
        if state != "Pending":
            stage |= {"startedAt": moment(60 - 10 * place), "job": f"job-{name}-0"}
        if state in ("Succeeded", "Failed"):
            stage["finishedAt"] = moment(52 - 10 * place)
        if name in ("detection", "recognition") and state == "Succeeded":
            stage["gpuSeconds"] = 480.0
        found[name] = stage
    return found


def condition(kind: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind, "status": "True", "reason": reason, "message": message,
        "lastTransitionTime": moment(5), "observedGeneration": 1,
    }  # fmt: skip


def run_status(**states: str) -> dict[str, Any]:
    return {"id": "r1", "revision": 0, "stages": stages(**states), "startedAt": moment(60)}


def finished() -> dict[str, Any]:
    run = run_hash("r1", 0)
    done = dict.fromkeys(("prepare", "detection", "recognition", "package", "test"), "Succeeded")
    ended = {"run": run, "epoch": 2, "totalEpochs": 2}
    return {
        "phase": "Succeeded", "progress": 100,
        "train": {**run_status(**done), "finishedAt": moment(4)},
        "conditions": [condition("Complete", "Succeeded", "")],
        "model": {"trainId": "r1", "path": "train/finished/r1/model/pthModel.zip", "hmean": 0.9044},
        "trainer": {
            "detection": {**ended, "hmean": 0.9044, "precision": 0.93, "recall": 0.88},
            "recognition": {**ended, "charPrecision": 0.9766, "wordAcc": 0.81},
            "test": {"run": run, "imagesDone": 2, "totalImages": 2, "endToEndF1": 0.701},
        },
    }  # fmt: skip


def running() -> dict[str, Any]:
    run = run_hash("r1", 0)
    return {
        "phase": "Training", "stage": "detection", "progress": 31, "etaSeconds": 754,
        "train": run_status(prepare="Succeeded", detection="Running"),
        "trainer": {
            "dataset": {"run": run, "trainImages": 120, "trainWords": 6530, "characters": 87},
            "detection": {
                "run": run, "epoch": 12, "totalEpochs": 50, "hmean": 0.712, "samplesPerSecond": 14.2,
            },
        },
    }  # fmt: skip


def failed() -> dict[str, Any]:
    why = "no annotation file was found: put a COCO file (*.json) beside the images"
    run = run_status(prepare="Failed")
    run["stages"]["prepare"] |= {"reason": "NoAnnotations", "message": why}
    return {
        "phase": "Failed", "stage": "prepare", "progress": 0, "message": f"prepare: {why}", "train": run,
        "conditions": [condition("Failed", "NoAnnotations", why)],
    }  # fmt: skip


def waiting() -> dict[str, Any]:
    why = "waiting for quota in queue team: couldn't assign flavors to pod set main: insufficient quota"
    return {
        "phase": "Pending", "stage": "prepare", "progress": 0, "train": run_status(),
        "conditions": [condition("Waiting", "Quota", why)],
    }  # fmt: skip


FEW = {"train": 6, "val": 2, "test": 2}
ALL = dict.fromkeys(FEW, 1000)


def train_for_real(volume: Path, project: str, *, as_demo: bool = False) -> None:
    """A run's whole folder as the trainer leaves it, faults in the data: eight receipts and two to test.

    as_demo: all receipts, trained as `make demo` does it; a quarter of an hour on two cores.
    """
    run = volume / "train" / project / "r1"
    for split, count in (ALL if as_demo else FEW).items():
        _copy_receipts(run, split, count, _with_faults if split == "train" else lambda _: None)
    manifest = {
        "apiVersion": "ocrproject.dev/v1alpha1", "kind": "OcrProject", "metadata": {"name": project},
        "spec": trained_spec(as_demo=as_demo),
    }  # fmt: skip
    path = volume.parent / f"{project}.yaml"
    path.write_text(yaml.safe_dump(manifest))
    command = [sys.executable, "-m", "ocr_trainer", "run", str(path), "--root", str(volume)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def trained_spec(*, as_demo: bool = False) -> dict[str, Any]:
    """What train_for_real trains by."""
    models = TINY
    if as_demo:
        demo = yaml.safe_load((RECEIPTS / "ocrproject-demo.yaml").read_text())["spec"]["train"]
        models = {name: {**demo[name], "evaluateEvery": 1} for name in TINY}
    return {"train": {"id": "r1", "runTest": True, **models}, "resources": {"gpus": 0}}


def measured(run: Path, project: str) -> dict[str, Any]:
    """The status of a run that was really trained: its own figures, its stages' own times."""

    def figures(path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((run / path).read_text())
        return found

    times = [datetime.fromtimestamp((run / path).stat().st_mtime, UTC).isoformat() for path in _LEFT]
    ends = dict(zip(stages(), pairwise(times), strict=True))
    done = {
        name: {"state": "Succeeded", "attempts": 1, "startedAt": start, "finishedAt": end}
        for name, (start, end) in ends.items()
    }
    ended = {"run": run_hash("r1", 0)}
    detection, recognition = (figures(f"work/{model}/metrics.json") for model in TINY)
    found = {"hmean": detection["hmean"]}
    return {
        "phase": "Succeeded", "progress": 100,
        "train": {"id": "r1", "revision": 0, "stages": done, "startedAt": times[0], "finishedAt": times[-1]},
        "conditions": [condition("Complete", "Succeeded", "")],
        "model": {"trainId": "r1", "path": f"train/{project}/r1/model/pthModel.zip", **found},
        "trainer": {
            "detection": {**ended, "epoch": detection["epoch"], **found},
            "recognition": {**ended, "charPrecision": recognition["char_precision"]},
            "test": {**ended, "endToEndF1": figures("testMetrics.json")["endToEnd"]["f1"]},
        },
    }  # fmt: skip


_LEFT = (
    "work/prepare/owner", "work/dataset/dataset.json", "work/detection/done.json",
    "work/recognition/done.json", "model/pthModel.zip", "testMetrics.json",
)  # fmt: skip
"""When each stage ended, and first when the first one began."""


def _copy_receipts(run: Path, split: str, count: int, spoil: Callable[[dict[str, Any]], None]) -> None:
    data = RECEIPTS / "data"
    document = json.loads((data / f"{split}.json").read_text())
    document["images"] = sorted(document["images"], key=lambda image: image["file_name"])[:count]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [one for one in document["annotations"] if one["image_id"] in kept]
    (run / split).mkdir(parents=True)
    for image in document["images"]:
        shutil.copyfile(data / split / image["file_name"], run / split / image["file_name"])
    spoil(document)
    (run / f"{split}.json").write_text(json.dumps(document))


def _with_faults(document: dict[str, Any]) -> None:
    """A crossed outline, one without a surface, and an image that is not there."""
    crossed, flat = document["annotations"][3], document["annotations"][5]
    x1, y1, x2, y2, x3, y3, x4, y4 = crossed["segmentation"][0][:8]
    crossed["segmentation"] = [[x1, y1, x3, y3, x2, y2, x4, y4]]
    flat["segmentation"] = [[*flat["segmentation"][0][:2], *flat["segmentation"][0][:2]] * 2]
    document["images"].append({"id": 9999, "file_name": "nobody-took-it.jpg", "width": 100, "height": 100})
