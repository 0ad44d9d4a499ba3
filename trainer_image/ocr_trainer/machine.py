"""What the machine offers to a training: processors the pod may use, loader processes, an accelerator."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SHARED_MEMORY = Path("/dev/shm")
_SHARED_MEMORY_NEEDED = 256 << 20


def processors(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Processors this process may use: its affinity, cut by the container's quota (1.5 are 2; 1 at least)."""
    available = len(os.sched_getaffinity(0))
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return available
    return available if quota == "max" else max(1, min(available, int(int(quota) / int(period) + 0.5)))


@dataclass(frozen=True)
class Machine:
    """The settings that follow from the machine, not from the user."""

    threads: int = 1
    workers: int = 0
    """Loader processes: 0 or 2 (one is slower than none, and two need processors of their own)."""
    device: Literal["cpu", "cuda"] = "cpu"
    amp: Literal["float16", "bfloat16"] | None = None
    """Mixed precision, on an accelerator only: without native bf16 a CPU is slower with it."""


def let_waiting_threads_sleep() -> None:
    """Before torch is imported: OpenMP threads that wait for each other sleep instead of spinning.

    On cores that others use too, spinning made small models 20 times slower.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def this_machine() -> Machine:
    """What this process finds; imports torch."""
    import torch

    count = processors()
    roomy = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= _SHARED_MEMORY_NEEDED
    workers = 2 if count >= 4 and roomy else 0
    if not torch.cuda.is_available():
        return Machine(threads=count, workers=workers)
    amp: Literal["float16", "bfloat16"] = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return Machine(threads=count, workers=workers, device="cuda", amp=amp)
