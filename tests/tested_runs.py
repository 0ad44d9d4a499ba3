"""What the dashboard's tests look at beside the four projects: tested receipts, with and without truth.

Files are written by the trainer's own code; only what a model would find and read is made up, of the truth,
the same each time: a model that was trained for half a minute reads nothing.
"""

import json
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from facade_process import Facade, eventually
from ocr_contract.atomic import replace_json
from ocr_contract.names import run_hash, test_hash
from ocr_contract.volume import TestFolder, test_subpath, train_subpath
from ocr_trainer.evaluation import Evaluation, readable
from ocr_trainer.inference import Detection, Reading
from ocr_trainer.metrics import Text
from ocr_trainer.testing.images import TestImage as Image
from ocr_trainer.testing.lines import line_of
from ocr_trainer.testing.reading import ReadImage
from ocr_trainer.testing.results import Results

RECEIPTS = Path(__file__).resolve().parents[1] / "examples" / "receipts" / "data"
MISTAKEN = {"0": "O", "O": "0", "1": "l", "5": "S", "B": "8", "R": "A", "E": "F", "M": "N", ",": "."}


def add_tested(facade: Facade, moment: Callable[[float], str]) -> None:
    """compared with the runs r2 and r1, unlabelled with a test t1, testing whose test is under way."""
    better = write_test(facade.volume / train_subpath("compared", "r2"), "test", share_wrong=0.08)
    worse = write_test(facade.volume / train_subpath("compared", "r1"), "test", share_wrong=0.1)
    write_test(facade.volume / test_subpath("unlabelled", "t1"), "", share_wrong=0.1, known=False)
    for run, speed in (("r1", 0.7), ("r2", 1.1)):
        write_curves(facade.volume / train_subpath("compared", run), speed)
    train, test = {"id": "r2", "runTest": True}, {"id": "t1"}
    states: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "compared": ({"train": train}, _receipts(moment, better, worse)),
        "unlabelled": ({"train": {"id": "r1"}, "test": test}, own_test(moment)),
        "testing": ({"train": train}, under_way(moment, 3)),
    }
    for name, (spec, status) in states.items():
        facade.create(name, spec)
        facade.report(name, **status)
    for name, (_, status) in states.items():
        eventually(lambda name=name, status=status: facade.reads(name, {"phase": status["phase"]}))  # type: ignore[misc]


def _done(minutes: Callable[[float], str], *names: str) -> dict[str, Any]:
    times = {"startedAt": minutes(30), "finishedAt": minutes(10)}
    return {name: {"state": "Succeeded", "attempts": 1, "gpuSeconds": 300.0, **times} for name in names}


def _receipts(
    moment: Callable[[float], str], better: dict[str, Any], worse: dict[str, Any]
) -> dict[str, Any]:
    run = run_hash("r2", 0)
    end_to_end = {
        f"endToEnd{name.capitalize()}": better["endToEnd"][name] for name in ("precision", "recall", "f1")
    }
    reading = {
        "charPrecision": better["recognition"]["char_precision"],
        "wordAcc": better["recognition"]["word_acc"],
    }
    past = {
        "id": "r1", "outcome": "Succeeded", "gpuSeconds": 900.0,
        "startedAt": moment(300), "finishedAt": moment(240),
        "hmean": worse["detection"]["hmean"], "charPrecision": worse["recognition"]["char_precision"],
        "endToEndF1": worse["endToEnd"]["f1"],
    }  # fmt: skip
    return {
        "phase": "Succeeded", "progress": 100, "runs": [past],
        "model": {
            "trainId": "r2", "path": "train/compared/r2/model/pthModel.zip",
            "hmean": better["detection"]["hmean"],
        },
        "train": {
            "id": "r2", "revision": 0, "startedAt": moment(40), "finishedAt": moment(10),
            "stages": _done(moment, "prepare", "detection", "recognition", "package", "test"),
        },
        "trainer": {
            "detection": {"run": run, "epoch": 20, "totalEpochs": 20, **better["detection"]},
            "recognition": {"run": run, "epoch": 20, "totalEpochs": 20, **reading},
            "test": {
                "run": run, "imagesDone": 15, "totalImages": 15,
                **better["detection"], **reading, **end_to_end,
            },
        },
    }  # fmt: skip


def own_test(moment: Callable[[float], str]) -> dict[str, Any]:
    """The status of a project whose test t1 has ended."""
    times = {"startedAt": moment(40), "finishedAt": moment(10)}
    return {
        "phase": "Succeeded", "progress": 100,
        "train": {"id": "r1", "revision": 0, **times, "stages": _done(moment, "prepare", "detection")},
        "test": {"id": "t1", "revision": 0, **times, "stages": _done(moment, "test")},
        "trainer": {"test": {"run": test_hash("t1", 0), "imagesDone": 15, "totalImages": 15}},
    }  # fmt: skip


def under_way(moment: Callable[[float], str], done: int, *, ended: bool = False) -> dict[str, Any]:
    """The status of testing, of whose fifteen images so many are read."""
    stages = _done(moment, "prepare", "detection", "recognition", "package", "test")
    times = {"startedAt": moment(40), **({"finishedAt": moment(0)} if ended else {})}
    if not ended:
        stages["test"] = {"state": "Running", "attempts": 1, "startedAt": moment(1)}
    report = {"run": run_hash("r2", 0), "imagesDone": done, "totalImages": 15, "etaSeconds": 40}
    return {
        "phase": "Succeeded" if ended else "Testing", "stage": None if ended else "test",
        "progress": 100 if ended else 96,
        "train": {"id": "r2", "revision": 0, **times, "stages": stages}, "trainer": {"test": report},
    }  # fmt: skip


def write_test(
    folder: Path, images: str, share_wrong: float, *, known: bool = True, copies: int = 1
) -> dict[str, Any]:
    """The fifteen receipts, read, so often each under other names; gives testMetrics.json."""
    places = folder / images
    places.mkdir(parents=True, exist_ok=True)
    document = json.loads((RECEIPTS / "test.json").read_text())
    chance = random.Random(f"{folder.name} {share_wrong}")
    test = TestFolder(folder)
    evaluation = Evaluation()
    with closing(Results(test, "model", "run")) as results:
        read = []
        for number in range(copies):
            for image in document["images"]:
                name = image["file_name"] if copies == 1 else f"{number:03}-{image['file_name']}"
                shutil.copyfile(RECEIPTS / "test" / image["file_name"], places / name)
                texts = [one for one in document["annotations"] if one["image_id"] == image["id"]]
                one = _read(
                    Image(name, places / name, folder=images), image, texts, chance, share_wrong, known
                )
                results.add(one)
                read.append(one.image)
        with test.lines.open("wb") as lines:
            for kept in results.read_back(read):
                pairing = None
                if kept.truth is not None:
                    pairing = evaluation.add(kept.entry["file"], kept.truth, kept.found, kept.true_readings)
                lines.write(line_of(kept, pairing))
        results.write(read)
    if known:
        replace_json(test.test_metrics, evaluation.document())
    return evaluation.document()


def _read(
    image: Image,
    told: dict[str, Any],
    texts: list[dict[str, Any]],
    chance: random.Random,
    wrong: float,
    known: bool,
) -> ReadImage:
    truth, found, readings = [], [], []
    for text in texts:
        outline = np.array(text["segmentation"][0], float).reshape(-1, 2)
        truth.append(Text(outline, text["utf8_string"]))
        if chance.random() < wrong / 2:
            continue
        words = _misread(text["utf8_string"], chance, wrong)
        sure = 0.93 if words == text["utf8_string"] else 0.6
        found.append(Detection(outline + chance.uniform(-2, 2), chance.uniform(0.7, 0.99)))
        readings.append(Reading(words, min(0.999, max(0.05, chance.gauss(sure, 0.08)))))
    if chance.random() < wrong * 3:
        x, y = told["width"] * 0.7, told["height"] * 0.95
        found.append(Detection(np.array([[x, y], [x + 90, y], [x + 90, y + 26], [x, y + 26]]), 0.51))
        readings.append(Reading("::|", 0.31))
    true_readings = [_misread(text.text or "", chance, wrong) for text in readable(truth)]
    return ReadImage(
        image, width=told["width"], height=told["height"], found=found, readings=readings,
        truth=truth if known else None, true_readings=true_readings if known else [],
    )  # fmt: skip


def _misread(words: str, chance: random.Random, wrong: float) -> str:
    return "".join(MISTAKEN.get(letter, letter) if chance.random() < wrong else letter for letter in words)


def write_curves(run: Path, speed: float) -> None:
    """metrics.jsonl of both models, in the trainer's words: twenty epochs of five steps."""
    figures = {"detection": ("hmean", "precision", "recall"), "recognition": ("word_acc", "char_precision")}
    for model, names in figures.items():
        records: list[dict[str, float]] = []
        for epoch in range(1, 21):
            losses = [3 / (1 + speed * (epoch + step / 5)) for step in range(5)]
            records += [
                {"step": 5 * epoch - 4 + n, "epoch": epoch, "loss": loss} for n, loss in enumerate(losses)
            ]
            records.append({"epoch": epoch, "iterations": 5, "loss": losses[-1], "lr": 0.001})
            records.append({"epoch": epoch, **dict.fromkeys(names, 1 - 1 / (1 + speed * epoch))})
        file = run / "work" / model / "metrics.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
