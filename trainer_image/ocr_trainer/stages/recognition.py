"""Train the recogniser, and count what its texts are like."""

import json

import lmdb

from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer import ngrams
from ocr_trainer.context import StageContext
from ocr_trainer.training.kinds import RECOGNITION
from ocr_trainer.training.stage import train


def run(context: StageContext) -> None:
    """Leaves best.pth, last.pth, config.py, metrics.json(l) and ngrams.json in the stage's folder."""
    train(context, RECOGNITION)
    table = context.run.stage(Stage.RECOGNITION) / ngrams.FILE_NAME
    ngrams.Ngrams.of(_training_texts(context.run)).save(table)


def _training_texts(run: RunFolder) -> list[str]:
    path = str(run.dataset / "recognition" / "train.lmdb")
    with lmdb.open(path, readonly=True, lock=False) as lines, lines.begin() as transaction:
        count = int(transaction.get(b"num-samples"))
        return [json.loads(transaction.get(b"label-%09d" % (i + 1)))["text"] for i in range(count)]
