"""Ports that nobody else takes between the moment they are chosen and the moment a server listens on them.

Asking the kernel for port 0 and closing it again would leave that gap, and test workers start at the same
time. A claim is an abstract Unix socket: it needs no file and the kernel drops it with its holder.
"""

import socket

from ocr_cluster.errors import ClusterError

# Below the range that the kernel gives to outgoing connections (from 32768).
FIRST, LAST = 21000, 31000


class PortClaim:
    """A number of consecutive free TCP ports of 127.0.0.1, held until release()."""

    def __init__(self, count: int) -> None:
        for base in range(FIRST, LAST, count):
            self.ports = tuple(range(base, base + count))
            # Each port by itself: claims of different sizes overlap, and a server may be away for a while.
            self._claims = [claim for port in self.ports if (claim := _claim(port))]
            if len(self._claims) == count and all(is_free(port) for port in self.ports):
                return
            self.release()
        raise ClusterError(f"no {count} free ports in a row between {FIRST} and {LAST}")

    def release(self) -> None:
        for claim in self._claims:
            claim.close()


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def _claim(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0ocr-cluster/ports/{port}")
    except OSError:
        claim.close()
        return None
    return claim
