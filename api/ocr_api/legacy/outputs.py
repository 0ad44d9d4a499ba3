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
from ocr_contract.project import Project
from ocr_contract.stages import Stage
from ocr_contract.status import RunStatus, StageState, TestRunStatus
from ocr_contract.volume import test_subpath, train_subpath

MODEL_FILE = "model/pthModel.zip"
RESULT_FILE = "testResult.json"


def train_file(facade: Facade, project_id: str, train_id: str | None, kind: str) -> "OutputFile":
    """pthModel.zip or testResult.json of that run, or of the project's present one."""
    project = facade.projects.find(project_id)
    if train_id is None:
        if project is None or project.train_id is None:
            raise unknown(project_id, project, "training")
        train_id = project.train_id
    name, stage = (MODEL_FILE, Stage.PACKAGE) if kind == "model" else (RESULT_FILE, Stage.TEST)
    again = project is not None and project.train_id == train_id and project.revision > 0
    run = project.run if project is not None else None
    return OutputFile(train_subpath(project_id, train_id), name, again and not _is_done(run, stage))


def test_file(facade: Facade, project_id: str, test_id: str | None) -> "OutputFile":
    """testResult.json of that test, or of the project's present one."""
    project = facade.projects.find(project_id)
    if test_id is None:
        if project is None or project.test_id is None:
            raise unknown(project_id, project, "test")
        test_id = project.test_id
    again = project is not None and project.test_id == test_id and project.test_revision > 0
    run = project.test_run if project is not None else None
    return OutputFile(test_subpath(project_id, test_id), RESULT_FILE, again and not _is_done(run, Stage.TEST))


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
