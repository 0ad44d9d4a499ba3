"""How large a batch may be: found by really training on the heaviest one that the data can give.

Asked for `batchSize: 0` on a GPU, and after a step that ran out of memory, to name what would have fitted.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch

from ocr_trainer.errors import BadConfiguration
from ocr_trainer.training.kinds import Kind

logger = logging.getLogger(__name__)

_HEADROOM = 0.9
"""Of the GPU's memory: the allocator's leftovers grow over hours, and other processes want some."""
_PRECISION = 16
"""A sixteenth of the size is close enough; each try costs seconds."""


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """The largest size up to `most` for which `fits` holds, a sixteenth less at worst; 0 if 1 doesn't."""
    good, bad = 0, most + 1
    size = 1
    while size < bad:
        if fits(size):
            good = size
            size = min(size * 2, most) if size < most else bad
        else:
            bad = size
    while bad - good > max(1, good // _PRECISION):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


class Probe:
    """Trains single steps on the heaviest batch of each size, with a model that is thrown away."""

    def __init__(self, config: Any, model: Any = None) -> None:
        """model: built from the configuration unless given."""
        from mmengine.device import get_device
        from mmengine.optim import build_optim_wrapper
        from mmocr.registry import DATASETS, MODELS

        self._loader = config.train_dataloader
        self._dataset = DATASETS.build(self._loader.dataset)
        layout = torch.channels_last if config.channels_last else torch.preserve_format
        self._model = model or MODELS.build(config.model).to(get_device(), memory_format=layout)
        self._optim_wrapper = build_optim_wrapper(self._model, config.optim_wrapper)

    @property
    def most(self) -> int:
        """A batch never holds more than all items."""
        return len(self._dataset)

    def fits(self, batch_size: int) -> bool:
        from mmengine.dataset import DefaultSampler, pseudo_collate
        from mmocr.registry import DATA_SAMPLERS

        sampler = DefaultSampler(self._dataset, shuffle=True, seed=0)
        batches = DATA_SAMPLERS.build(
            self._loader.batch_sampler, default_args={"sampler": sampler, "batch_size": batch_size}
        )
        data = pseudo_collate([self._dataset[key] for key in batches.heaviest()])
        self._model.train()
        try:
            self._model.train_step(data, self._optim_wrapper)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            self._optim_wrapper.zero_grad(set_to_none=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return True


def is_out_of_memory(error: BaseException) -> bool:
    """torch's own error on a GPU; on a CPU it is a RuntimeError of its allocator."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def find_batch_size(config: Any, kind: Kind) -> int:
    """The largest batch that this GPU trains; BadConfiguration if not even one item fits."""
    found = _search(config)
    if not found:
        raise BadConfiguration(
            f"{kind.stage}.batchSize 0: not even 1 fits the memory; {_SMALLER}", reason="OutOfMemory"
        )
    logger.info("Found that batches of %d fit the memory", found)
    return found


_SMALLER = "take a smaller preset"


def explain_out_of_memory(config: Any, kind: Kind) -> BadConfiguration:
    """Names the batch that was too large and, found by trying, one that fits."""
    batch_size = int(config.train_dataloader.batch_size)
    named = f"{kind.stage}.batchSize {batch_size} doesn't fit the memory"
    try:
        found = _search(config, below=batch_size)
        advice = f"{found} fits" if found else f"not even 1 does, so {_SMALLER}"
    except (RuntimeError, MemoryError):  # nothing is left to try with
        advice = f"try {batch_size // 2}" if batch_size > 1 else _SMALLER
    return BadConfiguration(f"{named}: {advice}", reason="OutOfMemory")


def _search(config: Any, below: int | None = None) -> int:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(_HEADROOM)
    try:
        probe = Probe(config)
        return largest_that_fits(probe.fits, min(probe.most, (below or probe.most + 1) - 1))
    finally:
        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(1.0)
