"""Counting what the data's texts are like, and reading uncertain lines by it."""

from pathlib import Path

import numpy as np
import pytest

from ocr_trainer.beam import search
from ocr_trainer.ngrams import Ngrams

CHARACTERS = [*" 0.1OT", "<PAD>"]
BLANK = len(CHARACTERS) - 1
TEXTS = ["TOT 10.00", "TOT 0.10", "TO 1.00", "TOT 11.10"] * 5


def line(*steps: dict[str, float]) -> np.ndarray:
    """Probabilities by step; what is not said goes to the blank."""
    table = np.zeros((len(steps), len(CHARACTERS)), np.float32)
    for row, step in zip(table, steps, strict=True):
        for character, probability in step.items():
            row[CHARACTERS.index(character)] = probability
        row[BLANK] = 1 - row.sum()
    return table


def test_the_next_characters_probabilities_add_up_whatever_stands_before() -> None:
    ngrams = Ngrams.of(TEXTS)
    known = sorted(set("".join(TEXTS)) | {"\x03"})
    for text in ("", "T", "TO", "TOT 1", "never seen"):
        total = sum(np.exp(ngrams.next(text, character)) for character in known)
        assert total == pytest.approx(1, abs=0.05) and total < 1  # the rest is for characters never seen


def test_what_was_seen_is_likelier_than_what_was_not() -> None:
    ngrams = Ngrams.of(TEXTS)
    assert ngrams.next("T", "O") > ngrams.next("T", "0")
    assert ngrams.next("0.", "0") > ngrams.next("0.", "O")
    assert ngrams.end("TOT 10.00") > ngrams.end("TOT 10.")


def test_a_saved_table_says_the_same_and_equal_texts_give_equal_bytes(tmp_path: Path) -> None:
    Ngrams.of(TEXTS).save(tmp_path / "a.json")
    Ngrams.of(TEXTS).save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert Ngrams.load(tmp_path / "a.json").next("TO", "T") == Ngrams.of(TEXTS).next("TO", "T")


def test_a_letter_among_digits_is_read_as_the_digit_that_looks_like_it() -> None:
    doubtful = {"O": 0.5, "0": 0.45}
    steps = ({"1": 0.98}, {}, doubtful, {".": 0.98}, doubtful, {}, doubtful)
    text, _ = search(line(*steps), CHARACTERS, BLANK, Ngrams.of(TEXTS))
    assert text == "10.00"


def test_a_clear_reading_stands_against_the_ngrams() -> None:
    steps = ({"O": 0.999}, {"1": 0.999}, {"T": 0.999})
    text, probability = search(line(*steps), CHARACTERS, BLANK, Ngrams.of(TEXTS))
    assert text == "O1T" and probability == pytest.approx(0.997, abs=0.002)


def test_one_character_over_several_steps_is_one_and_with_a_blank_between_it_is_two() -> None:
    ngrams = Ngrams.of(["00", "0"])
    sure = {"0": 0.999}
    assert search(line(sure, sure, sure), CHARACTERS, BLANK, ngrams)[0] == "0"
    assert search(line(sure, {}, sure), CHARACTERS, BLANK, ngrams)[0] == "00"


def test_nothing_to_read_is_an_empty_text() -> None:
    text, probability = search(line({}, {}, {}), CHARACTERS, BLANK, Ngrams.of(TEXTS))
    assert text == "" and probability == pytest.approx(1)
