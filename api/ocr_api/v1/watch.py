"""/api/v1/watch: projects as server-sent events."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from ocr_api import problems
from ocr_api.cache import Change
from ocr_api.server_events import event_stream
from ocr_api.v1.dependencies import V1, FacadeOf
from ocr_api.v1.documents import project_document

router = APIRouter(prefix=V1, tags=["projects"])

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
    cache = facade.projects.cache  # Unavailable is told before the stream begins

    def tell(change: Change) -> Iterator[str]:
        if project_id in (None, change.seen.project.project_id):
            yield _event(change)

    return event_stream(cache, tell)


def _event(change: Change) -> str:
    name = "deleted" if change.kind == "deleted" else "project"
    data = json.dumps(project_document(change.seen))
    return f"event: {name}\nid: {change.seen.project.resource_version}\ndata: {data}\n\n"
