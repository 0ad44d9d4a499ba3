"""Pages for the detector: mmocr's data set, asked for by a key that holds the page's randomness."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmocr.datasets import OCRDataset
from mmocr.registry import DATA_SAMPLERS, DATASETS

from ocr_trainer.training.batches import EpochBatches, draw_seeds, in_batches


@dataclass(frozen=True, slots=True)
class PageKey:
    index: int
    seed: int


@DATASETS.register_module()
class PageDataset(OCRDataset):  # type: ignore[misc]
    """Training pages; our own transforms draw from `results["generator"]`.

    mmocr's, which an override may bring into the pipeline, draw from the libraries' global generators: these
    are set for each page, too.
    """

    def __getitem__(self, key: PageKey) -> Any:
        random.seed(key.seed)
        np.random.seed(key.seed % 2**32)
        torch.manual_seed(key.seed)
        page = self.get_data_info(key.index)
        page["generator"] = np.random.default_rng(key.seed)
        return self.pipeline(page)


@DATA_SAMPLERS.register_module()
class PageBatches(EpochBatches):
    """Every page once an epoch, in an order of its own."""

    def __init__(self, sampler: Any, batch_size: int, epochs: int = 1) -> None:
        super().__init__(sampler, epochs)
        self._batch_size = batch_size

    def batches(self, epoch: int) -> list[list[PageKey]]:
        count = len(self.sampler.dataset)
        rng = np.random.default_rng((self.sampler.seed, epoch))
        order: list[int] = rng.permutation(count).tolist()
        keys = [PageKey(*key) for key in zip(order, draw_seeds(rng, count), strict=True)]
        return in_batches(keys, self._batch_size)

    def count(self, epoch: int) -> int:
        del epoch
        return -(-len(self.sampler.dataset) // self._batch_size)
