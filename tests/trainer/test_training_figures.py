"""What a training tells and records: pace, journal, the doubt whether it learns. Nothing is trained here."""

import json
from pathlib import Path
from typing import Any

import pytest

from ocr_trainer.errors import VolumeFull
from ocr_trainer.training.journal import Journal, step_interval
from ocr_trainer.training.learning_check import why_not_learning
from ocr_trainer.training.pace import Pace

FIGURES = ("precision", "recall", "hmean")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_counts_steps_and_not_validations() -> None:
    """Steps of 2 s, .5 s of which wait for 8 items; a validation of 30 s in between."""
    clock = Clock()
    pace = Pace(clock)
    for _ in range(4):
        pace.resume()
        for _ in range(5):
            clock.now += 0.5
            pace.data_came()
            clock.now += 1.5
            pace.step_done(8)
        pace.pause()
        clock.now += 30
        pace.validated()
    assert pace.items_per_second == pytest.approx(4)
    assert pace.data_wait == pytest.approx(0.25)
    assert pace.seconds_left(steps=10, validations=2) == 80


@pytest.mark.parametrize(("iterations", "between"), [(20, 10), (60_000, 12), (5_000_000, 1000)])
def test_a_training_of_any_length_records_five_thousand_steps_at_most(iterations: int, between: int) -> None:
    assert step_interval(iterations) == between
    assert iterations // between <= 5000


def test_the_journal_forgets_what_will_come_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    for epoch in (1, 2, 3):
        journal.add({"step": epoch * 10 - 5, "epoch": epoch, "loss": 1.0})
        journal.add({"step": epoch * 10, "epoch": epoch, "loss": 1.0})
        journal.add({"epoch": epoch, "iterations": epoch * 10, "loss": 1.0})
        journal.add({"epoch": epoch, "hmean": 0.5})
    again = Journal(tmp_path / "metrics.jsonl")
    again.forget_after(epoch=2, step=27)  # stopped in the third epoch
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert records == again.records
    assert [record.get("step") for record in records if record["epoch"] == 3] == [25]
    assert again.validated("hmean") == {1, 2}


def test_a_torn_line_is_dropped_and_no_number_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    Journal(path).add({"step": 1, "epoch": 1, "loss": float("nan"), "lr": 0.1})
    path.write_text(path.read_text() + '{"step": 2, "ep')
    assert Journal(path).records == [{"step": 1, "epoch": 1, "lr": 0.1}]


def test_a_journal_without_room_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path)
    path.symlink_to("/dev/full")
    with pytest.raises(VolumeFull, match=r"metrics\.jsonl could not be written: No space left"):
        journal.add({"step": 1, "epoch": 1})


def history(losses: list[float], hmeans: list[float], start: float | None = None) -> list[dict[str, Any]]:
    first = [{"step": 10, "epoch": 1, "loss": start}] if start is not None else []
    ends = [
        {"epoch": epoch, "iterations": 10 * epoch, "loss": loss} for epoch, loss in enumerate(losses, start=1)
    ]
    validations = [
        {"epoch": epoch, "precision": h, "recall": h, "hmean": h} for epoch, h in enumerate(hmeans, start=1)
    ]
    return [*first, *ends, *validations]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        pytest.param(history([2.0, 2.0], []), None, id="too early"),
        pytest.param(history([2.0, 2.01, 1.99, 2.0], [0.0]), "loss is", id="the loss stays"),
        pytest.param(history([2.0, 1.0, 0.7, 0.5], [0.2]), None, id="it learns"),
        pytest.param(history([1.0, 1.1, 1.2, 1.2], [], start=9.0), None, id="longer texts came"),
        pytest.param(history([2.0, 1.0, 0.7, 0.5], [0.0]), "finds nothing", id="validation finds nothing"),
        pytest.param(history([2.0, 1.0, 0.7], [0.0]), None, id="too early for figures"),
        pytest.param(history([2.0, 1.0, 0.7, 0.6], [0.0, 0.0, 0.3]), None, id="late, but it rises"),
    ],
)
def test_a_training_that_learns_nothing_is_told_early(
    records: list[dict[str, Any]], words: str | None
) -> None:
    why = why_not_learning(records, total_epochs=10, figures=FIGURES)
    if words is None:
        assert why is None
    else:
        assert why is not None and words in why and "of 10 epochs" in why and len(why) <= 256
