"""This trainer against stock mmocr 1.0.1 on the example receipts: `make bench-trainer`.

Both sides of a race are processes that work in turns on the same cores, so that a drifting machine slows
both alike; what stands still is stopped whole. The stock side is mmocr's own configuration through mmengine's
Runner (pipeline, loss, optimiser, hooks, float32) with the preset's model in mmocr's own classes; it gets the
same images, batch and picture sizes. Reading is compared with models trained here for two minutes (or those
of `--run`): mmocr's classes one image and one line at a time, as the old service did, against the pipeline of
the test stage, whose texts must be the same; then with the beam over the data's n-grams, which mmocr doesn't
have and which is meant to read other texts. The last line is one JSON object.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trainer_sides

from ocr_contract.stages import Stage
from ocr_trainer.ngrams import FILE_NAME as NGRAMS

RECEIPTS = Path(__file__).resolve().parents[1] / "examples" / "receipts" / "data"
ENDLESS = 400  # epochs: no race comes to the end of its training
SATRN_TINY = {
    "model.backbone.hidden_dim": 64,
    "model.encoder.n_layers": 2, "model.encoder.n_head": 4, "model.encoder.d_k": 16, "model.encoder.d_v": 16,
    "model.encoder.d_model": 64, "model.encoder.d_inner": 128, "model.encoder.dropout": 0.0,
    "model.decoder.n_layers": 1, "model.decoder.n_head": 4, "model.decoder.d_k": 16, "model.decoder.d_v": 16,
    "model.decoder.d_embedding": 64, "model.decoder.d_model": 64, "model.decoder.d_inner": 128,
}  # fmt: skip
"""SATRN small enough to read after a minute on two cores; of the GPU presets' kind, with its decoder."""


@dataclass(frozen=True)
class Race:
    """A preset's training against mmocr's."""

    name: str
    stage: Stage
    preset: str
    batch: int
    size: int
    """Stock's pictures: the detector's square, the lines' width."""
    overrides: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    """In the JSON: `<key>_speedup`."""

    def settings(self, epochs: int = ENDLESS) -> dict[str, Any]:
        training = {"preset": self.preset, "epochs": epochs, "batchSize": self.batch,
                    "evaluateEvery": epochs, "overrides": self.overrides}  # fmt: skip
        return {"id": "bench", self.stage.value: training}


SAME_PIXELS = {"reading.step": 100, "reading.widest": 100}
RACES = (
    Race("dbnet_r18_tiny, 320 px", Stage.DETECTION, "dbnet_r18_tiny", 4, 320, key="detector"),
    Race("dbnet_r18, 640 px", Stage.DETECTION, "dbnet_r18", 4, 640, key="detector_r18"),
    Race("satrn_small, 100 x 32 px", Stage.RECOGNITION, "satrn_small", 16, 100, SAME_PIXELS,
         key="recogniser"),
    Race("satrn of 64, whole lines", Stage.RECOGNITION, "satrn_small", 16, 480, SATRN_TINY,
         key="recogniser_lines"),
    Race("crnn_tiny, whole lines", Stage.RECOGNITION, "crnn_tiny", 8, 480, key="recogniser_crnn"),
)  # fmt: skip


class Side:
    """A process of trainer_sides that works while it has the turn."""

    def __init__(self, task: dict[str, Any], log: Path) -> None:
        self.name = task["side"]
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, trainer_sides.__file__, json.dumps(task)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                start_new_session=True,
            )  # fmt: skip
        self.total: dict[str, Any] = {}

    def turn(self, seconds: float, *, counts: bool = True) -> None:
        """Let it work for so long (a step more at most)."""
        self.begin(seconds)
        self.finish(counts=counts)

    def begin(self, seconds: float) -> None:
        assert self._process.stdin
        os.killpg(self._process.pid, signal.SIGCONT)
        self._process.stdin.write(json.dumps({"seconds": seconds}) + "\n")
        self._process.stdin.flush()

    def finish(self, *, counts: bool) -> None:
        """Wait for the turn's end, then stop the process; without `counts` only its texts are kept."""
        assert self._process.stdout
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} has failed:\n{self._log.read_text()[-3000:]}")
        os.killpg(self._process.pid, signal.SIGSTOP)
        for name, value in json.loads(answer).items():
            if isinstance(value, dict):
                self.total.setdefault(name, {}).update(value)
            elif counts:
                self.total[name] = self.total.get(name, 0) + value

    def rate(self) -> float:
        """Images or lines a second."""
        return float(self.total["items"] / self.total["seconds"])

    def loading(self) -> float:
        """Milliseconds the training waits for an image or a line."""
        return float(self.total["loading"] / self.total["items"] * 1000)

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def sides(task: dict[str, Any], folder: Path) -> Iterator[tuple[Side, Side]]:
    """Ours and stock's process for a task."""
    started: list[Side] = []
    try:
        started.append(Side(task | {"side": "ours"}, folder / "ours.log"))
        started.append(Side(task | {"side": "stock"}, folder / "stock.log"))
        yield started[0], started[1]
    finally:
        for side in started:
            side.end()


def take_turns(both: Sequence[Side], rounds: int, seconds: float) -> None:
    for side in both:
        side.begin(0)  # imports and a first step, which neither is measured by
    for side in both:
        side.finish(counts=False)
    for side in both:
        side.turn(seconds / 2, counts=False)
    for _ in range(rounds):
        for side in both:
            side.turn(seconds)


def print_row(name: str, batch: int, ours: Side, stock: Side, unit: str, rest: str) -> None:
    rates = f"{ours.rate():>10.2f}{stock.rate():>10.2f} {unit:<9}{ours.rate() / stock.rate():>6.2f}x"
    print(f"{name:<28}{batch:>6}{rates}{rest}", flush=True)


def compare_training(race: Race, run: Path, folder: Path, rounds: int, seconds: float) -> dict[str, float]:
    shutil.rmtree(run / "work" / race.stage.value, ignore_errors=True)
    task = {"stage": race.stage, "run": str(run), "train": race.settings(), "size": race.size}
    with sides(task, folder) as (ours, stock):
        take_turns((ours, stock), rounds, seconds)
        speedup = ours.rate() / stock.rate()
        unit = "images/s" if race.stage is Stage.DETECTION else "lines/s"
        print_row(race.name, race.batch, ours, stock, unit, f"{ours.loading():>12.2f}{stock.loading():>9.2f}")
        return {
            f"{race.key}_speedup": round(speedup, 2),
            f"{race.key}_steps_per_second": round(ours.rate() / race.batch, 3),
            f"{race.key}_stock_steps_per_second": round(stock.rate() / race.batch, 3),
            f"{race.key}_loading_ms": round(ours.loading(), 2),
            f"{race.key}_stock_loading_ms": round(stock.loading(), 2),
        }


def compare_reading(
    name: str, key: str, run: Path, images: Path, folder: Path, rounds: int, seconds: float
) -> dict[str, Any]:
    task = {"stage": Stage.TEST, "run": str(run), "test": str(images)}
    with sides(task, folder) as (ours, stock):
        take_turns((ours, stock), rounds, seconds)
        mine, theirs = ours.total["texts"], stock.total["texts"]
    both = mine.keys() & theirs.keys()
    lines = sum(len(theirs[image]) for image in both)
    different = [image for image in both if mine[image] != theirs[image]]
    speedup = ours.rate() / stock.rate()
    verdict = f"differ in {', '.join(different)}" if different else "identical"
    print_row(name, 1, ours, stock, "images/s", f"   {lines} texts of {len(both)} images: {verdict}")
    return {
        f"{key}_speedup": round(speedup, 2),
        f"{key}_images_per_second": round(ours.rate(), 2),
        f"{key}_stock_images_per_second": round(stock.rate(), 2),
        f"{key}_lines_compared": lines,
        f"{key}_texts_equal": bool(both) and not different,
    }


def run_alone(stage: Stage, run: Path, train: dict[str, Any]) -> None:
    """A stage of the trainer to its end, in a process of its own."""
    task = {"side": "alone", "stage": stage, "run": str(run), "train": train}
    subprocess.run([sys.executable, trainer_sides.__file__, json.dumps(task)], check=True)


def train_for_reading(run: Path, other: Path, scale: float) -> None:
    """A detector and a CTC recogniser in `run`, and beside the same detector a SATRN in `other`."""

    def train(race: Race, where: Path, epochs: float, **more: Any) -> None:
        settings = race.settings(max(1, round(epochs * scale)))
        settings[race.stage.value] |= more
        run_alone(race.stage, where, settings)

    train(RACES[0], run, 7)
    shutil.copytree(run, other)
    train(RACES[-1], run, 2)
    satrn = Race("", Stage.RECOGNITION, "satrn_small", 32, 0, SATRN_TINY)
    train(satrn, other, 3, learningRate=3e-3)


def compare_readings(
    trained: Sequence[tuple[str, str, Path]], images: Path, folder: Path, rounds: int, seconds: float
) -> dict[str, Any]:
    """trained: each run's row, key in the JSON, and folder."""
    figures: dict[str, Any] = {"texts_equal": True}
    for name, key, run in trained:
        greedy = without_ngrams(run, folder / key)
        figures |= compare_reading(name, key, greedy, images, folder, rounds, seconds)
        figures["texts_equal"] &= figures[f"{key}_texts_equal"]
        if (run / "work" / "recognition" / NGRAMS).exists():
            figures |= compare_reading(
                f"{name}, our beam", f"{key}_beam", run, images, folder, rounds, seconds
            )
    return figures


def without_ngrams(run: Path, copy: Path) -> Path:
    """A copy of a run's models that reads each line by itself, as mmocr does."""
    for stage in (Stage.DETECTION, Stage.RECOGNITION):
        (copy / "work" / stage).mkdir(parents=True)
        for name in ("config.py", "best.pth"):
            shutil.copy(run / "work" / stage / name, copy / "work" / stage / name)
    (copy / "work" / "dataset").mkdir()
    shutil.copy(run / "work" / "dataset" / "dictionary.txt", copy / "work" / "dataset" / "dictionary.txt")
    return copy


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run's folder to compare reading with")
    parser.add_argument("--quick", action="store_true", help="does it run at all? figures mean nothing then")
    parser.add_argument("--only", help="only races with this in their name")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    rounds, seconds = (1, 0.5) if arguments.quick else (3, 4.0)
    figures: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory(prefix="bench-trainer-") as temporary:
        folder = Path(temporary)
        run, other, images = folder / "run", folder / "other", folder / "images"
        shutil.copytree(RECEIPTS, run)
        images.mkdir()
        for picture in sorted(RECEIPTS.glob("*/*.jpg")):
            shutil.copy(picture, images)
        run_alone(Stage.PREPARE, run, RACES[0].settings())
        print(f"{'':<28}{'batch':>6}{'ours':>10}{'stock':>10}{'':>17}{'ms loading':>12}{'stock':>9}")
        for race in RACES:
            if not arguments.only or arguments.only in race.name:
                figures |= compare_training(race, run, folder, rounds, seconds)
        if not arguments.only or "read" in arguments.only:
            trained = [("read, with the run's models", "test", arguments.run)]
            if not arguments.run:
                shutil.rmtree(run / "work" / "recognition", ignore_errors=True)
                shutil.rmtree(run / "work" / "detection", ignore_errors=True)
                train_for_reading(run, other, 0.1 if arguments.quick else 1.0)
                trained = [("read, SATRN of 64", "test", other), ("read, crnn_tiny", "test_crnn", run)]
            figures |= compare_readings(trained, images, folder, rounds, seconds)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
