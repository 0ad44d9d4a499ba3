"""/api/v1/watch: projects as server-sent events, from memory: any number of browsers, one watch."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from ocr_api import problems
from ocr_api.cache import Change, Subscription
from ocr_api.facade import Facade
from ocr_api.v1.dependencies import V1, FacadeOf
from ocr_api.v1.documents import project_document

router = APIRouter(prefix=V1, tags=["projects"])

PING_SECONDS = 15.0
"""A comment after so long without news, so that nobody in between takes the connection for dead."""
_EXAMPLE = 'event: project\nid: 1042\ndata: {"name": "receipts", "projectID": "receipts", …}\n\n'
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`project`: one as it is now. `deleted`: it is gone. All present ones come first.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.get("/watch", response_class=Response, responses={**_STREAM, **problems.describe()})
async def watch(
    facade: FacadeOf,
    project_id: Annotated[
        str | None, Query(alias="projectID", description="Only this project", max_length=200)
    ] = None,
) -> Response:
    """Projects as server-sent events: all that there are, then each change, for as long as you listen.

    A reader who is slow gets each project's latest version, not every one. After a cut just connect again.
    """
    facade.projects.cache  # noqa: B018 - Unavailable is told before the stream begins
    return StreamingResponse(
        _stream(facade, project_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(facade: Facade, project_id: str | None) -> AsyncIterator[str]:
    with facade.projects.cache.subscription() as subscription:
        async for text in _events(subscription, project_id):
            yield text


async def _events(subscription: Subscription, project_id: str | None) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    async for changes in subscription.changes(PING_SECONDS):
        if not changes:
            yield ": still here\n\n"
        for change in changes:
            if project_id in (None, change.seen.project.project_id):
                yield _event(change)


def _event(change: Change) -> str:
    name = "deleted" if change.kind == "deleted" else "project"
    data = json.dumps(project_document(change.seen))
    return f"event: {name}\nid: {change.seen.project.resource_version}\ndata: {data}\n\n"
