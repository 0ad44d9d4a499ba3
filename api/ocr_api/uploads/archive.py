"""A zip from anybody, unpacked into an empty folder: within bounds, under safe names, or not at all.

What a zip says of itself is believed only where that is harmless: sizes are checked before anything is
written and Python's reader gives out no byte more than was declared.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ocr_api.errors import BadRequest, TooLarge
from ocr_contract.volume import OWN_NAMES

MAX_RATIO = 200
"""Unpacked bytes for each packed one; pictures don't shrink, annotations by ten to thirty."""
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
"""Of the zip's list of contents, which is held in memory: enough for 150,000 files."""
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 1000
_CHUNK = 1024 * 1024
_JUNK = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    ValueError,
)


@dataclass(frozen=True)
class Unpacked:
    files: int
    bytes: int
    left_out: tuple[str, ...]
    """Files that were not taken: rubbish of desktops, and names that are the service's own."""


def unpack(
    archive: Path, target: Path, max_bytes: int, told: Callable[[int, int], None] = lambda _done, _total: None
) -> Unpacked:
    """Unpack into `target`, which must not exist. BadRequest or TooLarge name the entry that is at fault.

    told: called with how many files are written, of how many.
    """
    with archive.open("rb") as file:
        try:
            reader = zipfile.ZipFile(_Bounded(file))
        except _BROKEN as error:
            raise BadRequest(f"this is no zip that can be read: {error}") from None
        with reader:
            taken, left_out = _plan(reader.infolist(), max_bytes)
            target.mkdir(parents=True)
            for number, (entry, path) in enumerate(taken):
                told(number, len(taken))
                _write(reader, entry, target / path)
            told(len(taken), len(taken))
    return Unpacked(len(taken), sum(entry.file_size for entry, _ in taken), tuple(left_out))


Plan = list[tuple[zipfile.ZipInfo, PurePosixPath]]


def _plan(entries: Sequence[zipfile.ZipInfo], max_bytes: int) -> tuple[Plan, list[str]]:
    """What goes where, and what is left out."""
    found: Plan = []
    left_out: list[str] = []
    for entry in entries:
        name = _name(entry)
        if name.endswith("/"):
            continue
        path = _safe(name)
        _check(entry, name)
        if _JUNK.intersection(path.parts) or path.name.startswith("._"):
            left_out.append(name)
        else:
            found.append((entry, path))
    _check_sizes([entry for entry, _ in found], max_bytes)
    taken: Plan = []
    for entry, path in _without_common_folder(found):
        if path.parts[0] in OWN_NAMES:
            left_out.append(str(path))
        else:
            taken.append((entry, path))
    if not taken:
        raise BadRequest("the zip holds no images and no annotations")
    _check_unique([path for _, path in taken])
    return taken, left_out


def _name(entry: zipfile.ZipInfo) -> str:
    """The name as its author wrote it: not flagged as UTF-8 it may still be that, or Windows' Chinese."""
    if entry.flag_bits & _UTF8_FLAG:
        return entry.filename
    raw = entry.filename.encode("cp437")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return entry.filename


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    bad = (
        "is an absolute path" if path.is_absolute() or (len(name) > 1 and name[1] == ":")
        else "leads out of the zip" if ".." in path.parts
        else "holds a backslash or a control character" if "\\" in name or any(ord(c) < 32 for c in name)
        else "is empty" if not path.parts
        else "is too long" if len(name.encode()) > _MAX_PATH_BYTES
        or any(len(part.encode()) > _MAX_NAME_BYTES for part in path.parts)
        else ""
    )  # fmt: skip
    if bad:
        raise BadRequest(f"the zip's file {name[:200]!r} can't be taken: its name {bad}")
    return path


def _check(entry: zipfile.ZipInfo, name: str) -> None:
    mode = entry.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise BadRequest(f"the zip's file {name!r} is a link or a device: a zip of plain files is needed")
    if entry.flag_bits & _ENCRYPTED_FLAG:
        raise BadRequest(f"the zip's file {name!r} is encrypted: pack it without a password")


def _check_sizes(entries: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    total = sum(entry.file_size for entry in entries)
    if total > max_bytes:
        raise TooLarge(f"the zip unpacks to {total} bytes; {max_bytes} are allowed")
    for entry in entries:
        if entry.file_size > MAX_RATIO * max(entry.compress_size, 1) + _CHUNK:
            raise TooLarge(
                f"the zip's file {entry.filename!r} grows from {entry.compress_size} to {entry.file_size} "
                f"bytes, more than {MAX_RATIO} times: pictures and annotations don't"
            )


def _without_common_folder(found: Plan) -> Plan:
    """Without the one folder that holds everything, as a zip of a folder has it."""
    tops = {path.parts[0] for _, path in found}
    if len(tops) != 1 or any(len(path.parts) == 1 for _, path in found):
        return found
    return [(entry, PurePosixPath(*path.parts[1:])) for entry, path in found]


def _check_unique(paths: Sequence[PurePosixPath]) -> None:
    seen: set[PurePosixPath] = set()
    for path in paths:
        if path in seen:
            raise BadRequest(f"the zip holds two files {str(path)!r}")
        seen.add(path)
    for path in paths:
        for parent in path.parents:
            if parent in seen:
                raise BadRequest(f"the zip's {str(parent)!r} is a file and a folder")


def _write(reader: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        try:
            with reader.open(entry) as packed:
                while chunk := packed.read(_CHUNK):
                    file.write(chunk)
        except _BROKEN as error:
            raise BadRequest(f"the zip's file {entry.filename!r} is damaged: {error}") from None


class _Bounded:
    """The zip's file, no read of which takes more than a list of contents may: zipfile reads that whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES or (size < 0 and self._left() > MAX_DIRECTORY_BYTES):
            raise TooLarge(f"the zip's list of contents is larger than {MAX_DIRECTORY_BYTES} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile("a file in it lies before its beginning")
        return self._file.seek(offset, whence)

    def _left(self) -> int:
        return os.fstat(self._file.fileno()).st_size - self._file.tell()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
