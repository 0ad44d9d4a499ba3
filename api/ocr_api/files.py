"""Files of the shared volume: sizes, small documents, downloads.

What is opened is judged by where the kernel says it lies, after opening: a link on the volume may point to
another place on it, never outside, and nobody can swap a link between the check and the read. A file is
replaced whole by its writers, so an open one stays as it was to its last byte.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from ocr_api.errors import NotFound, RangeBeyondEnd

MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_LISTED = 10_000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Document = TypeVar("Document", bound=BaseModel)


class Listed(NamedTuple):
    path: str
    """Relative to the folder that was listed."""
    size: int
    modified_at: datetime


class Volume:
    """The shared volume, read only."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def size(self, path: str) -> int | None:
        """Bytes of the file, its path relative to the root; None: there is none."""
        with self.reading(path) as file:
            return None if file is None else os.fstat(file.fileno()).st_size

    def document(self, path: str, model: type[Document]) -> Document | None:
        """A small JSON document; None where there is none that can be read."""
        with self.reading(path) as file:
            if file is None:
                return None
            data = file.read(MAX_DOCUMENT_BYTES)
        try:
            return model.model_validate_json(data)
        except ValidationError:
            return None

    @contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO | None]:
        """The file, open; None where there is none that may be read."""
        descriptor = self._open(path)
        if descriptor is None:
            yield None
            return
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def download(self, folder: str, path: str) -> "Download":
        """Streams the folder's file, with Range, ETag and Content-Length; NotFound where it is missing."""
        return Download(self._inside(folder, path), PurePosixPath(path).name)

    def opened(self, folder: str, path: str) -> BinaryIO:
        """The folder's file, open; NotFound where it is missing."""
        return os.fdopen(self._inside(folder, path), "rb")

    def listing(self, folder: str, prefix: str) -> tuple[list[Listed] | None, bool]:
        """Files of the folder by path, links left out; whether there are more. None: there is no folder."""
        top = self._root / folder
        if not top.is_dir() or not top.resolve().is_relative_to(self._root):
            return None, False
        found: list[Listed] = []
        for current, folders, files in os.walk(top):
            folders.sort()
            for name in sorted(files):
                file = Path(current, name)
                path = str(file.relative_to(top))
                if not path.startswith(prefix):
                    continue
                try:
                    status = file.lstat()
                except OSError:
                    continue  # replaced or removed meanwhile
                if not stat.S_ISREG(status.st_mode):
                    continue
                if len(found) == MAX_LISTED:
                    return found, True
                found.append(Listed(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
        return found, False

    def _inside(self, folder: str, path: str) -> int:
        file = PurePosixPath(path)
        inside = not file.is_absolute() and ".." not in file.parts
        descriptor = self._open(f"{folder}/{path}") if inside else None
        if descriptor is None:
            raise NotFound(f"{file.name} is not there yet")
        return descriptor

    def _open(self, path: str) -> int | None:
        try:
            # Non-blocking: a named pipe put there must not hang the facade.
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):  # also names that no file can have
            return None
        true_path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if true_path.is_relative_to(self._root) and stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        return None


class Download(FileResponse):
    """A FileResponse of an open file: the one that was checked, even if another takes its name meanwhile."""

    chunk_size = 512 * 1024

    def __init__(self, descriptor: int, filename: str) -> None:
        self._descriptor = descriptor
        self._found = os.fstat(descriptor)
        found = self._found
        etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
        super().__init__(
            f"/proc/self/fd/{descriptor}", filename=filename, stat_result=found, headers={"etag": etag}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(self._with_one_range(scope), receive, send)
        finally:
            os.close(self._descriptor)

    def _with_one_range(self, scope: Scope) -> Scope:
        """The request less a malformed or manifold Range, which RFC 9110 lets a server ignore."""
        given = Headers(scope=scope).get("range")
        if given is None:
            return scope
        wanted = _RANGE.fullmatch(given.replace(" ", ""))
        start, end = wanted.groups() if wanted else ("", "")
        if not (start or end) or (start and end and int(start) > int(end)):
            return {**scope, "headers": [h for h in scope["headers"] if h[0] != b"range"]}
        size = self._found.st_size
        if (start and int(start) >= size) or (not start and int(end) == 0) or size == 0:
            raise RangeBeyondEnd(f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
        return scope
