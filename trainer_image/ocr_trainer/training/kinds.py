"""What the two trainings differ in: their stage, their status words, the figures they are judged by."""

from collections.abc import Mapping
from dataclasses import dataclass

from ocr_contract.legacy import Word
from ocr_contract.stages import Stage


@dataclass(frozen=True)
class Kind:
    stage: Stage
    title: str
    training: Word
    trained: Word
    validating: Word
    validated: Word
    figures: tuple[str, ...]
    """Fields of the stage's report; mmocr's metrics have the same names behind a prefix."""
    rank: tuple[str, ...]
    """The figures that decide which epoch is best, the first counting most."""

    def figures_of(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """mmocr's metrics without their prefix, 0 for a missing one; the detector's calibration with them."""
        named = {name.rsplit("/", 1)[-1]: float(value) for name, value in metrics.items()}
        return {name: named.get(name, 0.0) for name in self.figures} | (
            {name: named[name] for name in ("threshold", "overhang") if name in named}
        )


DETECTION = Kind(
    stage=Stage.DETECTION,
    title="Training the detector",
    training=Word.DETECTOR_TRAINING,
    trained=Word.DETECTOR_TRAINED,
    validating=Word.DETECTOR_VALIDATING,
    validated=Word.DETECTOR_VALIDATED,
    figures=("precision", "recall", "hmean"),
    rank=("hmean",),
)
RECOGNITION = Kind(
    stage=Stage.RECOGNITION,
    title="Training the recogniser",
    training=Word.RECOGNISER_TRAINING,
    trained=Word.RECOGNISER_TRAINED,
    validating=Word.RECOGNISER_VALIDATING,
    validated=Word.RECOGNISER_VALIDATED,
    figures=(
        "word_acc",
        "word_acc_ignore_case",
        "word_acc_ignore_case_symbol",
        "char_recall",
        "char_precision",
    ),
    rank=("word_acc", "char_recall", "char_precision"),
)
