"""One command at a time changes the machine's node, whichever checkout it comes from.

The lock is a listening abstract Unix socket: the kernel drops it with its holder, there is no file to go
stale, and whoever waits can ask the kernel for the holder's pid.
"""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocr_cluster.errors import NodeBusy

ADDRESS = "\0ocr-cluster/node"


@contextmanager
def node_lock(seconds: float = 600.0, address: str = ADDRESS) -> Iterator[None]:
    """Hold the machine's lock; NodeBusy names the holder when it isn't free within the seconds."""
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as lock:
        while not _bound(lock, address):
            if time.monotonic() > deadline:
                raise NodeBusy(f"another command works on this machine's node: {_holder(address)}")
            time.sleep(0.2)
        lock.listen()
        yield


def _bound(lock: socket.socket, address: str) -> bool:
    try:
        lock.bind(address)
    except OSError:
        return False
    return True


def _holder(address: str) -> str:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return "it has just ended"
    pid: int = struct.unpack("3i", credentials)[0]
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        command = ""
    return f"pid {pid}, {command.strip()}"
