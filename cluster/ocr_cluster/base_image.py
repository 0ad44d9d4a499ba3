"""A stand-in for python:3.11-slim where that cannot be pulled: Debian's base and this machine's CPython.

It is for this machine only, never to be published: it trusts the certificate authorities that the machine
trusts, because its builds go through the same network. One archive is kept outside the checkout, so that a
fresh clone need not make it again.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from ocr_cluster import oci, progress
from ocr_cluster.errors import BuildError

SUITE = "bookworm"
# Shared libraries that CPython's own modules are linked with, and what python:slim has besides.
PACKAGES = (
    "ca-certificates", "netbase", "tzdata", "libssl3", "libffi8", "libsqlite3-0", "libbz2-1.0", "liblzma5",
    "libreadline8", "libncursesw6", "libuuid1", "libexpat1",
)  # fmt: skip
MACHINE_AUTHORITIES = Path("/usr/local/share/ca-certificates")
ENVIRONMENT = ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
LEFT_OUT = {"site-packages", "test", "tests", "__pycache__", "idlelib", "turtledemo"}


def ensure_archive(name: str, work: Path) -> Path:
    """The archive of the image under that full name, made in the work folder unless the cache has it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocrproject"
    archive = cache / f"python-{key(Path(sys.base_prefix))}.tar"
    if archive.exists():
        return archive
    print("    debootstrap, then CPython: about two minutes, once on this machine", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    root, layer = work / "rootfs", work / "layer.tar"
    progress.run(
        ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)],
        log=work / "debootstrap.log",
    )
    install_python(Path(sys.base_prefix), root)
    trust_machine(root)
    slim(root)
    with tarfile.open(layer, "w") as tar:
        tar.add(root, ".")
    partial = archive.with_suffix(f".{os.getpid()}.partial")
    oci.write_image(partial, name, layer, command=["python3"], environment=ENVIRONMENT)
    partial.rename(archive)
    shutil.rmtree(work)
    return archive


def key(prefix: Path) -> str:
    """What the image is made of, in one short word: this recipe, the interpreter, the authorities."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(f"{sys.version} {prefix}".encode())
    for path in sorted(MACHINE_AUTHORITIES.glob("*.crt")):
        digest.update(path.read_bytes())
    return f"{platform.python_version()}-{digest.hexdigest()[:12]}"


def install_python(prefix: Path, root: Path) -> None:
    """Copy the interpreter to /usr/local, where the public image has it, and give it pip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not (prefix / "bin" / version).exists() or prefix == Path("/usr"):
        raise BuildError(
            f"no stand-in for python:3.11-slim from {prefix}: it takes a CPython installed in a "
            "folder of its own, as pyenv and uv install it"
        )
    local = root / "usr" / "local"
    shutil.copy2(prefix / "bin" / version, local / "bin" / version)
    for link, to in (("python3", version), ("python", "python3"), ("pip", "pip3")):
        (local / "bin" / link).symlink_to(to)
    for library in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, local / "lib", follow_symlinks=False)

    def ignored(_folder: str, names: list[str]) -> set[str]:
        return {n for n in names if n in LEFT_OUT or n.startswith("config-") or n.endswith(".a")}

    shutil.copytree(prefix / "lib" / version, local / "lib" / version, symlinks=True, ignore=ignored)
    (local / "lib" / version / "site-packages").mkdir()
    _inside(root, "ldconfig")
    _inside(root, "/usr/local/bin/python3", "-m", "ensurepip")
    _inside(root, "/usr/local/bin/python3", "-c", "import bz2, ctypes, lzma, readline, sqlite3, ssl, uuid")


def trust_machine(root: Path) -> None:
    """Give the image the authorities that an administrator added to this machine, for pip too."""
    for path in MACHINE_AUTHORITIES.glob("*.crt"):
        shutil.copy2(path, root / MACHINE_AUTHORITIES.relative_to("/"))
    _inside(root, "update-ca-certificates")
    (root / "etc" / "pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")


def slim(root: Path) -> None:
    """Remove what an image need not carry."""
    for pattern in ("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "usr/share/doc/*",
                    "usr/share/man/*", "usr/share/locale/*", "var/log/*"):  # fmt: skip
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _inside(root: Path, *command: str) -> None:
    environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["chroot", str(root), *command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)} in the stand-in image: {done.stderr.strip()}")
