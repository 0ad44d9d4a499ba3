"""What a run leaves for the platform to fetch; a file of an earlier revision counts as not there.

The platform asks again and again until there is a file, then takes it: yesterday's model must not be taken
for that of a run which has begun anew.
"""

from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ocr_api.errors import NotFound
from ocr_api.facade import Facade
from ocr_api.legacy.answers import FileAnswer
from ocr_contract.project import PartName, Project
from ocr_contract.stages import Stage
from ocr_contract.status import RunStatus, StageState, TestRunStatus
from ocr_contract.volume import test_subpath, train_subpath

MODEL_FILE = "model/pthModel.zip"
RESULT_FILE = "testResult.json"


def train_file(facade: Facade, project_id: str, train_id: str | None, kind: str) -> "OutputFile":
    """pthModel.zip or testResult.json of that run, or of the project's present one."""
    present = _present(facade, project_id, "train", train_id)
    name, stage = (MODEL_FILE, Stage.PACKAGE) if kind == "model" else (RESULT_FILE, Stage.TEST)
    folder = train_subpath(project_id, present.id)
    return OutputFile(folder, name, present.again and not _is_done(present.run, stage))


def test_file(facade: Facade, project_id: str, test_id: str | None) -> "OutputFile":
    """testResult.json of that test, or of the project's present one."""
    present = _present(facade, project_id, "test", test_id)
    folder = test_subpath(project_id, present.id)
    return OutputFile(folder, RESULT_FILE, present.again and not _is_done(present.run, Stage.TEST))


class _Asked(NamedTuple):
    id: str
    again: bool
    """It is the one that spec asks for, and not for the first time."""
    run: RunStatus | TestRunStatus | None


def _present(facade: Facade, project_id: str, part_name: PartName, identifier: str | None) -> _Asked:
    """The one that is asked for; without an id the project's present one."""
    project = facade.projects.find(project_id)
    part = project.part(part_name) if project is not None else None
    identifier = identifier if identifier is not None else part.id if part is not None else None
    if identifier is None:
        raise unknown(project_id, project, "training" if part_name == "train" else "test")
    if part is None or part.id != identifier:
        return _Asked(identifier, again=False, run=None)
    return _Asked(identifier, again=part.revision > 0, run=part.run)


class OutputFile(NamedTuple):
    folder: str
    """Relative to the volume's root."""
    path: str
    outdated: bool
    """What lies there is of an earlier revision, and this one has not written its own yet."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def _is_done(run: RunStatus | TestRunStatus | None, stage: Stage) -> bool:
    done = run.stages.get(stage) if run is not None else None
    return done is not None and done.state == StageState.SUCCEEDED


async def file_answer(facade: Facade, file: OutputFile) -> FileAnswer:
    """What checkFile says of it."""
    size = (
        None if file.outdated else await run_in_threadpool(facade.volume.size, f"{file.folder}/{file.path}")
    )
    if size is None:
        return FileAnswer(msg=f"{file.name} is not there yet", exists=False, file=file.name, size=0)
    return FileAnswer(exists=True, file=file.name, size=size)


async def download(facade: Facade, file: OutputFile) -> Response:
    """The file itself; NotFound where it isn't there yet."""
    if file.outdated:
        raise NotFound(f"{file.name} is not there yet")
    return await run_in_threadpool(facade.volume.download, file.folder, file.path)


def unknown(project_id: str, project: Project | None, what: str) -> NotFound:
    """There is no such project, or it has none of that."""
    if project is None:
        return NotFound(f"there is no project {project_id!r}")
    return NotFound(f"project {project_id!r} has no {what}")
