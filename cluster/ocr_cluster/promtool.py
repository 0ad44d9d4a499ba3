"""promtool, which checks and tests alerts, taken out of Debian's package of Prometheus.

Not installed: the package would start a server on this machine and bring its users, folders and timers.
"""

import tempfile
from pathlib import Path

from ocr_cluster import progress
from ocr_cluster.errors import BuildError

PACKAGE = "prometheus"


def bring_promtool(binaries: Path) -> bool:
    """Put it into the binaries' folder unless it is there; whether it was brought."""
    tool, stamp = binaries / "promtool", binaries / "stamps" / "promtool"
    if tool.exists() and stamp.exists() and stamp.read_text() == PACKAGE:
        return False
    print("unpacking promtool from Debian's prometheus (20 MB)", flush=True)
    with tempfile.TemporaryDirectory(dir=binaries) as name:
        folder = Path(name)
        _download(folder, binaries / "log" / "promtool.log")
        (package,) = folder.glob("*.deb")
        progress.run(["dpkg-deb", "-x", str(package), str(folder)], log=binaries / "log" / "promtool.log")
        (folder / "usr/bin/promtool").rename(tool)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(PACKAGE)
    return True


def _download(folder: Path, log: Path) -> None:
    """With fresh package lists where those that are there know nothing of it or are outdated."""
    download = ["apt-get", "download", PACKAGE]
    try:
        progress.run(download, log=log, cwd=folder)
    except BuildError:
        progress.run(["apt-get", "update"], log=log)
        progress.run(download, log=log, cwd=folder)
