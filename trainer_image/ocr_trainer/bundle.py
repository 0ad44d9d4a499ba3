"""pthModel.zip: both models with what is needed to use them, to check them and to know where they come from.

Equal contents give equal bytes: members have a fixed order and time.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

_TIME = (1980, 1, 1, 0, 0, 0)
SUMS = "SHA256SUMS"


def write_bundle(target: BinaryIO, members: Mapping[str, Path | bytes], written: Callable[[], None]) -> None:
    """Pack the members by their names, with their sums; written: called after each of them."""
    sums = {}
    with zipfile.ZipFile(target, "w") as bundle:
        for name in sorted(members):
            content = members[name]
            sums[name] = (
                _add_bytes(bundle, name, content)
                if isinstance(content, bytes)
                else _add_file(bundle, name, content)
            )
            written()
        # As `sha256sum -c` reads them.
        _add_bytes(bundle, SUMS, "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())


def file_hash(path: Path) -> str:
    """SHA-256 of the file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add_bytes(bundle: zipfile.ZipFile, name: str, data: bytes) -> str:
    bundle.writestr(_entry(name, zipfile.ZIP_DEFLATED), data)
    return hashlib.sha256(data).hexdigest()


def _add_file(bundle: zipfile.ZipFile, name: str, path: Path) -> str:
    """Weights are stored as they are: noise doesn't compress."""
    with path.open("rb") as source, bundle.open(
        _entry(name, zipfile.ZIP_STORED), "w", force_zip64=True
    ) as target:  # fmt: skip
        shutil.copyfileobj(source, target, 1 << 20)
    return file_hash(path)


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16
    entry.compress_type = method
    return entry
