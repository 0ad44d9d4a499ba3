"""The old platform's ten paths, each by GET and by POST, each answered by one flat JSON object."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ocr_api import intents
from ocr_api.cache import Seen
from ocr_api.errors import NotFound
from ocr_api.facade import Facade
from ocr_api.legacy import outputs
from ocr_api.legacy.answers import EpochAnswer, FileAnswer, TestAnswer, TrainAnswer
from ocr_api.legacy.openapi import describe_answers, describe_parameters
from ocr_api.legacy.outputs import unknown
from ocr_api.legacy.parameters import (
    CheckTrainFile,
    DownloadTrainFile,
    Parameters,
    StartTest,
    StartTrain,
    StopTest,
    StopTrain,
    WhichRun,
    WhichTestFile,
    WhichTrain,
    read_parameters,
)
from ocr_contract import legacy_view
from ocr_contract.legacy import TestStatus, TrainStatus, as_document
from ocr_contract.legacy_answers import TestStatusAnswer, TrainStatusAnswer
from ocr_contract.project import Project
from ocr_contract.volume import test_subpath, train_subpath


async def start_train(facade: Facade, asked: StartTrain) -> TrainAnswer:
    """Start, continue or repeat a training.

    A new trainID is a new run. With the trainID of the last one: nothing changes while it runs, it goes on
    where it was stopped, and starts from the beginning where it has ended.
    """
    now = datetime.now(UTC)
    return _train_answer(
        await facade.projects.change(
            asked.project_id,
            lambda live, name: intents.start_train(
                live, name, asked.project_id, asked.train_id, asked.settings(), now
            ),
        )
    )


async def stop_train(facade: Facade, asked: StopTrain) -> TrainAnswer:
    """Stop the project's training.

    Its checkpoint stays: a start goes on from it. Stopping twice is no error.
    """
    return _train_answer(
        await facade.projects.change(
            asked.project_id, lambda live, _: intents.stop_train(live, asked.project_id, asked.train_id)
        )
    )


async def start_test(facade: Facade, asked: StartTest) -> TestAnswer:
    """Test the project's model on the images of testID.

    Only after a successful training. With the testID of the last one: nothing changes while it runs, it
    goes on where it was stopped, and is done again where it has ended.
    """
    now = datetime.now(UTC)
    return _test_answer(
        await facade.projects.change(
            asked.project_id,
            lambda live, _: intents.start_test(live, asked.project_id, asked.test_id, {}, now),
        )
    )


async def stop_test(facade: Facade, asked: StopTest) -> TestAnswer:
    """Stop the project's test.

    A start with the same testID goes on. Stopping twice is no error.
    """
    return _test_answer(
        await facade.projects.change(
            asked.project_id, lambda live, _: intents.stop_test(live, asked.project_id, asked.test_id)
        )
    )


async def read_status(facade: Facade, asked: WhichRun) -> TrainStatusAnswer | TestStatusAnswer:
    """The fields of status.json, or of status_test.json for a test.

    With trainID or testID: that run or test. With projectID alone: what was started last in the project. With
    nothing: what was started last of all.
    """
    project_id, project = _which(facade, asked.project_id)
    if asked.train_id is None and (asked.test_id is not None or (project and project.test_is_last)):
        return await _test_status(facade, project_id, project, asked.test_id)
    return await _train_status(facade, project_id, project, asked.train_id)


async def read_epoch(facade: Facade, asked: WhichTrain) -> EpochAnswer:
    """The epoch and loss of the model that is being trained.

    Which training: as for /status.
    """
    project_id, project = _which(facade, asked.project_id)
    found = await _train_status(facade, project_id, project, asked.train_id)
    current = legacy_view.current_epoch(found)
    return EpochAnswer(
        msg=found.msg,
        projectID=found.projectID,
        trainID=found.trainID,
        epoch=current.epoch,
        totalEpoch=current.total,
        loss=current.loss,
    )


async def check_train_file(facade: Facade, asked: CheckTrainFile) -> FileAnswer:
    """Is the model zipped, or the test result written, and how many bytes has it?"""
    return await outputs.file_answer(
        facade, outputs.train_file(facade, asked.project_id, asked.train_id, asked.type)
    )


async def check_test_file(facade: Facade, asked: WhichTestFile) -> FileAnswer:
    """Is testResult.json written, and how many bytes has it?"""
    return await outputs.file_answer(facade, outputs.test_file(facade, asked.project_id, asked.test_id))


async def download_train_file(facade: Facade, asked: DownloadTrainFile) -> Response:
    """Download pthModel.zip or testResult.json.

    Range and If-Range resume a download that was cut.
    """
    return await outputs.download(
        facade, outputs.train_file(facade, asked.project_id, asked.train_id, asked.type)
    )


async def download_test_file(facade: Facade, asked: WhichTestFile) -> Response:
    """Download testResult.json.

    Range and If-Range resume a download that was cut.
    """
    return await outputs.download(facade, outputs.test_file(facade, asked.project_id, asked.test_id))


Handler = Callable[[Facade, Any], Awaitable[BaseModel | Response]]
_ROUTES: list[tuple[str, Handler, type[Parameters], list[type[BaseModel]]]] = [
    ("/train/start", start_train, StartTrain, [TrainAnswer]),
    ("/train/stop", stop_train, StopTrain, [TrainAnswer]),
    ("/test/start", start_test, StartTest, [TestAnswer]),
    ("/test/stop", stop_test, StopTest, [TestAnswer]),
    ("/status", read_status, WhichRun, [TrainStatusAnswer, TestStatusAnswer]),
    ("/getEpoch", read_epoch, WhichTrain, [EpochAnswer]),
    ("/train/checkFile", check_train_file, CheckTrainFile, [FileAnswer]),
    ("/test/checkFile", check_test_file, WhichTestFile, [FileAnswer]),
    ("/train/download", download_train_file, DownloadTrainFile, []),
    ("/test/download", download_test_file, WhichTestFile, []),
]


def build_router() -> APIRouter:
    """Each path once for each verb: OpenAPI wants an operation of its own."""
    router = APIRouter(tags=["legacy"])
    for path, handler, model, answers in _ROUTES:
        summary, _, description = (handler.__doc__ or "").strip().partition("\n")
        for method in ("GET", "POST"):
            router.add_api_route(
                path,
                _endpoint(handler, model),
                methods=[method],
                operation_id=f"{method.lower()}{path.replace('/', '_')}",
                summary=summary.rstrip("."),
                description=description.strip() or summary,
                response_model=None,
                responses=describe_answers(answers, download=not answers),
                openapi_extra=describe_parameters(model, method),
            )
        if not answers:  # a download's size and ETag, without the download
            router.add_api_route(
                path,
                _endpoint(handler, model),
                methods=["HEAD"],
                response_model=None,
                include_in_schema=False,
            )
    return router


def _endpoint(handler: Handler, model: type[Parameters]) -> Callable[[Request], Awaitable[Any]]:
    async def answer(request: Request) -> Any:
        facade: Facade = request.app.state.facade
        return await handler(facade, await read_parameters(request, model))

    return answer


def _which(facade: Facade, project_id: str | None) -> tuple[str, Project | None]:
    """The project asked for, known or not; without an id the one in which something was started last."""
    if project_id is not None:
        return project_id, facade.projects.find(project_id)
    last = facade.projects.cache.last_started()
    if last is None:
        raise NotFound("nothing was ever started")
    return last.project_id, last


async def _train_status(
    facade: Facade, project_id: str, project: Project | None, train_id: str | None
) -> TrainStatusAnswer:
    """Of the project's run from the resource; of an earlier one from the file that it left."""
    if project is not None and project.train_id is not None and train_id in (None, project.train_id):
        return legacy_view.train_answer(project)
    if train_id is None:
        raise unknown(project_id, project, "training")
    path = f"{train_subpath(project_id, train_id)}/status.json"
    left = await run_in_threadpool(facade.volume.document, path, TrainStatus)
    if left is None:
        raise NotFound(f"there is no training {train_id!r} in project {project_id!r}")
    return TrainStatusAnswer(projectID=project_id, trainID=train_id, **as_document(left))


async def _test_status(
    facade: Facade, project_id: str, project: Project | None, test_id: str | None
) -> TestStatusAnswer:
    if project is not None and project.test_id is not None and test_id in (None, project.test_id):
        return legacy_view.test_answer(project)
    if test_id is None:
        raise unknown(project_id, project, "test")
    path = f"{test_subpath(project_id, test_id)}/status_test.json"
    left = await run_in_threadpool(facade.volume.document, path, TestStatus)
    if left is None:
        raise NotFound(f"there is no test {test_id!r} in project {project_id!r}")
    return TestStatusAnswer(projectID=project_id, testID=test_id, **as_document(left))


def _train_answer(seen: Seen) -> TrainAnswer:
    project = seen.project
    assert project.train_id is not None and project.train_state is not None
    return TrainAnswer(
        projectID=project.project_id,
        trainID=project.train_id,
        revision=project.revision,
        state=project.train_state,
    )


def _test_answer(seen: Seen) -> TestAnswer:
    project = seen.project
    assert project.test_id is not None and project.test_state is not None
    return TestAnswer(projectID=project.project_id, testID=project.test_id, state=project.test_state)
