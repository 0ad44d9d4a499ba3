"""Where images go: the folder of a run or of a test that has not been started yet."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ocr_api.errors import BadRequest, Conflict
from ocr_contract.project import PartName, Project, RunState
from ocr_contract.volume import OWN_NAMES, check_id, test_subpath, train_subpath

_MAX_DEPTH = 16


@dataclass(frozen=True)
class Destination:
    kind: PartName
    project_id: str
    identifier: str
    """trainID or testID."""

    @property
    def subpath(self) -> str:
        """The folder, relative to the volume's root."""
        of = train_subpath if self.kind == "train" else test_subpath
        return of(self.project_id, self.identifier)

    @property
    def title(self) -> str:
        return f"{'training' if self.kind == 'train' else 'test'} {self.identifier!r}"

    def check_not_running(self, project: Project | None) -> None:
        """Conflict where a pod may be reading the folder: images must not change under a run."""
        if project is None:
            return
        present = project.part(self.kind)
        if present.id == self.identifier and present.state in (RunState.ACTIVE, RunState.SUSPENDED):
            raise Conflict(
                f"{self.title} has been started: its images can't change any more. "
                "Send them first and start then, or take a new id"
            )

    def make_parent(self, root: Path) -> Path:
        """The folder's path, its parent made; Conflict where a link would lead out of the volume."""
        folder = root / self.subpath
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise Conflict(f"{folder.parent.relative_to(root)} is a file on the volume") from None
        inside = Path(os.path.realpath(folder.parent))
        if not inside.is_relative_to(os.path.realpath(root)) or folder.is_symlink():
            raise Conflict(f"{self.subpath} is a link on the volume: nothing is written through it")
        return folder

    def check_free(self, root: Path) -> None:
        """Conflict where there are files already: two sets are never mixed."""
        folder = root / self.subpath
        if folder.is_dir() and any(folder.iterdir()):
            raise self._taken()

    def _taken(self) -> Conflict:
        return Conflict(f"{self.title} has files already: take a new id, or send single images")

    def place_folder(self, root: Path, unpacked: Path) -> None:
        """Give the unpacked folder its name, all or nothing; Conflict where there are files already."""
        folder = self.make_parent(root)
        os.sync()  # what is put in place must be there after a crash, too
        try:
            unpacked.rename(folder)  # also onto an empty folder
        except OSError as error:
            if folder.exists():
                raise self._taken() from None
            raise error

    def place_file(self, root: Path, name: str, written: Path) -> None:
        """Give the written file its name in the folder, in place of one that has it."""
        folder = self.make_parent(root)
        file = folder / check_name(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise Conflict(f"{file.parent.relative_to(root)} is a file on the volume") from None
        if not Path(os.path.realpath(file.parent)).is_relative_to(os.path.realpath(folder.parent)):
            raise Conflict(f"{name!r} leads through a link on the volume: nothing is written through it")
        if file.is_dir():
            raise Conflict(f"{name!r} is a folder on the volume")
        written.replace(file)


def check_name(name: str) -> str:
    """A file's path within the folder, or BadRequest."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or len(path.parts) > _MAX_DEPTH:
        raise BadRequest(f"{name!r} is no file's path within the folder")
    for part in path.parts:
        try:
            check_id(part, "a name in the path")
        except ValueError as error:
            raise BadRequest(str(error)) from None
    if path.parts[0] in OWN_NAMES:
        raise BadRequest(f"{name!r} is a name that the service itself writes")
    return str(path)
