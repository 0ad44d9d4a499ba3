"""/api/v1: what a run or a test has left on the volume: curves, findings, the log, files.

A training that is known and has left nothing yet is answered with nothing, not with an error: whoever looks
at one from its beginning on needs no second way of asking.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ocr_api import problems
from ocr_api.errors import NotFound
from ocr_api.facade import Facade
from ocr_api.v1.curves import Curves, read_curves
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, RunId, TestId, check_run
from ocr_api.v1.documents import ApiModel
from ocr_api.v1.findings import Findings, read_findings
from ocr_api.v1.log import Tail, follow, tail
from ocr_contract.project import RunState
from ocr_contract.stages import Stage
from ocr_contract.volume import test_subpath, train_subpath

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}")
Responses = dict[int | str, dict[str, Any]]
_ERRORS: Responses = problems.describe(404)
_BINARY: dict[str, dict[str, Any]] = {"*/*": {"schema": {}}}  # by the name of the file
_DOWNLOAD: Responses = {
    200: {"description": "the file", "content": _BINARY},
    206: {"description": "the part asked for by Range", "content": _BINARY},
    416: {"description": "the Range lies beyond the file"},
    **problems.describe(400, 404),
}
_TEXT: Responses = {
    200: {"description": "lines of log/record.log", "content": {"text/plain": {"schema": {"type": "string"}}}}
}

FilePath = Annotated[
    str, Path(description="The file's path within the folder", examples=["model/pthModel.zip"])
]


class File(ApiModel):
    path: str = Field(description="Within the folder", examples=["model/pthModel.zip"])
    size: int = Field(description="Bytes", examples=[184034112])
    modified_at: datetime


class FileList(ApiModel):
    items: list[File]
    truncated: bool = Field(description="There are more than those listed: ask for a part by `prefix`")


Prefix = Annotated[str, Query(description="Only paths that begin so", max_length=1000)]


@router.get("/runs/{runID}/curves/{model}", tags=["runs"], responses=_ERRORS)
async def curves(
    facade: FacadeOf,
    project_id: ProjectId,
    run_id: RunId,
    model: Annotated[Stage, Path(description="detection or recognition")],
    points: Annotated[int, Query(ge=10, le=5000, description="Steps at most; more become means")] = 500,
) -> Curves:
    """Losses by step, epochs' ends and validations of one model's training."""
    path = f"{train_subpath(project_id, run_id)}/work/{model}/metrics.jsonl"
    found = await run_in_threadpool(read_curves, facade.volume, path, points)
    if found is None:
        check_run(facade, project_id, run_id)
        return Curves(steps=[], epochs=[], validations=[])
    return found


@router.get("/runs/{runID}/findings", tags=["runs"], responses=_ERRORS)
async def findings(
    facade: FacadeOf,
    project_id: ProjectId,
    run_id: RunId,
    severity: Annotated[str | None, Query(description="error, repaired or ignored", max_length=20)] = None,
    kind: Annotated[str | None, Query(max_length=40, examples=["missing-image"])] = None,
    image: Annotated[str | None, Query(description="Part of the image's name", max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[int, Query(ge=0, le=1_000_000_000, description="`next` of the page before")] = 0,
) -> Findings:
    """Every problem of images and annotations, and what was done about it."""
    path = f"{train_subpath(project_id, run_id)}/work/dataset/findings.jsonl"
    wanted = {"severity": severity, "kind": kind}
    found = await run_in_threadpool(read_findings, facade.volume, path, wanted, image, after, limit)
    if found is None:
        check_run(facade, project_id, run_id)
        return Findings(items=[], checked=False)
    return found


@router.get("/runs/{runID}/log", tags=["runs"], response_class=Response, responses={**_TEXT, **_ERRORS})
async def log(
    facade: FacadeOf,
    project_id: ProjectId,
    run_id: RunId,
    lines: Annotated[int, Query(ge=1, le=10_000, description="The last ones")] = 200,
    follow_it: Annotated[
        bool, Query(alias="follow", description="Stay and send what comes, until the run ends")
    ] = False,
) -> Response:
    """The end of log/record.log, which all stages write."""
    path = f"{train_subpath(project_id, run_id)}/log/record.log"
    found = await run_in_threadpool(tail, facade.volume, path, lines)
    if found is None:
        check_run(facade, project_id, run_id)
        found = Tail(b"", 0)
    if not follow_it:
        return Response(found.text, media_type="text/plain; charset=utf-8")

    async def stream() -> AsyncIterator[bytes]:
        yield found.text
        under_way = lambda: _is_under_way(facade, project_id, run_id)  # noqa: E731
        async for more in follow(facade.volume, path, found.end, under_way):
            yield more

    return StreamingResponse(stream(), media_type="text/plain; charset=utf-8")


@router.get("/runs/{runID}/files", tags=["runs"], responses=_ERRORS)
async def run_files(facade: FacadeOf, project_id: ProjectId, run_id: RunId, prefix: Prefix = "") -> FileList:
    """Files of the run's folder by path."""
    return await _list(facade, train_subpath(project_id, run_id), prefix, f"training {run_id!r}")


@router.head("/runs/{runID}/files/{path:path}", include_in_schema=False)
@router.get("/runs/{runID}/files/{path:path}", tags=["runs"], response_class=Response, responses=_DOWNLOAD)
async def run_file(facade: FacadeOf, project_id: ProjectId, run_id: RunId, path: FilePath) -> Response:
    """Download a file of the run's folder; Range and If-Range resume a download that was cut."""
    return await run_in_threadpool(facade.volume.download, train_subpath(project_id, run_id), path)


@router.get("/tests/{testID}/files", tags=["tests"], responses=_ERRORS)
async def test_files(
    facade: FacadeOf, project_id: ProjectId, test_id: TestId, prefix: Prefix = ""
) -> FileList:
    """Files of the test's folder by path."""
    return await _list(facade, test_subpath(project_id, test_id), prefix, f"test {test_id!r}")


@router.head("/tests/{testID}/files/{path:path}", include_in_schema=False)
@router.get("/tests/{testID}/files/{path:path}", tags=["tests"], response_class=Response, responses=_DOWNLOAD)
async def test_file(facade: FacadeOf, project_id: ProjectId, test_id: TestId, path: FilePath) -> Response:
    """Download a file of the test's folder; Range and If-Range resume a download that was cut."""
    return await run_in_threadpool(facade.volume.download, test_subpath(project_id, test_id), path)


async def _list(facade: Facade, folder: str, prefix: str, title: str) -> FileList:
    found, truncated = await run_in_threadpool(facade.volume.listing, folder, prefix)
    if found is None:
        raise NotFound(f"there is no folder of {title} on the volume")
    files = [File(path=file.path, size=file.size, modified_at=file.modified_at) for file in found]
    return FileList(items=files, truncated=truncated)


def _is_under_way(facade: Facade, project_id: str, run_id: str) -> bool:
    project = facade.projects.find(project_id)
    return project is not None and project.train_id == run_id and project.train_state == RunState.ACTIVE
