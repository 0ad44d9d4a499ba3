"""/api/v1: pictures of a run's or a test's folder, small enough for a page of a hundred."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from ocr_api import problems
from ocr_api.facade import Facade
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, RunId, TestId
from ocr_contract.volume import test_subpath, train_subpath

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}")
_CACHED = "private, max-age=3600"
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the picture", "content": {"image/jpeg": {"schema": {"type": "string"}}}},
    304: {"description": "the caller has it already"},
    **problems.describe(404, 413, 415),
}

PicturePath = Annotated[
    str, Path(description="The picture's path within the folder", examples=["receipts/017.jpg"])
]
Size = Annotated[
    int, Query(ge=64, le=2048, description="Pixels of the longer side; none is made larger than it is")
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="ETags of pictures that the caller has")
]


@router.get("/runs/{runID}/pictures/{path:path}", tags=["runs"], response_class=Response, responses=_PICTURE)
async def run_picture(
    facade: FacadeOf,
    project_id: ProjectId,
    run_id: RunId,
    path: PicturePath,
    size: Size = 320,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A picture of the run's folder as JPEG, scaled down and upright, as its EXIF data ask for.

    Outlines in `results` are of the upright picture at its full size.
    """
    return await _small(facade, train_subpath(project_id, run_id), path, size, if_none_match)


@router.get(
    "/tests/{testID}/pictures/{path:path}", tags=["tests"], response_class=Response, responses=_PICTURE
)
async def test_picture(
    facade: FacadeOf,
    project_id: ProjectId,
    test_id: TestId,
    path: PicturePath,
    size: Size = 320,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A picture of the test's folder as JPEG, scaled down and upright, as its EXIF data ask for.

    Outlines in `results` are of the upright picture at its full size.
    """
    return await _small(facade, test_subpath(project_id, test_id), path, size, if_none_match)


async def _small(facade: Facade, folder: str, path: str, size: int, if_none_match: str | None) -> Response:
    small = await facade.pictures.known(folder, path, size)
    headers = {"ETag": small.etag, "Cache-Control": _CACHED}
    had = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if small.etag in had:
        return Response(status_code=304, headers=headers)
    small = await facade.pictures.made(folder, path, size)
    return Response(small.jpeg, media_type="image/jpeg", headers=headers | {"ETag": small.etag})
