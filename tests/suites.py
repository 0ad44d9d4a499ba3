"""Run the named test suites one after another and say how long each took.

The suites differ in what they may use at the same time: quick ones run side by side, a training wants both
cores, and the machine has one embedded node. `suites.py quick` runs one, `suites.py quick training e2e` all.
"""

import subprocess
import sys
import time
from pathlib import Path

SUITES = {
    "quick": ["tests", "-n", "2", "--dist", "worksteal", "-m", "not training and not e2e"],
    "training": ["tests", "-m", "training"],
    "e2e": ["tests", "-m", "e2e"],
    "browser": ["tests/browser", "-n", "2", "--dist", "worksteal"],  # parts of the quick one
    "chart": ["tests/chart", "-n", "2", "--dist", "worksteal"],
}


def run(name: str) -> tuple[int, float]:
    """The suite's exit status and the seconds it took."""
    started = time.monotonic()
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", "pytest", "--durations=5", *SUITES[name]]
    status = subprocess.run(command, cwd=Path(__file__).resolve().parents[1], check=False).returncode
    return status, time.monotonic() - started


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SUITES]
    if unknown or not names:
        print(f"usage: suites.py {' '.join(SUITES)}   (any of them)", file=sys.stderr)
        return 64
    results = {name: run(name) for name in names}
    print("== suites")
    for name, (status, seconds) in results.items():
        print(f"{name:10} {'passed' if status == 0 else f'FAILED ({status})'} in {seconds:.0f} s")
    return max(status for status, _ in results.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
