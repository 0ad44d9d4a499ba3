"""When a training shall stop: on a signal, at the same step on every rank."""

import threading

import torch
from mmengine.dist import get_world_size
from torch import distributed


class Stopping:
    """One process's flag and, with several, the question to all of them."""

    def __init__(self, flag: threading.Event) -> None:
        self._flag = flag
        # A group of its own on the CPU: with the GPUs' every question would make the processor wait for them.
        self._group = distributed.new_group(backend="gloo") if get_world_size() > 1 else None

    def here(self) -> bool:
        """Whether this process was asked to."""
        return self._flag.is_set()

    def anywhere(self) -> bool:
        """Whether any rank was: all ranks ask, and all get the same answer."""
        if self._group is None:
            return self._flag.is_set()
        asked = torch.tensor(int(self._flag.is_set()))
        distributed.all_reduce(asked, distributed.ReduceOp.MAX, self._group)
        return bool(asked)
