"""Train the recogniser, and count what its texts are like."""

from ocr_contract.stages import Stage
from ocr_trainer import ngrams
from ocr_trainer.context import StageContext
from ocr_trainer.dataset.writers import read_labels
from ocr_trainer.training.kinds import RECOGNITION
from ocr_trainer.training.stage import train


def run(context: StageContext) -> None:
    """Leaves best.pth, last.pth, config.py, metrics.json(l) and ngrams.json in the stage's folder."""
    train(context, RECOGNITION)
    table = context.run.stage(Stage.RECOGNITION) / ngrams.FILE_NAME
    labels = read_labels(context.run.dataset / "recognition" / "train.lmdb")
    ngrams.Ngrams.of([label["text"] for label in labels]).save(table)
