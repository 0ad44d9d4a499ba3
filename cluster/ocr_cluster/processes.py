"""Processes that outlive the command which started them, and how to be sure which process a number means."""

from pathlib import Path


def last_lines(path: Path, count: int = 8) -> str:
    """The end of a log, for an error's message."""
    if not path.exists():
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
