"""One project's changes for an open page: the part that changes, made anew by the template that made it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import Response, StreamingResponse

from ocr_api.cache import ProjectCache, Seen
from ocr_api.dashboard.site import event
from ocr_api.errors import NotFound
from ocr_api.v1.watch import PING_SECONDS


def stream_of(cache: ProjectCache, project_id: str, since: int, part: Callable[[Seen], Any]) -> Response:
    """`part` with what part(seen) says, for each version after `since`; `deleted` where nothing is left."""

    async def stream() -> AsyncIterator[str]:
        yield "retry: 2000\n\n"
        with cache.subscription() as subscription:
            async for changes in subscription.changes(PING_SECONDS):
                if not changes:
                    yield ": still here\n\n"
                for change in changes:
                    project = change.seen.project
                    if project.project_id != project_id:
                        continue
                    if change.kind == "deleted":
                        yield event("deleted", {})
                    elif int(project.resource_version) > since:
                        yield _told(change.seen, part)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


def _told(seen: Seen, part: Callable[[Seen], Any]) -> str:
    try:
        return event("part", part(seen), seen.project.resource_version)
    except NotFound:  # the status keeps the last ten only
        return event("deleted", {})
