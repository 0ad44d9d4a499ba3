"""Processes that outlive the command which started them, and how to be sure which process a number means.

There are no pid files: a number in a file may long belong to somebody else. Each process carries its node's
folder and its component's name in its environment, which its descendants (containerd's shims) inherit, so
what belongs to a node is read from /proc, also after a crash. Signals go through a pidfd and are checked
against the start time, so that a reused number is never hit.
"""

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "OCR_CLUSTER_MEMBER"


@dataclass(frozen=True)
class Member:
    """A live process of some node."""

    pid: int
    started: int  # clock ticks after boot: with the pid it names one process for as long as the machine is up
    folder: Path
    component: str
    leads: bool  # the component itself, not a descendant


def spawn(folder: Path, component: str, command: list[str], log: Path, temporary: Path) -> int:
    """Start the component in a session of its own, its output appended to the log; its pid, when it shows.

    temporary: where it puts what it needs for a while. BuildKit mounts there, and forgets to clear it away.
    """
    environment = {**os.environ, MARK: f"{component}:{folder}", "TMPDIR": str(temporary)}
    log.parent.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(parents=True, exist_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawnp(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    # The kernel lets us go on shortly before the new program's environment can be read.
    while read_member(pid) is None and not _has_ended(pid):
        time.sleep(0.001)
    return pid


def members(folder: Path | None = None) -> list[Member]:
    """Every live member of the node in that folder, or of any node on this machine."""
    found = (read_member(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [member for member in found if member and (folder is None or member.folder == folder)]


def read_member(pid: int) -> Member | None:
    """What the process says it is; None where it is not there, is dead, or belongs to no node."""
    process = Path(f"/proc/{pid}")
    try:
        variables = process.joinpath("environ").read_bytes().split(b"\0")
        fields = process.joinpath("stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, session, started = fields[0], int(fields[3]), int(fields[19])
    mark = next((v for v in variables if v.startswith(MARK.encode() + b"=")), None)
    if mark is None or state in "ZX":
        return None
    component, _, folder = os.fsdecode(mark).partition("=")[2].partition(":")
    return Member(pid, started, Path(folder), component, leads=session == pid)


def send(member: Member, number: signal.Signals) -> bool:
    """Signal exactly that process; False when it is gone, whoever has its number now."""
    try:
        handle = os.pidfd_open(member.pid)
    except ProcessLookupError:
        return False
    try:
        if read_member(member.pid) != member:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def stop(stopped: list[Member], patience: float = 10.0) -> None:
    """Ask all at once, wait, and kill those that are still there after the seconds of patience."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        told = [member for member in stopped if send(member, number)]
        deadline = time.monotonic() + seconds
        for member in told:
            _wait(member, deadline)


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait(member: Member, deadline: float) -> None:
    try:
        handle = os.pidfd_open(member.pid)
    except ProcessLookupError:
        return
    try:
        if read_member(member.pid) == member:
            select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
    finally:
        os.close(handle)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(member.pid, os.WNOHANG)  # ours if this very process had started it


def listens(path: Path) -> bool:
    """Whether a server answers on the Unix socket: one that was killed leaves its file."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def last_lines(path: Path, count: int = 8) -> str:
    """The end of a log, for an error's message."""
    if not path.exists():
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
