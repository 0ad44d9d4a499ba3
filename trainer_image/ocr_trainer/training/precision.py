"""Mixed precision on a processor that multiplies bf16 itself; mmengine's own wrapper is for GPUs only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):  # type: ignore[misc]
    """Forward and loss under autocast; weights, gradients and steps stay float32, so nothing is scaled."""

    def __init__(self, dtype: str = "bfloat16", **options: Any) -> None:
        super().__init__(**options)
        self._dtype: torch.dtype = getattr(torch, dtype)

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast("cpu", self._dtype):
            yield
