"""The list of projects, and the stream by which its rows stay true."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.responses import Response

from ocr_api.cache import Change
from ocr_api.dashboard.projects import row_of
from ocr_api.dashboard.site import Site, event
from ocr_api.dashboard.words import Words
from ocr_api.facade import Facade
from ocr_api.server_events import event_stream
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
        """since: version up to which the page shows everything; what went before a cut comes again."""
        facade: Facade = request.app.state.facade
        cache = facade.projects.cache  # Unavailable is told before the stream begins

        words = site.words(request)

        def tell(change: Change) -> Iterator[str]:
            if int(change.seen.project.resource_version) > since or change.kind == "deleted":
                yield _event(site, words, change)

        return event_stream(cache, tell)


def _event(site: Site, words: Words, change: Change) -> str:
    project = change.seen.project
    if change.kind == "deleted":
        return event("deleted", {"name": project.name})
    html = site.fragment(words, "rows.html", "project_row", row_of(project), site.clock())
    return event("row", {"name": project.name, "html": html}, project.resource_version)
