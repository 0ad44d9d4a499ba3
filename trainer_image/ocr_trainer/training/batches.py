"""Which items make a batch, and with which randomness: a pure function of seed, epoch and position.

A batch is the same whichever process, loader worker or rank makes it and whatever was loaded before, so a
training that goes on after a stop sees what an uninterrupted one would have seen. Each item's key holds a
seed, and a data set draws from nothing but a generator made of that seed.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

Key = TypeVar("Key")

_COUNTED_ITEMS = 20_000_000
"""Batches of longer trainings are counted for the first epochs only: a few seconds' work."""


def draw_seeds(rng: np.random.Generator, count: int) -> list[int]:
    """A seed for each of so many items."""
    seeds: list[int] = rng.integers(0, 2**63, count).tolist()
    return seeds


def mix(*parts: int) -> int:
    """One seed made of several numbers; 64 bits."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])


class EpochBatches:
    """A batch sampler: deals an epoch's batches out to the ranks in turn. A subclass says what they are.

    sampler: mmengine's DefaultSampler, which knows seed, epoch, rank and number of ranks.
    """

    def __init__(self, sampler: Any, epochs: int = 1) -> None:
        self.sampler, self._epochs = sampler, epochs
        self.begin = 0
        """Batches of the epoch that were trained before: they are not even loaded."""
        self.seen: list[int] = []
        """Of the running epoch: items in all ranks' batches up to and with each of this rank's."""
        self._steps: int | None = None

    def batches(self, epoch: int) -> list[list[Any]]:
        """All batches of the epoch, of lists of keys."""
        raise NotImplementedError

    def count(self, epoch: int) -> int:
        """How many they are, without making them where that is quicker."""
        return len(self.batches(epoch))

    def heaviest(self) -> list[Any]:
        """The batch of the last epoch that needs the most memory."""
        return max(self.batches(self._epochs - 1), key=self.weight)

    def weight(self, batch: list[Any]) -> int:
        """A measure of the memory that the batch needs."""
        return len(batch)

    def steps(self) -> int:
        """Batches of a rank in the whole training; counted once, for mmengine asks in every step."""
        if self._steps is None:
            self._steps = self._count_steps()
        return self._steps

    def _count_steps(self) -> int:
        items = max(1, len(self.sampler.dataset))
        counted = min(self._epochs, max(1, _COUNTED_ITEMS // items))
        ranks: int = self.sampler.world_size
        per_epoch = [-(-self.count(epoch) // ranks) for epoch in range(counted)]
        return sum(per_epoch) + (self._epochs - counted) * per_epoch[-1]

    def __len__(self) -> int:
        """Batches of a rank in an average epoch: schedules go by it, and shall end with the training."""
        return max(1, round(self.steps() / self._epochs))

    def __iter__(self) -> Iterator[list[Any]]:
        batches, ranks = self.batches(self.sampler.epoch), self.sampler.world_size
        batches = batches + batches[: -len(batches) % ranks]  # as many for every rank
        sizes = list(accumulate(map(len, batches)))
        self.seen = sizes[ranks - 1 :: ranks]
        yield from batches[self.sampler.rank :: ranks][self.begin :]


def in_batches(keys: list[Key], size: int) -> list[list[Key]]:
    return [keys[begin : begin + size] for begin in range(0, len(keys), size)]
