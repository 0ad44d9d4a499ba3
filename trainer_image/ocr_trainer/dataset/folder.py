"""The files of a run's folder, and where the picture lies that an annotation file names.

Annotation tools write file names as their own disk had them: with drives, backslashes, percent signs, upload
prefixes, or without the folder. So a name is looked for in the likely places first and everywhere after.
"""

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}
)
_OUR_FOLDERS = frozenset({"work", "log", "model"})
_OUR_FILES = frozenset({"status.json", "status_test.json", "testResult.json", "testMetrics.json"})
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


class Role(StrEnum):
    """What an annotation file or a folder is for."""

    TRAIN = "train"
    VALIDATION = "val"
    TEST = "test"


def role_of(name: str) -> Role | None:
    """The role that a file's or folder's name tells: `instances_val2017.json` is for validation."""
    for word in reversed(re.findall(r"[a-z]+", name.lower())):
        if word in ("train", "training"):
            return Role.TRAIN
        if word in ("val", "valid", "validation", "eval"):
            return Role.VALIDATION
        if word in ("test", "testing"):
            return Role.TEST
    return None


@dataclass
class FileIndex:
    """Every image and JSON file under a run's folder that isn't ours; paths are relative, with slashes."""

    root: Path
    images: list[str] = field(default_factory=list)
    json_files: list[str] = field(default_factory=list)
    _by_path: dict[str, str] = field(default_factory=dict)
    _by_name: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _others: set[str] = field(default_factory=set)
    """Names of files that are neither."""

    @classmethod
    def scan(cls, root: Path) -> "FileIndex":
        """Walk the folder once: on a network volume asking for file after file would take minutes."""
        index = cls(root)
        for folder, folders, files in os.walk(root):
            at_root = Path(folder) == root
            folders[:] = sorted(
                f for f in folders if not f.startswith(".") and not (at_root and f in _OUR_FOLDERS)
            )
            for name in sorted(files):
                if name.startswith(".") or (at_root and name in _OUR_FILES):
                    continue
                path = (Path(folder) / name).relative_to(root).as_posix()
                suffix = PurePosixPath(name).suffix.lower()
                if suffix == ".json":
                    index.json_files.append(path)
                elif suffix in IMAGE_SUFFIXES:
                    index.images.append(path)
                    index._by_path[_key(path)] = path
                    index._by_name[_key(name)].append(path)
                else:
                    index._others.add(_key(name))
        return index

    def signature(self) -> str:
        """Changes when a file is added, removed, resized or written to."""
        digest = hashlib.sha256()
        for path in (*self.images, *self.json_files):
            stat = (self.root / path).stat()
            digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def images_below(self, folder: str) -> list[str]:
        """The images in a folder and its sub-folders; empty: all."""
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        return [path for path in self.images if path.startswith(prefix)]

    def holds_other(self, file_name: str) -> bool:
        """Whether there is such a file, but of a kind that isn't read as a picture."""
        return any(_key(PurePosixPath(name).name) in self._others for name in _spellings(file_name))

    def locate(self, file_name: str, *, folders: Iterable[str], role: Role | None) -> list[str]:
        """The image's path: one, none if it is missing, several if nobody can tell which is meant.

        folders: where to look first, e.g. beside the annotation file.
        """
        names = _spellings(file_name)
        subfolders = ["", "images"]
        if role:
            subfolders = [role.value, f"images/{role.value}", *subfolders]
        for name in names:
            for folder in folders:
                for subfolder in subfolders:
                    path = self._by_path.get(_key(str(PurePosixPath(folder, subfolder, name))))
                    if path:
                        return [path]
        return self._anywhere(names, role)

    def _anywhere(self, names: list[str], role: Role | None) -> list[str]:
        for name in names:
            base = PurePosixPath(name).name
            for candidate in (base, _UPLOAD_PREFIX.sub("", base)):
                hits = self._by_name.get(_key(candidate), [])
                if hits:
                    best = max(_likeness(hit, name, role) for hit in hits)
                    return [hit for hit in hits if _likeness(hit, name, role) == best]
        return []


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _spellings(file_name: str) -> list[str]:
    """The name as it stands and percent-decoded; slashes forward, no drive, nothing that climbs."""
    spellings = []
    for name in (file_name, unquote(file_name)):
        parts = [p for p in re.sub(r"^[A-Za-z]:", "", name).replace("\\", "/").split("/") if p]
        plain = "/".join(part for part in parts if part not in (".", ".."))
        if plain and plain not in spellings:
            spellings.append(plain)
    return spellings


def _likeness(hit: str, name: str, role: Role | None) -> tuple[int, bool]:
    """How many trailing folders agree, and whether the hit lies in the role's folder."""
    hit_parts, name_parts = _key(hit).split("/")[:-1], _key(name).split("/")[:-1]
    agreeing = 0
    for ours, theirs in zip(reversed(hit_parts), reversed(name_parts), strict=False):
        if ours != theirs:
            break
        agreeing += 1
    return agreeing, role is not None and any(role_of(part) is role for part in hit_parts)
