"""Uploads under way, on the volume: any replica goes on with what another one began.

<root>/uploads/<id>/upload.json   what it is for and how it stands
<root>/uploads/<id>/data.zip      what has come so far; its length is the offset to go on from
<root>/uploads/<id>/data/         being unpacked; renamed into place

Whoever writes holds a lock on data.zip, which ends with the process. An upload that is whole and that nobody
holds is finished by whoever looks at it next, so a replica that dies leaves nothing undone.
"""

import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.concurrency import run_in_threadpool

from ocr_api.errors import BadRequest, Conflict, FacadeError, NotFound, TooLarge, Unavailable, VolumeFull
from ocr_api.uploads.archive import unpack
from ocr_api.uploads.destination import Destination
from ocr_contract.atomic import replace_bytes
from ocr_contract.project import PartName

FOLDER = "uploads"
KEPT = timedelta(hours=24)
"""So long an upload may rest before it is cleared away, done or not."""
_LEGAL_ID = re.compile(r"[0-9a-f]{32}")
_FLUSH_BYTES = 1024 * 1024
_TELL_SECONDS = 1.0


class UploadState(StrEnum):
    RECEIVING = "Receiving"
    UNPACKING = "Unpacking"
    DONE = "Done"
    FAILED = "Failed"


class Upload(BaseModel):
    """One upload as callers see it; upload.json is the same."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    id: str = Field(examples=["0f0e6c7c8ad14c1d9a3c1f0f6f2d5a11"])
    kind: PartName = Field(examples=["train"])
    project_id: str = Field(alias="projectID", examples=["receipts"])
    identifier: str = Field(alias="runID", description="The trainID or testID", examples=["2026-11-25"])
    state: UploadState = UploadState.RECEIVING
    length: int | None = Field(default=None, description="Bytes of the whole zip", examples=[1048576])
    offset: int = Field(default=0, description="Bytes received", examples=[524288])
    files: int = Field(default=0, description="Files unpacked so far")
    total_files: int = Field(default=0, description="Files in the zip, once it is whole")
    left_out: list[str] = Field(default=[], description="Files that were not taken, a hundred at most")
    error: int | None = Field(default=None, description="The HTTP status of the failure")
    message: str = Field(default="", description="Why it failed, in a sentence")
    created_at: datetime
    expires_at: datetime

    @property
    def destination(self) -> Destination:
        return Destination(self.kind, self.project_id, self.identifier)


class UploadStore:
    """max_bytes: of a zip, and of what it unpacks to."""

    def __init__(self, root: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._root, self._folder, self._clock = root, root / FOLDER, clock
        self.max_bytes = max_bytes

    def check_free(self, destination: Destination) -> None:
        """Conflict where there are files already."""
        destination.check_free(self._root)

    def create(self, destination: Destination, length: int | None) -> Upload:
        """An empty upload; clears away those that have rested too long."""
        if length is not None and length > self.max_bytes:
            raise TooLarge(f"a zip of {length} bytes is too large: {self.max_bytes} are allowed")
        if self._folder.is_symlink():
            raise Conflict(f"{FOLDER} is a link on the volume: nothing is written through it")
        self._clear()
        now = datetime.fromtimestamp(self._clock(), UTC)
        upload = Upload(
            id=uuid.uuid4().hex, kind=destination.kind, projectID=destination.project_id,
            runID=destination.identifier, length=length, created_at=now, expires_at=now + KEPT,
        )  # fmt: skip
        with naming_volume_faults():
            (self._folder / upload.id).mkdir(parents=True)
            self._data(upload.id).touch()
            self._save(upload)
        return upload

    def read(self, identifier: str) -> Upload:
        """How the upload stands; NotFound for an unknown or expired one."""
        if not _LEGAL_ID.fullmatch(identifier):
            raise _unknown(identifier)
        try:
            upload = Upload.model_validate_json((self._folder / identifier / "upload.json").read_bytes())
        except (OSError, ValidationError):
            raise _unknown(identifier) from None
        if upload.state == UploadState.RECEIVING:
            try:
                upload.offset = self._data(identifier).stat().st_size
            except OSError:
                raise _unknown(identifier) from None
        return upload

    def delete(self, identifier: str) -> None:
        """Give the upload up; what was put in place stays."""
        if not _LEGAL_ID.fullmatch(identifier) or not (self._folder / identifier).is_dir():
            raise _unknown(identifier)
        shutil.rmtree(self._folder / identifier, ignore_errors=True)

    async def append(self, upload: Upload, offset: int, chunks: AsyncIterator[bytes]) -> Upload:
        """Write what comes at the offset, which must be the end; what has come stays if it breaks off."""
        with self._held(upload.id) as file:
            end = file.seek(0, os.SEEK_END)
            if upload.state != UploadState.RECEIVING or offset != end:
                raise Conflict(f"the upload goes on at offset {end}, not at {offset}")
            most = upload.length if upload.length is not None else self.max_bytes
            pending = bytearray()
            try:
                async for chunk in chunks:
                    end += len(chunk)
                    if end > most:
                        raise TooLarge(f"the upload is longer than the {most} bytes that it may have")
                    pending += chunk
                    if len(pending) >= _FLUSH_BYTES:
                        await run_in_threadpool(_write, file, bytes(pending))
                        pending.clear()
            finally:
                await run_in_threadpool(_write, file, bytes(pending))
                await run_in_threadpool(os.fsync, file.fileno())
        return self.read(upload.id)

    def is_left(self, upload: Upload) -> bool:
        """Whether the upload is whole, not finished, and in nobody's hands."""
        whole = upload.length is not None and upload.offset == upload.length
        if not (upload.state == UploadState.UNPACKING or (upload.state == UploadState.RECEIVING and whole)):
            return False
        try:
            with self._held(upload.id):
                return True
        except (Conflict, NotFound):
            return False

    def finish(self, identifier: str, check: Callable[[Destination], None]) -> Upload:
        """Check, unpack and place a whole upload; its failure is kept, so that later callers are told, too.

        check: raises a FacadeError where the destination must not be written to by now.
        """
        with self._held(identifier):
            upload = self.read(identifier)
            if upload.state in (UploadState.DONE, UploadState.FAILED):
                return upload
            upload.state = UploadState.UNPACKING
            self._save(upload)
            target = self._folder / identifier / "data"
            try:
                shutil.rmtree(target, ignore_errors=True)
                with naming_volume_faults():
                    found = unpack(self._data(identifier), target, self.max_bytes, self._teller(upload))
                    check(upload.destination)
                    upload.destination.place_folder(self._root, target)
            except FacadeError as error:
                upload.state, upload.error, upload.message = UploadState.FAILED, error.status, str(error)
                shutil.rmtree(target, ignore_errors=True)
            else:
                upload.state, upload.files, upload.total_files = UploadState.DONE, found.files, found.files
                upload.left_out = list(found.left_out[:100])
            self._save(upload)
            self._data(identifier).unlink(missing_ok=True)
            return upload

    def place_single(self, upload: Upload, name: str) -> int:
        """Put what has come in place as one file; its size in bytes."""
        with self._held(upload.id) as file, naming_volume_faults():
            upload.destination.place_file(self._root, name, self._data(upload.id))
            return os.fstat(file.fileno()).st_size

    def _teller(self, upload: Upload) -> Callable[[int, int], None]:
        told = self._clock()

        def tell(done: int, total: int) -> None:
            nonlocal told
            if self._clock() - told > _TELL_SECONDS:
                told = self._clock()
                upload.files, upload.total_files = done, total
                self._save(upload)

        return tell

    @contextmanager
    def _held(self, identifier: str) -> Iterator[BinaryIO]:
        """The upload's data, which nobody else writes meanwhile."""
        try:
            file = self._data(identifier).open("r+b", buffering=0)
        except OSError:
            raise _unknown(identifier) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict("another call is at work on this upload; ask again in a moment") from None
            yield file

    def _data(self, identifier: str) -> Path:
        return self._folder / identifier / "data.zip"

    def _save(self, upload: Upload) -> None:
        replace_bytes(self._folder / upload.id / "upload.json", upload.model_dump_json().encode())

    def _clear(self) -> None:
        try:
            folders = list(self._folder.iterdir())
        except OSError:
            return
        for folder in folders:
            try:
                newest = max(entry.stat().st_mtime for entry in (folder, *folder.iterdir()))
            except OSError:
                continue  # another replica clears it
            if self._clock() - newest > KEPT.total_seconds():
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def naming_volume_faults() -> Iterator[None]:
    """A volume that is full, or not the facade's to write, in the caller's terms."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise VolumeFull("the shared volume is full: nothing was put in place") from None
        if error.errno in (EACCES, EPERM, EROFS):
            raise Unavailable(
                f"the facade may not write to the shared volume ({error.strerror}): "
                "train/, test/ and the project's folder in it must let its user write"
            ) from None
        raise


def _write(file: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    with naming_volume_faults():
        while left:
            left = left[file.write(left) :]


def _unknown(identifier: str) -> NotFound:
    return NotFound(f"there is no upload {identifier!r}: it was never made, was given up, or has expired")


def parse_length(text: str | None) -> int:
    """The bytes that Upload-Length or Upload-Offset names."""
    if text is None or not text.isascii() or not text.isdecimal():
        raise BadRequest(f"{text!r} is no number of bytes")
    return int(text)
