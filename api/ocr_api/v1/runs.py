"""/api/v1/projects/{projectID}/runs and /tests: start, stop, resume, retry; present and past."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from ocr_api import problems
from ocr_api.v1.dependencies import V1, FacadeOf, IfMatch, ProjectId, RunId, TestId, seen_project
from ocr_api.v1.documents import RunDocument, RunList, run_list, test_list
from ocr_api.v1.run_changes import TEST, TRAINING, RunChanges, listed_one
from ocr_contract.spec import Dataset, Detection, Identifier, Order, Recognition, SpecModel

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}")
_ERRORS = problems.describe(400, 404, 409, 412, 413)
_READ_ERRORS = problems.describe(404)
_START: dict[int | str, dict[str, Any]] = {
    200: {"description": "It was started already", "model": RunDocument},
    **_ERRORS,
}


class RunStart(SpecModel):
    """A run to start: what is left out is the resource's default."""

    id: Identifier
    dataset: Dataset | None = None
    detection: Detection | None = None
    recognition: Recognition | None = None
    run_test: bool | None = None
    order: Order | None = None


class TestStart(SpecModel):
    """A test to start."""

    __test__ = False

    id: Identifier
    path: str | None = None
    checkpoint: str | None = None


def _training(facade: FacadeOf, project_id: ProjectId, if_match: IfMatch = None) -> RunChanges:
    return RunChanges(facade, TRAINING, project_id, if_match)


def _test(facade: FacadeOf, project_id: ProjectId, if_match: IfMatch = None) -> RunChanges:
    return RunChanges(facade, TEST, project_id, if_match)


Trainings = Annotated[RunChanges, Depends(_training)]
Tests = Annotated[RunChanges, Depends(_test)]


@router.get("/runs", tags=["runs"], responses=_READ_ERRORS)
async def list_runs(facade: FacadeOf, project_id: ProjectId) -> RunList:
    """The project's trainings: the present one first, then the last ten of the past."""
    return run_list(seen_project(facade, project_id).project)


@router.post("/runs", tags=["runs"], status_code=201, responses=_START)
async def start_run(changes: Trainings, body: RunStart, response: Response) -> RunDocument:
    """Start a training. One that runs is stopped for it; starting the same again changes nothing (200)."""
    run, repeated = await changes.start(body.id, _settings(body))
    response.status_code = 200 if repeated else 201
    return run


@router.get("/runs/{runID}", tags=["runs"], responses=_READ_ERRORS)
async def read_run(facade: FacadeOf, project_id: ProjectId, run_id: RunId) -> RunDocument:
    """One training, present or past."""
    return listed_one(TRAINING, seen_project(facade, project_id).project, run_id)


@router.post("/runs/{runID}/stop", tags=["runs"], responses=_ERRORS)
async def stop_run(changes: Trainings, run_id: RunId) -> RunDocument:
    """Stop the training; its checkpoint stays. Stopping twice is no error."""
    return await changes.stop(run_id)


@router.post("/runs/{runID}/resume", tags=["runs"], responses=_ERRORS)
async def resume_run(changes: Trainings, run_id: RunId) -> RunDocument:
    """Go on from the checkpoint of a stopped training. Resuming one that runs is no error."""
    return await changes.resume(run_id)


@router.post("/runs/{runID}/retry", tags=["runs"], responses=_ERRORS)
async def retry_run(changes: Trainings, run_id: RunId) -> RunDocument:
    """Do a training that has ended again from the start, with the settings it had: its next revision."""
    return await changes.retry(run_id)


@router.get("/tests", tags=["tests"], responses=_READ_ERRORS)
async def list_tests(facade: FacadeOf, project_id: ProjectId) -> RunList:
    """The project's test: the status keeps the present one, the volume the results of all."""
    return test_list(seen_project(facade, project_id).project)


@router.post("/tests", tags=["tests"], status_code=201, responses=_START)
async def start_test(changes: Tests, body: TestStart, response: Response) -> RunDocument:
    """Test the project's model on other images; starting the same once more changes nothing (200)."""
    run, repeated = await changes.start(body.id, _settings(body))
    response.status_code = 200 if repeated else 201
    return run


@router.get("/tests/{testID}", tags=["tests"], responses=_READ_ERRORS)
async def read_test(facade: FacadeOf, project_id: ProjectId, test_id: TestId) -> RunDocument:
    """The present test."""
    return listed_one(TEST, seen_project(facade, project_id).project, test_id)


@router.post("/tests/{testID}/stop", tags=["tests"], responses=_ERRORS)
async def stop_test(changes: Tests, test_id: TestId) -> RunDocument:
    """Stop the test; images that are done stay done. Stopping twice is no error."""
    return await changes.stop(test_id)


@router.post("/tests/{testID}/resume", tags=["tests"], responses=_ERRORS)
async def resume_test(changes: Tests, test_id: TestId) -> RunDocument:
    """Go on with a stopped test. Resuming one that runs is no error."""
    return await changes.resume(test_id)


@router.post("/tests/{testID}/retry", tags=["tests"], responses=_ERRORS)
async def retry_test(changes: Tests, test_id: TestId) -> RunDocument:
    """Do a test that has ended again from the start: its next revision."""
    return await changes.retry(test_id)


def _settings(body: RunStart | TestStart) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"id"})
