"""The list of projects, and the stream by which its rows stay true."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from ocr_api.cache import Change, Subscription
from ocr_api.dashboard.projects import row_of
from ocr_api.dashboard.site import Site, event
from ocr_api.dashboard.words import Words
from ocr_api.facade import Facade
from ocr_api.v1.watch import PING_SECONDS
from ocr_contract.status import Phase

PHASES = ("none", *(phase.value for phase in Phase))


def add_to(router: APIRouter, site: Site) -> None:
    """`/` and its stream."""

    @router.get("/")
    async def projects(request: Request) -> Response:
        facade: Facade = request.app.state.facade
        seen = facade.projects.cache.all()
        rows = sorted((row_of(one.project) for one in seen), key=lambda row: row.created, reverse=True)
        newest = max((int(one.project.resource_version) for one in seen), default=0)
        return site.page(request, "projects.html", rows=rows, newest=newest, phases=PHASES)

    @router.get("/live/projects")
    async def live(request: Request, since: int = 0) -> Response:
        facade: Facade = request.app.state.facade
        cache = facade.projects.cache  # Unavailable is told before the stream begins

        async def stream() -> AsyncIterator[str]:
            with cache.subscription() as subscription:
                async for text in _events(site, site.words(request), subscription, since):
                    yield text

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


async def _events(site: Site, words: Words, subscription: Subscription, since: int) -> AsyncIterator[str]:
    """since: version up to which the page shows everything already; what went before a cut comes again."""
    yield "retry: 2000\n\n"
    async for changes in subscription.changes(PING_SECONDS):
        if not changes:
            yield ": still here\n\n"
        for change in changes:
            if int(change.seen.project.resource_version) > since or change.kind == "deleted":
                yield _event(site, words, change)


def _event(site: Site, words: Words, change: Change) -> str:
    project = change.seen.project
    if change.kind == "deleted":
        return event("deleted", {"name": project.name})
    html = site.fragment(words, "rows.html", "project_row", row_of(project), site.clock())
    return event("row", {"name": project.name, "html": html}, project.resource_version)
