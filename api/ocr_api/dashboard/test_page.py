"""The page of a test: its figures, its images with the worst first, and one of them with all its lines."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ocr_api.cache import Change
from ocr_api.dashboard.site import Site, event
from ocr_api.dashboard.tested import (
    PER_PAGE,
    Address,
    Neighbours,
    figures_of,
    neighbours,
    standing_of,
)
from ocr_api.errors import NotFound
from ocr_api.facade import Facade
from ocr_api.results import Sort
from ocr_api.server_events import event_stream
from ocr_api.v1 import results
from ocr_api.v1.dependencies import ProjectId, RunId, TestId, seen_project

KINDS = ("misread", "missed", "false", "found", "right", "ignored")
"""Of lines: what needs a look first."""
_RUN = "/projects/{projectID}/runs/{runID}/test"
_TEST = "/projects/{projectID}/tests/{testID}"

After = Annotated[int, Query(ge=0, le=1_000_000_000)]
Image = Annotated[str | None, Query(max_length=4000)]
Part = Annotated[str, Query(max_length=1000)]


def add_to(router: APIRouter, site: Site) -> None:
    """Both kinds of tests, and their streams."""

    @router.get(_RUN)
    async def run_test(
        request: Request, project_id: ProjectId, run_id: RunId,
        sort: Sort = Sort.WORST, q: Part = "", after: After = 0, image: Image = None,
    ) -> Response:  # fmt: skip
        return await _page(site, request, Address(project_id, run_id, own=False), sort, q, after, image)

    @router.get(_TEST)
    async def own_test(
        request: Request, project_id: ProjectId, test_id: TestId,
        sort: Sort = Sort.WORST, q: Part = "", after: After = 0, image: Image = None,
    ) -> Response:  # fmt: skip
        return await _page(site, request, Address(project_id, test_id, own=True), sort, q, after, image)

    @router.get(f"/live{_RUN}")
    async def run_live(request: Request, project_id: ProjectId, run_id: RunId) -> Response:
        return _live(site, request, Address(project_id, run_id, own=False))

    @router.get(f"/live{_TEST}")
    async def own_live(request: Request, project_id: ProjectId, test_id: TestId) -> Response:
        return _live(site, request, Address(project_id, test_id, own=True))


async def _page(
    site: Site, request: Request, address: Address, sort: Sort, q: str, after: int, image: str | None
) -> Response:
    facade: Facade = request.app.state.facade
    seen_project(facade, address.project_id)
    q = q.strip()
    if image:
        return await _one_image(site, request, address, sort, q, image)
    return await _all_images(site, request, address, sort, q, after)


async def _all_images(
    site: Site, request: Request, address: Address, sort: Sort, q: str, after: int
) -> Response:
    facade: Facade = request.app.state.facade
    standing = standing_of(seen_project(facade, address.project_id).project, address)
    page = await _results(facade, address, sort, q, after)
    if page is None and standing.total == 0 and not (standing.active or standing.failed):
        raise NotFound(f"no test of {address.id!r} has ended yet with this release")
    figures = await run_in_threadpool(figures_of, facade, address, standing)
    return site.page(
        request, "test.html", address=address, standing=standing, page=page, figures=figures,
        sort=sort, sorts=tuple(Sort), q=q, after=after, per_page=PER_PAGE,
    )  # fmt: skip


async def _results(
    facade: Facade, address: Address, sort: Sort, q: str, after: int
) -> results.ResultPage | None:
    ask = results.test_results if address.own else results.run_results
    try:
        return await ask(facade, address.project_id, address.id, sort, q, PER_PAGE, after)
    except NotFound:
        return None


async def _one_image(
    site: Site, request: Request, address: Address, sort: Sort, q: str, file: str
) -> Response:
    facade: Facade = request.app.state.facade
    ask = results.test_result if address.own else results.run_result
    image = await ask(facade, address.project_id, address.id, file)
    around = await run_in_threadpool(neighbours, facade, address, file, sort, q)
    return site.page(
        request, "test_image.html", address=address, image=image, sort=sort, q=q,
        name=PurePosixPath(file).name, around=around or Neighbours(0, 0, None, None),
        kinds=[kind for kind in KINDS if any(line.kind == kind for line in image.lines)],
    )  # fmt: skip


def _live(site: Site, request: Request, address: Address) -> Response:
    """How far the test is; `ended` where there is something new to load."""
    facade: Facade = request.app.state.facade
    cache = facade.projects.cache  # Unavailable is told before the stream begins
    words = site.words(request)

    def tell(change: Change) -> Iterator[str]:
        project = change.seen.project
        if project.project_id != address.project_id:
            return
        standing = standing_of(project, address)
        if change.kind == "deleted" or not standing.active:
            yield event("ended", {})
        else:
            html = site.fragment(words, "test_parts.html", "standing_of", standing)
            yield event("standing", {"html": html}, project.resource_version)

    return event_stream(cache, tell)
