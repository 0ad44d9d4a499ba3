"""Server-sent events of what changes among the projects: one way to send them, whatever they say.

From memory: any number of browsers, one watch.
"""

from collections.abc import AsyncIterator, Callable, Iterable

from starlette.responses import Response, StreamingResponse

from ocr_api.cache import Change, ProjectCache

PING_SECONDS = 15.0
"""A comment after so long without news, so that nobody in between takes the connection for dead."""


def event_stream(cache: ProjectCache, tell: Callable[[Change], Iterable[str]]) -> Response:
    """What `tell` makes of each project that is there, then of each change, while somebody listens."""

    async def stream() -> AsyncIterator[str]:
        with cache.subscription() as subscription:
            yield "retry: 2000\n\n"
            async for changes in subscription.changes(PING_SECONDS):
                if not changes:
                    yield ": still here\n\n"
                for change in changes:
                    for text in tell(change):
                        yield text

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)
