"""Files that somebody may read while they are written are replaced whole: temporary file, flush, rename.

The temporary file's name is drawn: two pods on one volume may both be process 1.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when all went well, and is gone when not.

    durable: also fsync file and folder, for what would be missed after a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def replace_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace `path` by `data`; readers see the old bytes or the new, never a part."""
    with replacing(path, durable=durable) as file:
        file.write(data)


def replace_json(path: Path, value: Any, *, durable: bool = False) -> None:
    """Replace `path` by `value` as JSON, Chinese left readable."""
    replace_bytes(path, json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n", durable=durable)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file; empty where there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
