"""Train the recogniser."""

from ocr_trainer.context import StageContext
from ocr_trainer.training.kinds import RECOGNITION
from ocr_trainer.training.stage import train


def run(context: StageContext) -> None:
    """Leaves best.pth, last.pth, config.py, metrics.jsonl and metrics.json in the stage's folder."""
    train(context, RECOGNITION)
