"""Run a slow command and let the person who waits see that it moves: elapsed time and its last line."""

import os
import subprocess
import time
from pathlib import Path

from ocr_cluster.errors import BuildError
from ocr_cluster.processes import last_lines

EVERY_SECONDS = 15.0


def run(
    command: list[str],
    *,
    log: Path,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    timeout: float = 3600.0,
) -> None:
    """Run it with all output into the log; BuildError with the log's end when it fails or takes too long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = shown = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while (status := _wait(process)) is None:
                now = time.monotonic()
                if now - started > timeout:
                    raise BuildError(f"{command[0]} took more than {timeout:.0f} s; its output is in {log}")
                if now - shown >= EVERY_SECONDS:
                    shown = now
                    print(f"    {now - started:4.0f} s  {last_lines(log, 1)[:90]}", flush=True)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if status != 0:
        words = " ".join(command[:3])
        raise BuildError(
            f"{words} … ended with status {status}; all of it is in {log}:\n{last_lines(log, 15)}"
        )


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        return None
