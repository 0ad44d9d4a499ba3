"""/api/v1: a test image by image: the worst ones, the least certain ones, one with all its lines."""

from difflib import SequenceMatcher
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from ocr_api import problems
from ocr_api.errors import NotFound
from ocr_api.facade import Facade
from ocr_api.results import Scores, Sort, TestedImage, Totals, find, image_at, line_at, position_of
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, RunId, TestId
from ocr_api.v1.documents import ApiModel
from ocr_contract.volume import TestFolder, test_subpath, train_subpath

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}")
_ERRORS: dict[int | str, dict[str, Any]] = problems.describe(404)
_MOST_COMPARED = 2000
"""Characters of both texts: finding what differs takes the square of it."""

SortBy = Annotated[
    Sort,
    Query(description="worst: most lines misread, missed or false; uncertain: lowest score; name"),
]
Part = Annotated[str, Query(description="Part of the image's name", max_length=1000)]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[int, Query(ge=0, le=1_000_000_000, description="`next` of the page before")]
ImagePath = Annotated[str, Path(description="`file` of the image", examples=["receipts/017.jpg"])]


class Confusion(BaseModel):
    true: str = Field(description="Empty: a character too many", examples=["0"])
    read: str = Field(description="Empty: a character left out", examples=["O"])
    count: int = Field(examples=[12])


class ResultPage(ApiModel):
    items: list[TestedImage]
    fitting: int = Field(description="Images whose name holds `q`, on all pages", examples=[120])
    next: int | None = Field(default=None, description="Send it as `after` for the next page")
    totals: Totals = Field(description="Of all images of the test")
    scores: Scores
    confusions: list[Confusion] = Field(
        description="Characters read for others, the most frequent first; the true lines' outlines were read"
    )


class ResultLine(ApiModel):
    """Outlines are x1, y1, x2, … in pixels of the picture turned upright, as its EXIF data ask for."""

    kind: str = Field(
        description="right, misread, missed, false; found: nobody says what it reads; ignored: nobody cares",
        examples=["misread"],
    )
    polygon: list[float] | None = Field(default=None, description="Of the found line")
    truth: list[float] | None = Field(default=None, description="Outline of the true line")
    text: str | None = Field(default=None, description="What was read", examples=["1O.00"])
    expected: str | None = Field(default=None, description="What it says", examples=["10.00"])
    detection_score: float | None = None
    recognition_score: float | None = None
    difference: list[tuple[str, str, str]] | None = Field(
        default=None,
        description="Of a misread line, part by part: equal, replace, insert or delete; expected; read",
        examples=[[["equal", "1", "1"], ["replace", "0", "O"], ["equal", ".00", ".00"]]],
    )


class ImageResult(TestedImage):
    lines: list[ResultLine]


class _Metrics(ApiModel):
    """What testMetrics.json has besides the figures of the status."""

    character_errors: list[Confusion] = Field(default=[])


@router.get("/runs/{runID}/results", tags=["runs"], responses=_ERRORS)
async def run_results(
    facade: FacadeOf,
    project_id: ProjectId,
    run_id: RunId,
    sort: SortBy = Sort.WORST,
    q: Part = "",
    limit: Limit = 100,
    after: After = 0,
) -> ResultPage:
    """Images of the run's own test, and what is wrong in the whole of it."""
    folder = train_subpath(project_id, run_id)
    return await run_in_threadpool(_page, facade, folder, sort, q, after, limit)


@router.get("/runs/{runID}/results/{path:path}", tags=["runs"], responses=_ERRORS)
async def run_result(facade: FacadeOf, project_id: ProjectId, run_id: RunId, path: ImagePath) -> ImageResult:
    """One image of the run's own test, line by line."""
    return await run_in_threadpool(_image, facade, train_subpath(project_id, run_id), path)


@router.get("/tests/{testID}/results", tags=["tests"], responses=_ERRORS)
async def test_results(
    facade: FacadeOf,
    project_id: ProjectId,
    test_id: TestId,
    sort: SortBy = Sort.WORST,
    q: Part = "",
    limit: Limit = 100,
    after: After = 0,
) -> ResultPage:
    """Images of the test, and what is wrong in the whole of it."""
    folder = test_subpath(project_id, test_id)
    return await run_in_threadpool(_page, facade, folder, sort, q, after, limit)


@router.get("/tests/{testID}/results/{path:path}", tags=["tests"], responses=_ERRORS)
async def test_result(
    facade: FacadeOf, project_id: ProjectId, test_id: TestId, path: ImagePath
) -> ImageResult:
    """One image of the test, line by line."""
    return await run_in_threadpool(_image, facade, test_subpath(project_id, test_id), path)


def _page(facade: Facade, folder: str, sort: Sort, part: str, after: int, limit: int) -> ResultPage:
    test = TestFolder(FilePath(folder))
    with facade.results.reading(str(test.lines)) as found:
        if found is None:
            raise _no_results(folder)
        index, file = found
        fitting = find(index, sort, part)
        end = after + limit
        places = [index.places[n] for n in fitting[after:end]]
        items = [image for place in places if (image := image_at(file, place)) is not None]
    metrics = facade.volume.document(str(test.test_metrics), _Metrics) or _Metrics()
    return ResultPage(
        items=items,
        fitting=len(fitting),
        next=end if end < len(fitting) else None,
        totals=index.totals,
        scores=index.scores,
        confusions=metrics.character_errors,
    )


def _image(facade: Facade, folder: str, path: str) -> ImageResult:
    with facade.results.reading(str(TestFolder(FilePath(folder)).lines)) as found:
        if found is None:
            raise _no_results(folder)
        index, file = found
        position = position_of(index, path)
        line = line_at(file, index.places[position]) if position is not None else b""
    try:
        image = ImageResult.model_validate_json(line)
    except ValidationError:
        raise NotFound(f"the test's results have no image {path!r}") from None
    for told in image.lines:
        if told.kind == "misread":
            told.difference = difference(told.expected or "", told.text or "")
    return image


def difference(expected: str, read: str) -> list[tuple[str, str, str]]:
    """What must be done to the expected text to get the one that was read, part by part."""
    if len(expected) + len(read) > _MOST_COMPARED:
        return [("replace", expected, read)]
    codes = SequenceMatcher(None, expected, read, autojunk=False).get_opcodes()
    return [(operation, expected[a:b], read[c:d]) for operation, a, b, c, d in codes]


def _no_results(folder: str) -> NotFound:
    return NotFound(f"no test in {folder} has ended yet with this release: there are no results by image")
