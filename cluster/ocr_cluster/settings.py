"""The machine's kernel settings that a node changes: remembered before the first change, put back at the end.

The kubelet and the CNI plugins set them for the whole machine without asking.
"""

import json
from pathlib import Path

PROC_SYS = Path("/proc/sys")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# ip_forward is the last to go back: it sets the forwarding of every interface.
CHANGED = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
)


def remember(record: Path, root: Path = PROC_SYS, boot_id: Path = BOOT_ID) -> None:
    """Write the values down, unless a record of this boot exists: it was made before the first change."""
    boot = boot_id.read_text().strip()
    if record.exists() and json.loads(record.read_text())["boot"] == boot:
        return
    values = {name: (root / name).read_text().strip() for name in CHANGED if (root / name).exists()}
    partial = record.with_suffix(".partial")
    partial.write_text(json.dumps({"boot": boot, "values": values}, indent=1))
    partial.rename(record)


def restore(record: Path, root: Path = PROC_SYS, boot_id: Path = BOOT_ID) -> None:
    """Put the values back and forget them; a record of an earlier boot is only forgotten."""
    if not record.exists():
        return
    document = json.loads(record.read_text())
    if document["boot"] == boot_id.read_text().strip():
        for name, value in document["values"].items():
            if (root / name).read_text().strip() != value:
                (root / name).write_text(value)
    record.unlink()
