"""A test of its own: images as people have them, read by the packaged model, stopped and gone on with."""

import json
import shutil
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from numbers_run import SETTINGS, run_stage
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_contract.volume import TestFolder as ImagesFolder
from ocr_trainer.bundle import file_hash
from ocr_trainer.errors import BadData, Interrupted
from ocr_trainer.progress import LogProgress, Task

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def run(trained_numbers: Path) -> RunFolder:
    return RunFolder(trained_numbers)


@pytest.fixture
def images(run: RunFolder, tmp_path: Path) -> ImagesFolder:
    """Six pages, without a word of what they hold."""
    shutil.copytree(run.path / "test", tmp_path / "t1")
    return ImagesFolder(tmp_path / "t1")


def read(test: ImagesFolder) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(test.test_result.read_text())
    return document


def texts(entry: dict[str, Any]) -> list[str]:
    return sorted(line["text"] for line in entry["instances"])


def lines_of(test: ImagesFolder) -> dict[str, dict[str, Any]]:
    """lines.jsonl by file."""
    entries = [json.loads(line) for line in test.lines.read_text().splitlines()]
    return {entry["file"]: entry for entry in entries}


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    images = [{k: v for k, v in entry.items() if k != "milliseconds"} for entry in document["images"]]
    return document | {"images": images}


def test_images_come_as_people_have_them_and_one_that_is_none_stops_nothing(
    run: RunFolder, images: ImagesFolder
) -> None:
    pages = sorted(images.path.iterdir())
    upright = Image.open(pages[0])
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright: shown turned by a quarter, clockwise
    (images.path / "发 票").mkdir()
    turned.save(images.path / "发 票" / "PAGE 1.JPG", exif=exif, quality=98)
    pages[1].rename(images.path / "b.PNG")
    (images.path / "broken.jpg").write_bytes(pages[2].read_bytes()[:300])
    (images.path / "empty.png").touch()
    run_stage(Stage.TEST, run, SETTINGS, test=images)

    document = read(images)
    assert (document["version"], document["model"]) == (1, file_hash(run.model_zip))
    entries = {entry["file"]: entry for entry in document["images"]}
    assert list(entries) == sorted(entries)
    assert len(entries) == 9
    photograph, page = entries["发 票/PAGE 1.JPG"], entries["test-00.png"]
    assert (photograph["width"], photograph["height"]) == (320, 240) == (page["width"], page["height"])
    assert len(set(texts(photograph)) & set(texts(page))) >= 8  # of 12
    assert "cut off" in entries["broken.jpg"]["error"] and entries["broken.jpg"]["instances"] == []
    assert entries["empty.png"]["error"] == "is empty (0 bytes)"
    for line in page["instances"]:
        assert len(line["polygon"]) == 8 and line["text"]
        assert 0 < line["detectionScore"] <= 1 and 0 < line["recognitionScore"] <= 1
    assert page["milliseconds"] > 0
    status = json.loads(images.status_test.read_text())
    assert (status["testImage"], status["totalTestImage"]) == (9, 9)
    assert not images.test_metrics.exists()  # nobody said what the images hold

    lines = lines_of(images)
    assert list(lines) == list(entries)
    assert lines["broken.jpg"]["error"] == entries["broken.jpg"]["error"]
    for file, entry in lines.items():
        assert entry["known"] is False
        assert {line["kind"] for line in entry["lines"]} <= {"found"}
        assert [line | {"kind": "found"} for line in entries[file]["instances"]] == entry["lines"]
    assert lines["test-00.png"]["score"] == min(line["recognitionScore"] for line in page["instances"])


def test_an_annotation_file_among_the_images_makes_the_test_a_measurement(
    run: RunFolder, images: ImagesFolder
) -> None:
    truth = json.loads((run.path / "test.json").read_text())
    unnamed = truth["images"].pop()
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] != unnamed["id"]]
    (images.path / "instances.json").write_text(json.dumps(truth))
    (images.path / "notes.json").write_text('{"who": "me"')  # neither COCO nor JSON: nobody minds
    run_stage(Stage.TEST, run, SETTINGS, test=images)
    assert len(read(images)["images"]) == 6
    metrics = json.loads(images.test_metrics.read_text())
    assert (metrics["images"], metrics["lines"]) == (5, 60)
    assert metrics["detection"]["hmean"] > 0.8
    assert metrics["recognition"]["word_acc"] == metrics["endToEnd"]["f1TrueBoxes"] > 0.5
    assert 0.5 < metrics["endToEnd"]["f1"] <= metrics["endToEnd"]["f1TrueBoxes"] + 0.05

    lines = lines_of(images)
    assert [file for file, entry in lines.items() if not entry["known"]] == [unnamed["file_name"]]
    kinds = Counter(line["kind"] for entry in lines.values() if entry["known"] for line in entry["lines"])
    assert kinds["right"] + kinds["misread"] + kinds["missed"] == 60
    found, paired = kinds["right"] + kinds["misread"] + kinds["false"], kinds["right"] + kinds["misread"]
    assert metrics["detection"]["recall"] == round(paired / 60, 5)
    assert metrics["detection"]["precision"] == round(paired / found, 5)
    assert metrics["endToEnd"]["recall"] == round(kinds["right"] / 60, 5)
    assert metrics["endToEnd"]["precision"] == round(kinds["right"] / found, 5)

    # The truth put right is used, though no image has changed.
    truth["annotations"] = truth["annotations"][12:]
    (images.path / "instances.json").write_text(json.dumps(truth))
    run_stage(Stage.TEST, run, SETTINGS, test=images)
    assert json.loads(images.test_metrics.read_text())["lines"] == 48


class StopAfter:
    """A progress that asks for the stop when so many images are read, and remembers what was done before."""

    def __init__(self, images: int, stop: threading.Event) -> None:
        self.left, self.stop, self.before = images, stop, -1

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:  # noqa: ARG002
        self.before = done
        yield self

    def advance(self, steps: int = 1, *, note: str = "") -> None:  # noqa: ARG002
        self.left -= steps
        if self.left == 0:
            self.stop.set()


def test_a_stopped_test_keeps_what_it_read_and_goes_on_with_the_rest(
    run: RunFolder, images: ImagesFolder, tmp_path: Path
) -> None:
    for number in range(3):
        for page in sorted(images.path.glob("test-0?.png")):
            shutil.copy(page, images.path / f"{number}{page.name}")
    other = ImagesFolder(tmp_path / "other")
    shutil.copytree(images.path, other.path)
    run_stage(Stage.TEST, run, SETTINGS, test=other)

    stop = threading.Event()
    progress = StopAfter(5, stop)
    with pytest.raises(Interrupted):
        run_stage(Stage.TEST, run, SETTINGS, test=images, stop=stop, progress=progress)
    kept = read(images)
    assert 5 <= len(kept["images"]) < 24

    # Killed while it wrote: half a line at the end of the journal, another image changed meanwhile.
    with (images.path / "work" / "test" / "results.jsonl").open("ab") as journal:
        journal.write(b'{"file":"9.png"}\t{"file":"9.pn')
    again = StopAfter(0, threading.Event())
    run_stage(Stage.TEST, run, SETTINGS, test=images, progress=again)
    assert again.before == len(kept["images"])
    assert read(images)["images"][: len(kept["images"])] == kept["images"]  # times and all: not read again
    assert without_times(read(images)) == without_times(read(other))
    assert images.lines.read_bytes() == other.lines.read_bytes()

    page = images.path / kept["images"][0]["file"]
    cv2.imwrite(str(page), np.full((240, 320, 3), 255, np.uint8))
    once_more = StopAfter(0, threading.Event())
    run_stage(Stage.TEST, run, SETTINGS, test=images, progress=once_more)
    assert once_more.before == 23
    assert len(texts(read(images)["images"][0])) < 3  # an empty page now, but for what a tiny model sees


def test_another_model_reads_everything_anew(run: RunFolder, images: ImagesFolder) -> None:
    run_stage(Stage.TEST, run, SETTINGS, test=images)
    last = StopAfter(0, threading.Event())
    run_stage(Stage.TEST, run, SETTINGS, test=images, checkpoint="Last", progress=last)
    assert last.before == 0
    assert read(images)["model"] != file_hash(run.model_zip)
    assert len(read(images)["images"]) == 6


def test_a_later_start_of_the_same_test_takes_it_over(run: RunFolder, images: ImagesFolder) -> None:
    class Overtaken(LogProgress):
        @contextmanager
        def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Task]:
            (images.path / "work" / "test" / "owner").write_text("another-pod")
            with super().task(title, total, done=done) as task:
                yield task

    with pytest.raises(Interrupted, match="another-pod"):
        run_stage(Stage.TEST, run, SETTINGS, test=images, progress=Overtaken())


def test_a_folder_without_images_is_the_users_to_fill(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("images come tomorrow")
    with pytest.raises(BadData, match="no image to test"):
        run_stage(Stage.TEST, run, SETTINGS, test=ImagesFolder(tmp_path))


def test_thousands_of_images_are_never_in_memory_together(run: RunFolder, tmp_path: Path) -> None:
    """However many there are: only some are asked for before the first are done with."""
    from ocr_trainer.inference import Pipeline
    from ocr_trainer.testing.images import TestImage
    from ocr_trainer.testing.reading import read_images

    with zipfile.ZipFile(run.model_zip) as bundle:
        bundle.extractall(tmp_path)
    pages = sorted((run.path / "test").iterdir())
    asked = 0

    def endless() -> Iterator[TestImage]:
        nonlocal asked
        while True:
            page = pages[asked % len(pages)]
            asked += 1
            yield TestImage(f"{asked}", page)

    results = read_images(Pipeline.open(tmp_path), endless(), threads=2, check=lambda: None)
    most_ahead = 0
    for number in range(30):
        assert next(results).image.name == str(number + 1)  # in order
        most_ahead = max(most_ahead, asked - number)
    results.close()
    assert most_ahead <= 20


def test_images_of_a_part_of_the_folder_are_named_by_where_they_lie(
    run: RunFolder, images: ImagesFolder
) -> None:
    (images.path / "march").mkdir()
    page = next(images.path.glob("*.png"))
    page.rename(images.path / "march" / page.name)
    run_stage(Stage.TEST, run, SETTINGS, test=images, path="march")
    assert [entry["file"] for entry in read(images)["images"]] == [page.name]
    assert list(lines_of(images)) == [f"march/{page.name}"]
