"""Files of the shared volume: sizes, small documents, downloads.

What is opened is judged by where the kernel says it lies, after opening: a link on the volume may point to
another place on it, never outside, and nobody can swap a link between the check and the read. A file is
replaced whole by its writers, so an open one stays as it was to its last byte.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from ocr_api.errors import NotFound

MAX_DOCUMENT_BYTES = 1024 * 1024

Document = TypeVar("Document", bound=BaseModel)


class Volume:
    """The shared volume, read only."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def size(self, path: str) -> int | None:
        """Bytes of the file, its path relative to the root; None: there is none."""
        with self._opened(path) as descriptor:
            return None if descriptor is None else os.fstat(descriptor).st_size

    def document(self, path: str, model: type[Document]) -> Document | None:
        """A small JSON document; None where there is none that can be read."""
        with self._opened(path) as descriptor:
            if descriptor is None:
                return None
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(MAX_DOCUMENT_BYTES)
        try:
            return model.model_validate_json(data)
        except ValidationError:
            return None

    def download(self, path: str) -> "Download":
        """Streams the file, with Range, ETag and Content-Length; NotFound where it is missing."""
        filename = path.rpartition("/")[2]
        descriptor = self._open(path)
        if descriptor is None:
            raise NotFound(f"{filename} is not there yet")
        return Download(descriptor, filename)

    @contextmanager
    def _opened(self, path: str) -> Iterator[int | None]:
        descriptor = self._open(path)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open(self, path: str) -> int | None:
        try:
            # Non-blocking: a named pipe put there must not hang the facade.
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        true_path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if true_path.is_relative_to(self._root) and stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        return None


class Download(FileResponse):
    """A FileResponse of an open file: the one that was checked, even if another takes its name meanwhile."""

    def __init__(self, descriptor: int, filename: str) -> None:
        self._descriptor = descriptor
        found = os.fstat(descriptor)
        etag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
        super().__init__(
            f"/proc/self/fd/{descriptor}", filename=filename, stat_result=found, headers={"etag": etag}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)
