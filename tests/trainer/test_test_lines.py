"""lines.jsonl says of each line what became of it, by hand-counted cases, and adds up to the figures."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_contract.volume import SCORE_BINS
from ocr_contract.volume import TestFolder as ImagesFolder
from ocr_trainer.evaluation import Evaluation, readable
from ocr_trainer.inference import Detection, Reading
from ocr_trainer.metrics import Text
from ocr_trainer.testing.images import TestImage as Image
from ocr_trainer.testing.lines import COUNTED, line_of
from ocr_trainer.testing.reading import ReadImage
from ocr_trainer.testing.results import Results


def corners(x: float) -> Any:
    return np.array([[x, 0], [x + 40, 0], [x + 40, 10], [x, 10]], dtype=float)


def true(x: float, text: str | None, *, ignore: bool = False) -> Text:
    return Text(corners(x), text, ignore)


def read_image(name: str, truth: list[Text] | None, *found: tuple[float, str, float]) -> ReadImage:
    """found: where, what was read, the recogniser's score."""
    return ReadImage(
        Image(name, Path(name)), width=800, height=600, truth=truth,
        found=[Detection(corners(x), 0.9) for x, _, _ in found],
        readings=[Reading(text, score) for _, text, score in found],
        true_readings=[text.text or "" for text in readable(truth or [])],
    )  # fmt: skip


def kept(folder: Path, *read: ReadImage) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The images' lines and testMetrics.json, past the journal that a later process reads."""
    evaluation, lines = Evaluation(), []
    with closing(Results(ImagesFolder(folder), "model", "run")) as results:
        for image in read:
            results.add(image)
        for back in results.read_back([image.image for image in read]):
            pairing = None
            if back.truth is not None:
                pairing = evaluation.add(back.entry["file"], back.truth, back.found, back.true_readings)
            lines.append(json.loads(line_of(back, pairing)))
    return lines, evaluation.document()


def test_each_line_is_told_by_what_became_of_it(tmp_path: Path) -> None:
    truth = [
        true(0, "10"),
        true(100, "abc"),
        true(200, "gone"),
        true(300, None),
        true(400, None, ignore=True),
    ]
    found = [(100, "abd", 0.4), (0, "10", 0.99), (300, "?", 0.7), (400, "x", 0.1), (600, "y", 0.31)]
    [entry], _ = kept(tmp_path, read_image("a.jpg", truth, *found))
    told = [(line["kind"], line.get("text"), line.get("expected")) for line in entry["lines"]]
    assert told == [
        ("misread", "abd", "abc"),
        ("right", "10", "10"),
        ("found", "?", None),  # what it really says nobody knows
        ("ignored", "x", None),
        ("false", "y", None),
        ("missed", None, "gone"),
    ]
    misread, missed = entry["lines"][0], entry["lines"][-1]
    assert misread["polygon"] == misread["truth"] == [100, 0, 140, 0, 140, 10, 100, 10]
    assert "polygon" not in missed and missed["truth"][0] == 200
    assert (entry["width"], entry["height"], entry["known"]) == (800, 600, True)
    assert [entry[kind] for kind in COUNTED] == [1, 1, 1, 1]
    assert entry["score"] == 0.31  # 0.1 lies where nobody cares
    scores = {name: {n: c for n, c in enumerate(bins) if c} for name, bins in entry["scores"].items()}
    assert scores == {"wrong": {8: 1, 6: 1}, "right": {19: 1}, "unknown": {14: 1}}
    assert all(len(bins) == SCORE_BINS for bins in entry["scores"].values())


def test_images_of_which_nobody_says_what_they_hold_are_told_too(tmp_path: Path) -> None:
    broken = ReadImage(Image("b.jpg", Path("b.jpg")), error="is cut off")
    entries, document = kept(tmp_path, read_image("a.jpg", None, (0, "10", 1.0)), broken)
    assert document["images"] == 0
    assert [line["kind"] for line in entries[0]["lines"]] == ["found"]
    assert entries[0]["scores"]["unknown"][-1] == 1
    assert entries[1] == {
        "file": "b.jpg", "error": "is cut off", "known": False, "score": None,
        "right": 0, "misread": 0, "missed": 0, "false": 0, "scores": {}, "lines": [],
    }  # fmt: skip


def test_what_sorts_an_image_comes_before_its_lines_whatever_it_is_called(tmp_path: Path) -> None:
    [entry], _ = kept(tmp_path, read_image('a,"lines":[.jpg', None, (0, '","lines":[', 0.5)))
    assert list(entry)[-1] == "lines" and entry["file"] == 'a,"lines":[.jpg'


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_add_up_to_the_figures(tmp_path: Path, seed: int) -> None:
    """Images drawn at random, near misses and overlaps among them."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(30):
        places = rng.permutation(20)[:8] * 45
        texts = ["0" * int(n) for n in rng.integers(1, 4, 8)]
        truth = [
            true(float(x), None if rng.random() < 0.1 else text, ignore=bool(rng.random() < 0.1))
            for x, text in zip(places, texts, strict=True)
        ]
        found = [
            (float(x + rng.normal(0, 8)), text if rng.random() < 0.7 else "1", float(rng.random()))
            for x, text in zip(places, texts, strict=True)
            if rng.random() < 0.9
        ]
        images.append(read_image(f"{number}.jpg", truth, *found))
    entries, document = kept(tmp_path, *images)
    lines = [line for entry in entries for line in entry["lines"]]
    count = {kind: sum(line["kind"] == kind for line in lines) for kind in (*COUNTED, "found")}
    for kind in COUNTED:
        assert count[kind] == sum(entry[kind] for entry in entries) > 0
    paired = count["right"] + count["misread"] + count["found"]
    assert document["detection"]["precision"] == round(paired / (paired + count["false"]), 5)
    assert document["detection"]["recall"] == round(paired / (paired + count["missed"]), 5)
    read = count["right"] + count["misread"]
    legible = sum(line["kind"] == "missed" and "expected" in line for line in lines)
    assert document["endToEnd"]["precision"] == round(count["right"] / (read + count["false"]), 5)
    assert document["endToEnd"]["recall"] == round(count["right"] / (read + legible), 5)
    assert sum(document["detectorErrors"]["missed"].values()) == count["missed"]
    assert sum(document["detectorErrors"]["false"].values()) == count["false"]
    worst = {image["file"]: (image["missed"], image["false"], image["misread"])
             for image in document["worstImages"]}  # fmt: skip
    assert worst
    for entry in entries:
        if entry["file"] in worst:
            assert worst[entry["file"]] == (entry["missed"], entry["false"], entry["misread"])
