"""The runtime that shares torch's work among cores: how its threads wait makes small models quick or slow.

A step of dbnet_r18_tiny is hundreds of pieces of work of a tenth of a millisecond. GNU's runtime, which torch
brings, either sleeps between two of them (235 ms a step on two cores, as slow as one thread alone) or spins
(132 ms); but two such trainings on two spinning cores take 1,000 ms a step each, and beside other work it was
up to twenty times. Intel's spins, yields to whoever wants the core, and sleeps after a while: 135 ms alone,
300 ms each for two at once. vLLM and PyTorch's tuning guide load it before torch for the same reason.
"""

import ctypes
import os
import sys
import sysconfig
from pathlib import Path

_SPIN_MILLISECONDS = "20"
"""Of 1, 20 and 200: 150, 135 and 145 ms a step alone, 335, 300 and 335 ms for two at once."""


def load_openmp() -> None:
    """Before torch is imported: Intel's runtime in the place of GNU's, or where it isn't installed, sleeping.

    Once torch is there it has its runtime, and nothing is changed.
    """
    if "torch" in sys.modules:
        return
    library = Path(sysconfig.get_path("data")) / "lib" / "libiomp5.so"
    os.environ.setdefault("KMP_BLOCKTIME", _SPIN_MILLISECONDS)
    try:
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)  # torch's calls find the first runtime there is
    except OSError:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
