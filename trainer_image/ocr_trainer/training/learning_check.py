"""Whether a training looks pointless: a pure function over what it recorded. It never stops one.

A person who is told after a fifth of the epochs saves the rest of the GPU hours.
"""

from collections.abc import Sequence

from ocr_trainer.training.journal import Record

_FAIR_SHARE = 0.2
"""Of the epochs, before anything is said."""
_FEWEST_EPOCHS = 3
_LATE_SHARE = 0.4
"""Figures rise later than losses fall."""
_NOTHING = 0.01
_HARDLY_LOWER = 0.95


def why_not_learning(records: Sequence[Record], total_epochs: int, figures: Sequence[str]) -> str | None:
    """A sentence that says what is wrong and what to try; None: the training learns, or it's too early.

    figures: the validation's, all of them between 0 and 1.
    """
    ends = [record for record in records if "iterations" in record and "loss" in record]
    validations = [record for record in records if figures[0] in record]
    done = len(ends)
    if done >= max(_FEWEST_EPOCHS, _FAIR_SHARE * total_epochs):
        start = next((r["loss"] for r in records if "step" in r and "loss" in r), ends[0]["loss"])
        now = min(record["loss"] for record in ends[-2:])
        if now > _HARDLY_LOWER * start:
            return (
                f"after {done} of {total_epochs} epochs the loss is {now:.3g} and began at {start:.3g}: "
                "try another learningRate (a tenth, or three times), and see whether the annotations "
                "fit the images"
            )
    if validations and done >= max(_FEWEST_EPOCHS, _LATE_SHARE * total_epochs):
        best = max(float(record.get(name, 0)) for record in validations[-2:] for name in figures)
        if best < _NOTHING:
            return (
                f"after {done} of {total_epochs} epochs the validation finds nothing right ({figures[0]} "
                f"{best:.3g}): see whether the validation's annotations fit its images, or try a lower "
                "learningRate"
            )
    return None
