"""Lines of text for the recogniser: read from LMDB, batched by width, varied each time they are seen."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import torch
from mmengine.structures import LabelData
from mmocr.registry import DATA_SAMPLERS, DATASETS
from mmocr.structures import TextRecogDataSample
from torch.utils.data import Dataset

from ocr_trainer.dataset.crops import Crop
from ocr_trainer.line_shape import Image, LineShape, lines_in_batch

_STRETCH = (0.9, 1.15)
"""A line's width in training varies by this."""


@DATASETS.register_module()
class LineDataset(Dataset[dict[str, Any]]):  # type: ignore[misc]
    """Lines of one LMDB; an item is asked for by (index, width) and comes as mmocr's models expect it."""

    def __init__(self, path: str, reading: dict[str, Any], training: bool) -> None:
        self._path, self._shape, self._training = path, LineShape(**reading), training
        self._environment: lmdb.Environment | None = None
        self.metainfo = {"dataset_type": "TextRecogDataset", "task_name": "textrecog"}
        with lmdb.open(path, readonly=True, lock=False) as environment, environment.begin() as transaction:
            count = int(transaction.get(b"num-samples"))
            labels = [json.loads(transaction.get(b"label-%09d" % (i + 1))) for i in range(count)]
        self.texts: list[str] = [label["text"] for label in labels]
        self._boxes: list[tuple[int, int, int, int]] = [tuple(label["box"]) for label in labels]

    def __len__(self) -> int:
        return len(self.texts)

    def width(self, index: int, stretch: float = 1.0) -> int:
        """The line's bucket in pixels."""
        x0, y0, x1, y1 = self._boxes[index]
        return self._shape.bucket(x1 - x0, y1 - y0, stretch)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        index, width = key
        crop = Crop(self._image(index), self._boxes[index])
        if self._training:
            left, top, right, bottom = (random.uniform(-0.2, 1.6) for _ in range(4))
            line = vary(self._shape.cut(crop, (left, top, right, bottom)))
        else:
            line = self._shape.cut(crop)
        return pack(self._shape.resize(line, width), self.texts[index])

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


def vary(line: Image) -> Image:
    """Shear, coarser resolution, contrast and noise, each now and then; .2 ms a line."""
    height, width = line.shape[:2]
    if random.random() < 0.5:
        lean, climb = random.uniform(-0.15, 0.15), random.uniform(-0.08, 0.08) * height / width
        shear = np.array([[1, lean, -lean * height / 2], [climb, 1, -climb * width / 2]])
        line = np.asarray(cv2.warpAffine(line, shear, (width, height), borderMode=cv2.BORDER_REPLICATE))
    if random.random() < 0.3:
        coarse = random.uniform(0.5, 0.9)
        size = (max(4, int(width * coarse)), max(4, int(height * coarse)))
        line = np.asarray(cv2.resize(line, size, interpolation=cv2.INTER_AREA))
    if random.random() < 0.5:
        contrast = random.uniform(0.6, 1.4)
        tones = np.arange(256) * contrast + random.uniform(-40, 40) + 128 * (1 - contrast)
        line = np.asarray(cv2.LUT(line, np.clip(tones, 0, 255).astype(np.uint8)))
    if random.random() < 0.2:
        noise = np.random.normal(0, 12, line.shape).astype(np.int16)
        line = np.clip(line + noise, 0, 255).astype(np.uint8)
    return line


@DATA_SAMPLERS.register_module()
class WidthBatchSampler:
    """Batches of (index, width) of one width each, of about as many pixels each.

    batch_size: lines in a batch of the median width. In training widths vary, batches come in random order,
    and for the first `curriculum` of all epochs only short texts are read (the shortest half, then more and
    more; drawn as often as an epoch has lines), because CTC learns to align on them. Everything follows from
    the seed and the epoch, so that a resumed epoch has the same batches.
    """

    def __init__(
        self, sampler: Any, batch_size: int, training: bool, curriculum: float = 0.0, epochs: int = 1
    ) -> None:
        self.sampler, self._batch_size, self._training = sampler, batch_size, training
        self._curriculum, self._epochs = curriculum, epochs
        self._dataset: LineDataset = sampler.dataset
        widths = [self._dataset.width(index) for index in range(len(self._dataset))]
        self._median_width = float(np.median(widths))
        self._by_length = np.argsort([len(text) for text in self._dataset.texts], kind="stable")
        self._length = len(self._group(dict(enumerate(widths))))

    def __len__(self) -> int:
        """Batches of an epoch that reads every line; one of the first epochs may have fewer."""
        return self._length

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        if not self._training:
            yield from self._group({index: self._dataset.width(index) for index in self.sampler})
            return
        rng = np.random.default_rng((self.sampler.seed, self.sampler.epoch))
        batches: list[list[tuple[int, int]]] = []
        indexes = [int(index) for index in rng.permutation(self._lines(self.sampler.epoch))]
        # A line that is drawn twice is read twice: each round is grouped by itself.
        for begin in range(0, len(self._dataset), max(len(indexes), 1)):
            stretches = rng.uniform(*_STRETCH, len(indexes))
            some = zip(indexes[: len(self._dataset) - begin], stretches, strict=False)
            batches += self._group({i: self._dataset.width(i, float(s)) for i, s in some})
        for position in rng.permutation(len(batches)):
            yield batches[position]

    def _lines(self, epoch: int) -> Any:
        """Indexes of the lines that are read in this epoch."""
        done = epoch / self._epochs
        if done >= self._curriculum:
            return self._by_length
        share = 0.5 + 0.5 * done / self._curriculum
        return self._by_length[: max(1, int(len(self._by_length) * share))]

    def _group(self, widths: dict[int, int]) -> list[list[tuple[int, int]]]:
        buckets: dict[int, list[tuple[int, int]]] = {}
        for index, width in widths.items():
            buckets.setdefault(width, []).append((index, width))
        batches = []
        for width, lines in sorted(buckets.items()):
            size = lines_in_batch(self._batch_size, self._median_width, width)
            batches += [lines[begin : begin + size] for begin in range(0, len(lines), size)]
        return batches
