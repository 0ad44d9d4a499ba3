"""What a node leaves on the machine when its components no longer can clean up: found and taken away.

Nothing here asks containerd or the API server, so it works after any crash. Each thing is known as ours by
the mark on its process, by lying in our cgroup, below our folder, or under our network's name.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from ocr_cluster import machine, network, processes
from ocr_cluster.errors import ClusterError
from ocr_cluster.node_config import CGROUP, Layout

CGROUPS = Path("/sys/fs/cgroup")


def sweep(layout: Layout) -> None:
    """End, unmount and remove everything of that node but its state; put the kernel's settings back."""
    # The cgroup and the network's name are the same for every folder: they are those of the bridge's owner.
    alone = network.owner_of_bridge() in (None, str(layout.folder))
    shims = shim_sockets(layout.run)
    processes.stop(processes.members(layout.folder))
    if alone:
        _kill_cgroup()
    for point in mounts_below(layout.state):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
    if left := mounts_below(layout.state):
        raise ClusterError(f"these mounts could not be taken away: {', '.join(left)}")
    for path in (*shims, *_cached_addresses(layout)):
        path.unlink(missing_ok=True)
    if alone:
        _remove_cgroup()
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(layout.state):
            link.unlink()
    _remove_device_plugin_socket()
    machine.restore(layout.machine_record)
    shutil.rmtree(layout.run, ignore_errors=True)
    network.down(str(layout.folder))  # last: the bridge says whose all of this was


def make_cgroups() -> None:
    """The cgroup below which every pod and every build lives, in each hierarchy (one on cgroup v2)."""
    for hierarchy in _hierarchies():
        (hierarchy / CGROUP).mkdir(exist_ok=True)


def mounts_below(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> list[str]:
    """Mount points in the folder, the innermost first."""
    points = [unescape(line.split()[4]) for line in mountinfo.read_text().splitlines()]
    return sorted((p for p in points if Path(p).is_relative_to(folder)), reverse=True)


def unescape(text: str) -> str:
    """A path as the kernel's tables write it: blanks and backslashes are octal there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def shim_sockets(run: Path) -> list[Path]:
    """Sockets of containerd's shims. containerd keeps them in a folder of its own choice and says where."""
    addresses = (
        path.read_text() for path in run.glob("containerd/io.containerd.runtime.v2.task/*/*/address")
    )
    return [Path(address.removeprefix("unix://")) for address in addresses if address.startswith("unix://")]


def _remove_device_plugin_socket() -> None:
    """The kubelet's only fixed path. Whoever listens there now is another kubelet."""
    path = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
    if path.is_socket() and not processes.listens(path):
        path.unlink()


def _cached_addresses(layout: Layout) -> list[Path]:
    """What the CNI library remembers about the node's pods, in a folder that all runtimes share."""
    pods = (layout.state / "containerd" / "io.containerd.grpc.v1.cri" / "sandboxes").glob("*")
    return [path for pod in pods for path in Path("/var/lib/cni/results").glob(f"*-{pod.name}-*")]


def _hierarchies() -> list[Path]:
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [h for h in CGROUPS.iterdir() if h.is_dir() and not h.is_symlink()]  # a link is a second name


def _groups() -> list[Path]:
    """Our cgroups, the innermost first."""
    tops = [hierarchy / CGROUP for hierarchy in _hierarchies() if (hierarchy / CGROUP).is_dir()]
    return sorted((Path(path) for top in tops for path, _, _ in os.walk(top)), reverse=True)


def _kill_cgroup() -> None:
    """Kill what still runs in our cgroups: containers whose shim is gone."""
    deadline = time.monotonic() + 10
    while pids := {int(pid) for group in _groups() for pid in _pids(group)}:
        if time.monotonic() > deadline:
            raise ClusterError(f"processes in the cgroup {CGROUP} did not end: {sorted(pids)}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _pids(group: Path) -> list[str]:
    try:
        return (group / "cgroup.procs").read_text().split()
    except OSError:
        return []


def _remove_cgroup() -> None:
    for group in _groups():
        with contextlib.suppress(FileNotFoundError):
            group.rmdir()
