"""torch's threads wait for each other as Intel's runtime lets them: quick alone, out of the way of others."""

import os
import subprocess
import sys

ASK_TORCH = "import torch; torch.set_num_threads(2)"


def told_by_the_runtime(program: str) -> str:
    """What Intel's OpenMP says of its settings when it begins; nothing where another one does the work."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KMP_", "OMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment | {"KMP_SETTINGS": "1"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stderr


def test_torch_computes_with_the_runtime_that_was_loaded_before_it() -> None:
    told = told_by_the_runtime(f"from ocr_trainer.openmp import load_openmp; load_openmp(); {ASK_TORCH}")
    assert "KMP_BLOCKTIME=20\n" in told


def test_a_torch_that_is_there_already_keeps_its_runtime() -> None:
    told = told_by_the_runtime(
        f"import torch; from ocr_trainer import openmp; openmp.load_openmp(); {ASK_TORCH}"
    )
    assert "KMP_BLOCKTIME" not in told
    assert told_by_the_runtime(ASK_TORCH) == told


def test_where_it_is_not_installed_waiting_threads_sleep() -> None:
    program = (
        "import os, sysconfig; sysconfig.get_path = lambda name: '/nowhere'\n"
        "from ocr_trainer.openmp import load_openmp; load_openmp()\n"
        f"{ASK_TORCH}; assert os.environ['OMP_WAIT_POLICY'] == 'PASSIVE'"
    )
    assert "KMP_BLOCKTIME" not in told_by_the_runtime(program)
