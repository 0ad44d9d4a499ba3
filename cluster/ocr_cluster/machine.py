"""What a node changes on the machine besides its own: remembered before the first change, put back after.

The kubelet and the CNI plugins set kernel settings for the whole machine without asking, and make folders in
places that cannot be configured.
"""

import contextlib
import json
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# ip_forward is the last to go back: it sets the forwarding of every interface.
SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
)
# The innermost first.
FOLDERS = (
    "var/lib/kubelet/device-plugins",
    "var/lib/kubelet",
    "var/lib/cni/results",
    "var/lib/cni",
    "var/log/containers",
)


def remember(record: Path, root: Path = Path("/"), boot_id: Path = BOOT_ID) -> None:
    """Write down settings and absent folders, unless that was done before: it is the state without a node.

    A reboot resets settings and keeps folders, so after one only the settings are looked at again.
    """
    boot = boot_id.read_text().strip()
    before = json.loads(record.read_text()) if record.exists() else {}
    if before.get("boot") == boot:
        return
    settings = {name: _setting(root, name) for name in SETTINGS if _path(root, name).exists()}
    absent = before.get("absent") or [folder for folder in FOLDERS if not (root / folder).exists()]
    partial = record.with_suffix(".partial")
    partial.write_text(json.dumps({"boot": boot, "settings": settings, "absent": absent}, indent=1))
    partial.rename(record)


def restore(record: Path, root: Path = Path("/"), boot_id: Path = BOOT_ID) -> None:
    """Put settings back, remove folders that were not there and are empty now, and forget."""
    if not record.exists():
        return
    before = json.loads(record.read_text())
    if before["boot"] == boot_id.read_text().strip():
        for name, value in before["settings"].items():
            if _setting(root, name) != value:
                _path(root, name).write_text(value)
    for folder in before["absent"]:
        with contextlib.suppress(OSError):  # not empty: somebody else's by now
            (root / folder).rmdir()
    record.unlink()


def _path(root: Path, name: str) -> Path:
    return root / "proc" / "sys" / name


def _setting(root: Path, name: str) -> str:
    return _path(root, name).read_text().strip()
