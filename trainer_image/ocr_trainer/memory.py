"""How much memory this process may use: its container's limit, where there is one, and what is free."""

from pathlib import Path

_CGROUP_FILES = ("memory.max", "memory/memory.limit_in_bytes")
"""Of cgroup v2 and v1, as a container sees its own."""


def usable_memory(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes: the container's limit or what the machine has to spare, the lesser; 0 where neither is told."""
    found = [limit for name in _CGROUP_FILES if (limit := _read_limit(cgroup / name)) is not None]
    if (available := _read_available(meminfo)) is not None:
        found.append(available)
    return min(found, default=0)


def _read_limit(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # v2 says `max` where there is no limit
        return None


def _read_available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)
