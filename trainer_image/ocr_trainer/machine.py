"""What the machine offers to a training: processors the pod may use, loader processes, an accelerator."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ocr_trainer.memory import usable_memory

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
    """Mixed precision, where the hardware computes it: elsewhere a CPU is slower with it."""
    memory: int = 0
    """Bytes that all its processes together may use."""
    processes: int = 1
    """Of one training: one for each GPU."""


def this_machine(processes: int = 1) -> Machine:
    """What this process finds; imports torch.

    processes: wanted to train together, a GPU each; without GPUs they share the processors.
    """
    import torch

    gpus = torch.cuda.device_count()
    processes = max(1, min(processes, gpus) if gpus else processes)
    count = max(1, processors() // processes)
    roomy = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= _SHARED_MEMORY_NEEDED
    amp: Literal["float16", "bfloat16"] | None
    if gpus:
        amp = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    else:
        amp = "bfloat16" if _cpu_has_bf16() else None
    return Machine(
        threads=count,
        workers=2 if count >= 4 and roomy else 0,
        device="cuda" if gpus else "cpu",
        amp=amp,
        memory=usable_memory(),
        processes=processes,
    )


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies matrices in bf16: AMX.

    Emulated, bf16 is ten times slower than float32. With avx512_bf16 alone it was slower, too: 10 % for a
    DBNet of ResNet-18, 45 % for SATRN.
    """
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):  # torch of before 2.13 doesn't tell
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
