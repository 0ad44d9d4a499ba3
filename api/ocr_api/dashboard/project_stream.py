"""One project's changes for an open page: the part that changes, made anew by the template that made it."""

from collections.abc import Callable, Iterator
from typing import Any

from starlette.responses import Response

from ocr_api.cache import Change, ProjectCache, Seen
from ocr_api.dashboard.site import event
from ocr_api.errors import NotFound
from ocr_api.server_events import event_stream


def stream_of(cache: ProjectCache, project_id: str, since: int, part: Callable[[Seen], Any]) -> Response:
    """`part` with what part(seen) says, for each version after `since`; `deleted` where nothing is left."""

    def tell(change: Change) -> Iterator[str]:
        project = change.seen.project
        if project.project_id != project_id:
            return
        if change.kind == "deleted":
            yield event("deleted", {})
        elif int(project.resource_version) > since:
            yield _told(change.seen, part)

    return event_stream(cache, tell)


def _told(seen: Seen, part: Callable[[Seen], Any]) -> str:
    try:
        return event("part", part(seen), seen.project.resource_version)
    except NotFound:  # the status keeps the last ten only
        return event("deleted", {})
