"""How quickly the data gate works, and in how much memory: `make bench-prepare`.

Makes a folder of small distinct JPEGs with 20 annotations each, runs the stage in a process of its own, and
watches that process and its children. The last line is one JSON object.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from ocr_contract.spec import Train
from ocr_contract.stage_input import STAGE_INPUT_VARIABLE, StageInput
from ocr_trainer.machine import processors

_WIDTH, _HEIGHT, _ROWS, _COLUMNS = 480, 360, 10, 2
_POLL_SECONDS = 1.0


def make_folder(folder: Path, images: int) -> None:
    """Pages of two columns and ten rows: the rows are drawn once, each page takes its own choice of them."""
    generator = np.random.default_rng(0)
    height, width = _HEIGHT // _ROWS, _WIDTH // _COLUMNS
    words = [f"{n * 7919 % 100000:05d} ITEM {chr(65 + n % 26)}{n % 10}" for n in range(400)]
    cells = []
    for word in words:
        cell = np.full((height, width, 3), 240, np.uint8)
        cv2.putText(cell, word, (10, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 1, cv2.LINE_AA)
        cells.append(cell)
    (folder / "images").mkdir(parents=True)
    with (folder / "annotations.json").open("w") as file:
        entries = ", ".join(
            json.dumps({"id": n, "file_name": f"{n:06d}.jpg", "width": _WIDTH, "height": _HEIGHT})
            for n in range(images)
        )
        file.write(f'{{"images": [{entries}],\n"annotations": [')
        for number in range(images):
            choice = generator.integers(0, len(words), _ROWS * _COLUMNS)
            rows = [
                np.hstack([cells[n] for n in choice[r : r + _COLUMNS]])
                for r in range(0, len(choice), _COLUMNS)
            ]
            jpeg = cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
            (folder / "images" / f"{number:06d}.jpg").write_bytes(jpeg.tobytes())
            for place, word in enumerate(choice):
                x, y = place % _COLUMNS * width + 8, place // _COLUMNS * height + 6
                annotation = {
                    "id": number * len(choice) + place, "image_id": number, "category_id": 1, "iscrowd": 0,
                    "segmentation": [[x, y, x + 220, y, x + 220, y + 24, x, y + 24]],
                    "bbox": [x, y, 220, 24], "area": 5280, "utf8_string": words[word],
                }  # fmt: skip
                file.write(("" if number == place == 0 else ",\n") + json.dumps(annotation))
        file.write('],\n"categories": [{"id": 1, "name": "text"}]}\n')


def memory_of_tree(root: int) -> int:
    """Bytes in memory of the process and its descendants; pages that they share count once (PSS)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


def measure(folder: Path) -> tuple[float, int, int]:
    """Seconds, peak bytes of the process tree, exit code of the stage."""
    given = StageInput(project_id="bench", train=Train(id="bench"))
    started = time.monotonic()
    stage = subprocess.Popen(
        [sys.executable, "-m", "ocr_trainer", "stage", "prepare", "--run-folder", str(folder)],
        env={**os.environ, STAGE_INPUT_VARIABLE: given.model_dump_json()},
    )
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(_POLL_SECONDS):
            peak = max(peak, memory_of_tree(stage.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        code = stage.wait()
    finally:
        stage.kill()
        done.set()
        watcher.join()
    return time.monotonic() - started, peak, code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=3000, help="with 20 annotations each (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where to make them (default: the temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-prepare-", dir=given.folder) as scratch:
        folder = Path(scratch) / "run"
        started = time.monotonic()
        make_folder(folder, given.images)
        print(f"made {given.images} images in {time.monotonic() - started:.0f} s")
        seconds, peak, code = measure(folder)
        if code:
            print(f"the stage ended with {code}", file=sys.stderr)
            return 1
        summary = json.loads((folder / "work/dataset/dataset.json").read_text())
        lines = summary["trainWords"] + summary["validationWords"]
    print(f"{given.images / seconds:.0f} images a second, {peak >> 20} MiB at most")
    print(
        json.dumps(
            {
                "images": given.images, "lines": lines, "seconds": round(seconds, 1),
                "images_per_second": round(given.images / seconds, 1), "peak_memory_mib": peak >> 20,
                "processors": processors(), "machine": platform.processor() or platform.machine(),
                "load": os.getloadavg()[0],
            }
        )
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
