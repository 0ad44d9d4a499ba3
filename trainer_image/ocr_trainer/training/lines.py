"""Lines of text for the recogniser: read from LMDB, batched by width, varied each time they are seen.

How a line is varied follows from its key's seed alone (see `batches`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import torch
from mmengine.structures import LabelData
from mmocr.registry import DATA_SAMPLERS, DATASETS
from mmocr.structures import TextRecogDataSample
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ocr_trainer.dataset.crops import Crop
from ocr_trainer.dataset.writers import read_labels
from ocr_trainer.line_shape import Image, LineShape, lines_in_batch
from ocr_trainer.training.batches import EpochBatches, draw_seeds, in_batches
from ocr_trainer.training.synthetic import SyntheticLines

_STRETCH = (0.9, 1.15)
"""A line's width in training varies by this."""
_PADDING, _LOOSE = (-0.8, 1.6), (0.0, 6.0)
"""Of `pad_x` and `pad_y`, on each side, in training: found boxes are .78 to 1.10 as high as true ones, but
around single digits half as high again."""
_LOOSE_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class LineKey:
    index: int
    width: int
    """The picture's, in pixels."""
    seed: int = 0
    """Of the line's variation in training."""


@DATASETS.register_module()
class LineDataset(Dataset[dict[str, Any]]):  # type: ignore[misc]
    """Lines of one LMDB; an item is asked for by its LineKey and comes as mmocr's models expect it."""

    def __init__(self, path: str, reading: dict[str, Any], training: bool, synthetic: float = 0.0) -> None:
        """synthetic: in training, the share of lines that are drawn with fonts instead."""
        self._path, self._shape, self._training = path, LineShape(**reading), training
        self._environment: lmdb.Environment | None = None
        self.metainfo = {"dataset_type": "TextRecogDataset", "task_name": "textrecog"}
        labels = read_labels(Path(path))
        self.texts: list[str] = [label["text"] for label in labels]
        self._boxes = np.array([label["box"] for label in labels], np.int64).reshape(-1, 4)
        self._synthetic_share = synthetic
        self._synthetic = SyntheticLines.like(self.texts) if training and synthetic else None

    def __len__(self) -> int:
        return len(self.texts)

    def widths(self, indexes: NDArray[np.int64], stretch: float | NDArray[np.float64] = 1.0) -> list[int]:
        """The lines' buckets in pixels."""
        x0, y0, x1, y1 = self._boxes[indexes].T
        widths: list[int] = self._shape.buckets(x1 - x0, y1 - y0, stretch).tolist()
        return widths

    def __getitem__(self, key: LineKey) -> dict[str, Any]:
        x0, y0, x1, y1 = self._boxes[key.index].tolist()
        crop, text = Crop(self._image(key.index), (x0, y0, x1, y1)), self.texts[key.index]
        if self._training:
            rng = np.random.default_rng(key.seed)
            if self._synthetic and rng.random() < self._synthetic_share:
                text, crop = self._synthetic.draw(text, crop, rng)
            padding = _LOOSE if rng.random() < _LOOSE_SHARE else _PADDING
            left, top, right, bottom = rng.uniform(*padding, 4).tolist()
            line = vary(self._shape.cut(crop, (left, top, right, bottom)), rng)
        else:
            line = self._shape.cut(crop)
        return pack(self._shape.resize(line, key.width), text)

    def _image(self, index: int) -> Image:
        # Opened where it is read: an LMDB environment must not be carried over a fork.
        if self._environment is None:
            self._environment = lmdb.open(self._path, readonly=True, lock=False, readahead=False)
        with self._environment.begin(buffers=True) as transaction:
            encoded = np.frombuffer(transaction.get(b"image-%09d" % (index + 1)), np.uint8)
            image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        if image is None:
            raise OSError(f"line {index + 1} of {Path(self._path).name} can't be decoded")
        return np.asarray(image, np.uint8)


def pack(picture: Image, text: str | None = None) -> dict[str, Any]:
    """A model's input for one line, with its truth where there is one."""
    sample = TextRecogDataSample()
    if text is not None:
        sample.gt_text = LabelData(item=text)
    sample.set_metainfo({"valid_ratio": 1.0, "img_shape": picture.shape[:2], "ori_shape": picture.shape[:2]})
    return {"inputs": torch.from_numpy(picture.transpose(2, 0, 1).copy()), "data_samples": sample}


def vary(line: Image, rng: np.random.Generator) -> Image:
    """Shear, coarser resolution, contrast and noise, each now and then; .2 ms a line."""
    height, width = line.shape[:2]
    if rng.random() < 0.5:
        lean, climb = rng.uniform(-0.15, 0.15), rng.uniform(-0.08, 0.08) * height / width
        shear = np.array([[1, lean, -lean * height / 2], [climb, 1, -climb * width / 2]])
        line = np.asarray(cv2.warpAffine(line, shear, (width, height), borderMode=cv2.BORDER_REPLICATE))
    if rng.random() < 0.3:
        coarse = rng.uniform(0.5, 0.9)
        size = (max(4, int(width * coarse)), max(4, int(height * coarse)))
        line = np.asarray(cv2.resize(line, size, interpolation=cv2.INTER_AREA))
    if rng.random() < 0.5:
        contrast = rng.uniform(0.6, 1.4)
        tones = np.arange(256) * contrast + rng.uniform(-40, 40) + 128 * (1 - contrast)
        line = np.asarray(cv2.LUT(line, np.clip(tones, 0, 255).astype(np.uint8)))
    if rng.random() < 0.2:
        noise = rng.normal(0, 12, line.shape).astype(np.int16)
        line = np.clip(line + noise, 0, 255).astype(np.uint8)
    return line


@DATA_SAMPLERS.register_module()
class WidthBatchSampler(EpochBatches):
    """Batches of lines of one width each, of about as many pixels each.

    batch_size: lines in a batch of the median width. In training widths vary, batches come in random order,
    and for the first `curriculum` of all epochs only short texts are read (the shortest half, then more and
    more; drawn as often as an epoch has lines), because CTC learns to align on them.
    """

    def __init__(
        self, sampler: Any, batch_size: int, training: bool, curriculum: float = 0.0, epochs: int = 1
    ) -> None:
        super().__init__(sampler, epochs)
        self._batch_size, self._training, self._curriculum = batch_size, training, curriculum
        self._dataset: LineDataset = sampler.dataset
        self._median_width = float(np.median(self._dataset.widths(np.arange(len(self._dataset)))))
        self._by_length = np.argsort([len(text) for text in self._dataset.texts], kind="stable")

    def __iter__(self) -> Iterator[list[LineKey]]:
        if self._training:
            yield from super().__iter__()
            return
        # A rank's own share; figures are counted, so ranks need not have as many.
        indexes = np.arange(self.sampler.rank, len(self._dataset), self.sampler.world_size)
        widths = self._dataset.widths(indexes)
        yield from self._group([LineKey(*key) for key in zip(indexes.tolist(), widths, strict=True)])

    def batches(self, epoch: int) -> list[list[LineKey]]:
        indexes, widths, rng = self._draw(epoch)
        seeds = draw_seeds(rng, len(indexes))
        keys = [LineKey(*key) for key in zip(indexes.tolist(), widths, seeds, strict=True)]
        batches = self._group(keys)
        return [batches[position] for position in rng.permutation(len(batches))]

    def weight(self, batch: list[LineKey]) -> int:
        return sum(key.width for key in batch)

    def count(self, epoch: int) -> int:
        widths, lines = np.unique(self._draw(epoch)[1], return_counts=True)
        return sum(-(-int(n) // self._size(int(w))) for w, n in zip(widths, lines, strict=True))

    def _draw(self, epoch: int) -> tuple[NDArray[np.int64], list[int], np.random.Generator]:
        """The epoch's lines, their widths, and the generator for what else it draws."""
        rng = np.random.default_rng((self.sampler.seed, epoch))
        indexes = np.resize(rng.permutation(self._lines(epoch)), len(self._dataset))
        stretches = rng.uniform(*_STRETCH, len(indexes))
        return indexes, self._dataset.widths(indexes, stretches), rng

    def _lines(self, epoch: int) -> NDArray[np.int64]:
        """Indexes of the lines that are read in this epoch."""
        done = epoch / self._epochs
        if done >= self._curriculum:
            return self._by_length
        share = 0.5 + 0.5 * done / self._curriculum
        return self._by_length[: max(1, int(len(self._by_length) * share))]

    def _size(self, width: int) -> int:
        return lines_in_batch(self._batch_size, self._median_width, width)

    def _group(self, keys: list[LineKey]) -> list[list[LineKey]]:
        buckets: dict[int, list[LineKey]] = {}
        for key in keys:
            buckets.setdefault(key.width, []).append(key)
        return [
            batch
            for width, lines in sorted(buckets.items())
            for batch in in_batches(lines, self._size(width))
        ]
