"""What a self-test takes away after itself, whatever came before: its project, its folder on the volume."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ocr_api.selftest.errors import Refused, Unreachable
from ocr_api.selftest.steps import Bench

_PATIENCE_SECONDS = 15.0
_SETTLED_SECONDS = 3.0
"""A pod that was just starting when its project went makes its folder anew within this."""


@dataclass
class Traces:
    """How far the self-test came."""

    uploaded: bool = False
    ended: bool = False
    """The run has succeeded: no pod can be at work any more."""


def clean(bench: Bench, traces: Traces) -> list[str]:
    """Sentences on what could not be taken away."""
    left = _remove_project(bench)
    if bench.volume is not None:
        left += _remove_data(bench, bench.volume / bench.data, traces)
    elif traces.uploaded:
        bench.say(f"{bench.data} stays on the volume, which is not mounted here: remove it there")
    if not left:
        bench.say(
            "the self-test's project and data are removed" if bench.volume else "its project is removed"
        )
    return left


def _remove_project(bench: Bench) -> list[str]:
    def gone() -> bool:
        try:
            bench.client.delete(bench.project)
        except Refused as error:
            if error.status == 404:
                return True
            problems.append(str(error))
        except Unreachable as error:
            problems.append(str(error))
        return False

    problems = ["it is still there"]
    if _eventually(gone):
        return []
    return [
        f"project {bench.project_id} could not be deleted ({problems[-1]}): "
        f"kubectl delete ocrproject {bench.project_id}"
    ]


def _remove_data(bench: Bench, folder: Path, traces: Traces) -> list[str]:
    if traces.uploaded and not folder.is_dir():
        return [f"{bench.data} stays on the facade's volume: remove it there"]
    problems = ["it is still there"]

    def gone() -> bool:
        shutil.rmtree(folder, onerror=lambda _call, _path, error: problems.append(str(error[1])))
        return not folder.exists()

    if _eventually(gone):
        time.sleep(0 if traces.ended or not traces.uploaded else _SETTLED_SECONDS)
        if not folder.exists() or _eventually(gone):
            return []
    return [f"{bench.data} could not be removed from the volume ({problems[-1]}): remove it there"]


def _eventually(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
