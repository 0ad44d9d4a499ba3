"""How well and how quickly the receipts are read, beside RapidOCR: `make bench-ocr`.

The demo's presets, trained longer (or the finished run of `--run`), and RapidOCR read the same 15 test
receipts on one core each. Both are measured alike: pairs of true and found lines at IoU > .5, one to one; a
hit has the same text but for case (the receipts' truth is all capitals, RapidOCR reads what it sees). Words
are compared image by image, wherever they stand. The last line is one JSON object.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
import yaml

from ocr_contract.volume import RunFolder
from ocr_trainer.inference import Pipeline
from ocr_trainer.metrics import Tally, Text
from ocr_trainer.testing.images import run_images

REPOSITORY = Path(__file__).resolve().parents[1]
RECEIPTS = REPOSITORY / "examples" / "receipts"
PEER = Path(__file__).with_name("ocr_peer.py")
LONGER = {"detection": {"epochs": 90, "evaluateEvery": 15}, "recognition": {"epochs": 14, "evaluateEvery": 7}}
"""Instead of the demo's epochs: eighteen minutes on two cores."""

Read = dict[str, list[Text]]
"""What was read in each image."""


class Score:
    """Counts over the images of one reader."""

    def __init__(self, truth: Read, read: Read) -> None:
        lines, self._true, self._read, self._common = Tally(), 0, 0, 0
        for name, texts in truth.items():
            lines.add(texts, read[name])
            true_words, read_words = _words(texts), _words(read[name])
            self._true += true_words.total()
            self._read += read_words.total()
            self._common += (true_words & read_words).total()
        self.detection, self.lines = lines.detection(), lines.end_to_end()

    @property
    def word_f1(self) -> float:
        return 2 * self._common / max(1, self._true + self._read)


def _words(texts: Sequence[Text]) -> Counter[str]:
    return Counter(word for text in texts for word in (text.text or "").casefold().split())


def train(volume: Path) -> RunFolder:
    """The demo's manifest with longer trainings, through the same command as on a laptop."""
    manifest = yaml.safe_load((RECEIPTS / "ocrproject-demo.yaml").read_text())
    training = manifest["spec"]["train"]
    for stage, settings in LONGER.items():
        training[stage] |= settings
    path = volume / "ocrproject.yaml"
    path.write_text(yaml.safe_dump(manifest))
    run = volume / "train" / manifest["spec"]["projectID"] / training["id"]
    shutil.copytree(RECEIPTS / "data", run)
    print("Training the demo's presets: about eighteen minutes on two cores", flush=True)
    command = [sys.executable, "-m", "ocr_trainer", "run", str(path), "--root", str(volume)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return RunFolder(run)


def read_here(pipeline: Pipeline, run: RunFolder) -> tuple[Read, Read, Read, float]:
    """Truth, what is read in the lines found, what is read in the true lines, seconds an image."""
    truth, found, given = {}, {}, {}
    pictures = {image.name: (image, cv2.imread(str(image.path))) for image in run_images(run)}
    _read_page(pipeline, next(iter(pictures.values()))[1])  # what only the first one costs
    started = time.monotonic()
    read = [_read_page(pipeline, picture) for _, picture in pictures.values()]
    seconds = (time.monotonic() - started) / len(pictures)
    for texts, (image, picture) in zip(read, pictures.values(), strict=True):
        assert image.truth is not None
        name = Path(image.name).name
        true = truth[name] = image.truth() or []
        found[name] = texts
        polygons = [text.polygon for text in true]
        readings = pipeline.read_all([(picture, polygons)])[0]
        given[name] = [Text(p, reading.text) for p, reading in zip(polygons, readings, strict=True)]
    return truth, found, given, seconds


def _read_page(pipeline: Pipeline, picture: Any) -> list[Text]:
    lines = [line.polygon for line in pipeline.detect_all([picture])[0]]
    readings = pipeline.read_all([(picture, lines)])[0]
    return [Text(line, reading.text) for line, reading in zip(lines, readings, strict=True)]


def read_by_peer(images: Sequence[Path], folder: Path) -> tuple[Read, float]:
    """RapidOCR's reading and its seconds an image; makes its environment first (half a minute)."""
    environment = folder / "peer"
    uv = str(REPOSITORY / ".uv" / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(PEER.with_suffix(".txt"))]
    subprocess.run(install, check=True, env=os.environ | {"VIRTUAL_ENV": str(environment)})
    command = [str(environment / "bin" / "python"), str(PEER), *map(str, images)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    document = json.loads(answer.splitlines()[-1])
    read = {
        name: [Text(np.array(line["polygon"], np.float64), line["text"]) for line in lines]
        for name, lines in document["images"].items()
    }
    return read, document["seconds"]


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()}, one core of {os.cpu_count()}"


def print_table(rows: dict[str, tuple[Score, float]], true_boxes: Score) -> None:
    print(f"\n{'':14}{'found P':>9}{'R':>7}{'line F1':>9}{'exact':>7}{'word F1':>9}{'s/image':>9}")
    for name, (score, seconds) in rows.items():
        detection, lines = score.detection, score.lines
        print(
            f"{name:14}{detection['precision']:>9.3f}{detection['recall']:>7.3f}{lines['f1IgnoreCase']:>9.3f}"
            f"{lines['f1']:>7.3f}{score.word_f1:>9.3f}{seconds:>9.2f}"
        )
    lines, words = true_boxes.lines["f1IgnoreCase"], true_boxes.word_f1
    print(f"this project in the true boxes: line F1 {lines:.3f}, word F1 {words:.3f}\n{machine()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a finished run on examples/receipts/data")
    given = parser.parse_args().run
    with tempfile.TemporaryDirectory(prefix="bench-ocr-") as temporary:
        folder = Path(temporary)
        run = RunFolder(given.resolve()) if given else train(folder)
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the peer's process inherits it
        with ZipFile(run.model_zip) as bundle:
            bundle.extractall(folder / "model")
        truth, found, in_true_boxes, seconds = read_here(Pipeline.open(folder / "model"), run)
        peer, peer_seconds = read_by_peer([image.path for image in run_images(run)], folder)
    ours, theirs, true_boxes = (Score(truth, read) for read in (found, peer, in_true_boxes))
    print_table({"this project": (ours, seconds), "RapidOCR": (theirs, peer_seconds)}, true_boxes)
    print(json.dumps({
        "line_f1": round(ours.lines["f1IgnoreCase"], 4),
        "peer_line_f1": round(theirs.lines["f1IgnoreCase"], 4),
        "word_f1": round(ours.word_f1, 4),
        "peer_word_f1": round(theirs.word_f1, 4),
        "seconds_per_image": round(seconds, 3),
        "peer_seconds_per_image": round(peer_seconds, 3),
        "line_f1_true_boxes": round(true_boxes.lines["f1IgnoreCase"], 4),
        "word_f1_true_boxes": round(true_boxes.word_f1, 4),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
