"""/api/v1/projects/{projectID}/runs and /tests: start, stop, resume, retry; present and past."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ocr_api import intents, problems
from ocr_api.cache import Seen
from ocr_api.errors import Conflict, NotFound
from ocr_api.facade import Facade
from ocr_api.v1.dependencies import FacadeOf, IfMatch, ProjectId, RunId, TestId, seen_project, unchanged
from ocr_api.v1.documents import RunDocument, RunList, run_list, test_list
from ocr_contract.project import Project, RunState
from ocr_contract.spec import Dataset, Detection, Identifier, Order, Recognition, SpecModel

router = APIRouter(prefix="/projects/{projectID}")
_ERRORS = problems.describe(400, 404, 409, 412, 413)
_READ_ERRORS = problems.describe(404)
_START: dict[int | str, dict[str, Any]] = {
    200: {"description": "It was started already", "model": RunDocument},
    **_ERRORS,
}

Live = dict[str, Any] | None
Decide = Callable[[Live, str], dict[str, Any] | None]


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


@router.get("/runs", tags=["runs"], responses=_READ_ERRORS)
async def list_runs(facade: FacadeOf, project_id: ProjectId) -> RunList:
    """The project's trainings: the present one first, then the last ten of the past."""
    return run_list(seen_project(facade, project_id).project)


@router.post("/runs", tags=["runs"], status_code=201, responses=_START)
async def start_run(
    facade: FacadeOf, project_id: ProjectId, body: RunStart, response: Response, if_match: IfMatch = None
) -> RunDocument:
    """Start a training. One that runs is stopped for it; starting the same again changes nothing (200)."""
    now = datetime.now(UTC)
    repeated = False

    def decide(live: Live, name: str) -> dict[str, Any] | None:
        nonlocal repeated
        project = intents.existing(unchanged(live, if_match), project_id)
        repeated = project.train_id == body.id
        if repeated and project.train_state != RunState.ACTIVE:
            raise Conflict(_instead(f"training {body.id!r}", project.train_state))
        return intents.start_train(live, name, project_id, body.id, _settings(body), now)

    started = await _run(facade, project_id, decide)
    response.status_code = 200 if repeated else 201
    return started


@router.get("/runs/{runID}", tags=["runs"], responses=_READ_ERRORS)
async def read_run(facade: FacadeOf, project_id: ProjectId, run_id: RunId) -> RunDocument:
    """One training, present or past."""
    return _one(run_list(seen_project(facade, project_id).project), f"training {run_id!r}", run_id)


@router.post("/runs/{runID}/stop", tags=["runs"], responses=_ERRORS)
async def stop_run(
    facade: FacadeOf, project_id: ProjectId, run_id: RunId, if_match: IfMatch = None
) -> RunDocument:
    """Stop the training; its checkpoint stays. Stopping twice is no error."""
    return await _run(
        facade,
        project_id,
        lambda live, _: intents.stop_train(unchanged(live, if_match), project_id, run_id),
    )


@router.post("/runs/{runID}/resume", tags=["runs"], responses=_ERRORS)
async def resume_run(
    facade: FacadeOf, project_id: ProjectId, run_id: RunId, if_match: IfMatch = None
) -> RunDocument:
    """Go on from the checkpoint of a stopped training. Resuming one that runs is no error."""
    now = datetime.now(UTC)

    def decide(live: Live, name: str) -> dict[str, Any] | None:
        project = intents.existing(unchanged(live, if_match), project_id)
        _must_be(project.train_id, run_id, project_id, "training")
        if project.train_state in (RunState.SUCCEEDED, RunState.FAILED):
            raise Conflict(_instead(f"training {run_id!r}", project.train_state))
        return intents.start_train(live, name, project_id, run_id, {}, now)

    return await _run(facade, project_id, decide)


@router.post("/runs/{runID}/retry", tags=["runs"], responses=_ERRORS)
async def retry_run(
    facade: FacadeOf, project_id: ProjectId, run_id: RunId, if_match: IfMatch = None
) -> RunDocument:
    """Do a training that has ended again from the start, with the settings it had: its next revision."""
    now = datetime.now(UTC)

    def decide(live: Live, name: str) -> dict[str, Any] | None:
        project = intents.existing(unchanged(live, if_match), project_id)
        if project.train_id != run_id:
            _one(run_list(project), f"training {run_id!r}", run_id)
        elif project.train_state not in (RunState.SUCCEEDED, RunState.FAILED):
            raise Conflict(_instead(f"training {run_id!r}", project.train_state))
        return intents.start_train(live, name, project_id, run_id, {}, now)

    return await _run(facade, project_id, decide)


@router.get("/tests", tags=["tests"], responses=_READ_ERRORS)
async def list_tests(facade: FacadeOf, project_id: ProjectId) -> RunList:
    """The project's test: the status keeps the present one, the volume the results of all."""
    return test_list(seen_project(facade, project_id).project)


@router.post("/tests", tags=["tests"], status_code=201, responses=_START)
async def start_test(
    facade: FacadeOf, project_id: ProjectId, body: TestStart, response: Response, if_match: IfMatch = None
) -> RunDocument:
    """Test the project's model on other images; starting the same once more changes nothing (200)."""
    now = datetime.now(UTC)
    repeated = False

    def decide(live: Live, _name: str) -> dict[str, Any] | None:
        nonlocal repeated
        project = intents.existing(unchanged(live, if_match), project_id)
        repeated = project.test_id == body.id
        if repeated and project.test_state != RunState.ACTIVE:
            raise Conflict(_instead(f"test {body.id!r}", project.test_state))
        return intents.start_test(live, project_id, body.id, _settings(body), now)

    started = await _test(facade, project_id, decide)
    response.status_code = 200 if repeated else 201
    return started


@router.get("/tests/{testID}", tags=["tests"], responses=_READ_ERRORS)
async def read_test(facade: FacadeOf, project_id: ProjectId, test_id: TestId) -> RunDocument:
    """The present test."""
    return _one(test_list(seen_project(facade, project_id).project), f"test {test_id!r}", test_id)


@router.post("/tests/{testID}/stop", tags=["tests"], responses=_ERRORS)
async def stop_test(
    facade: FacadeOf, project_id: ProjectId, test_id: TestId, if_match: IfMatch = None
) -> RunDocument:
    """Stop the test; images that are done stay done. Stopping twice is no error."""
    return await _test(
        facade,
        project_id,
        lambda live, _: intents.stop_test(unchanged(live, if_match), project_id, test_id),
    )


@router.post("/tests/{testID}/resume", tags=["tests"], responses=_ERRORS)
async def resume_test(
    facade: FacadeOf, project_id: ProjectId, test_id: TestId, if_match: IfMatch = None
) -> RunDocument:
    """Go on with a stopped test. Resuming one that runs is no error."""
    return await _again(facade, project_id, test_id, if_match, (RunState.ACTIVE, RunState.SUSPENDED))


@router.post("/tests/{testID}/retry", tags=["tests"], responses=_ERRORS)
async def retry_test(
    facade: FacadeOf, project_id: ProjectId, test_id: TestId, if_match: IfMatch = None
) -> RunDocument:
    """Do a test that has ended again from the start: its next revision."""
    return await _again(facade, project_id, test_id, if_match, (RunState.SUCCEEDED, RunState.FAILED))


async def _again(
    facade: Facade, project_id: str, test_id: str, if_match: str | None, states: tuple[RunState, ...]
) -> RunDocument:
    now = datetime.now(UTC)

    def decide(live: Live, _name: str) -> dict[str, Any] | None:
        project = intents.existing(unchanged(live, if_match), project_id)
        _must_be(project.test_id, test_id, project_id, "test")
        if project.test_state not in states:
            raise Conflict(_instead(f"test {test_id!r}", project.test_state))
        return intents.start_test(live, project_id, test_id, {}, now)

    return await _test(facade, project_id, decide)


async def _run(facade: Facade, project_id: str, decide: Decide) -> RunDocument:
    return run_list(await _changed(facade, project_id, decide)).items[0]


async def _test(facade: Facade, project_id: str, decide: Decide) -> RunDocument:
    return test_list(await _changed(facade, project_id, decide)).items[0]


async def _changed(facade: Facade, project_id: str, decide: Decide) -> Project:
    seen: Seen = await facade.projects.change(project_id, decide)
    return seen.project


def _settings(body: RunStart | TestStart) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"id"})


def _one(runs: RunList, title: str, identifier: str) -> RunDocument:
    found = next((run for run in runs.items if run.id == identifier), None)
    if found is None:
        raise NotFound(f"there is no {title} in the project's status; its files may still be on the volume")
    return found


def _must_be(present: str | None, wanted: str, project_id: str, what: str) -> None:
    if present != wanted:
        now = f"its {what} is {present!r}" if present is not None else f"it has no {what}"
        raise NotFound(f"project {project_id!r} has no {what} {wanted!r} at present: {now}")


def _instead(title: str, state: RunState | None) -> str:
    """What to do with a run that can't be done what was asked for."""
    if state == RunState.ACTIVE:
        return f"{title} is still running: stop it first"
    if state == RunState.SUSPENDED:
        return f"{title} is stopped: resume goes on with it"
    return f"{title} has ended ({state}): retry does it again"
