"""/healthz and /readyz for the kubelet: whether a restart would help, and whether this replica is of use.

Liveness fails where the operator went blind (`sight.py`). It does not fail for an API server that is merely
down: a restart would change nothing. Readiness tells of that, of an OcrProject resource that is missing or
older than the operator, and of first lists that have not come back. A standby is ready, so that a rollout
goes on.
"""

from collections.abc import Callable, Iterable

from aiohttp import web

Problem = Callable[[], str | None]


def build_health_app(
    sickness: Problem, unreadiness: Problem, role: Callable[[], str], pages: Iterable[web.RouteDef] = ()
) -> web.Application:
    """The two endpoints, and other pages; what is wrong, if anything, is asked at each request."""

    def answer(problem: str | None, well: str) -> web.Response:
        return web.Response(status=503 if problem else 200, text=f"{problem or well}\n")

    async def healthz(_: web.Request) -> web.Response:
        return answer(sickness(), "ok")

    async def readyz(_: web.Request) -> web.Response:
        return answer(unreadiness(), role())

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), *pages])
    return app


async def serve_health(app: web.Application, port: int) -> web.AppRunner:
    """Listen on all addresses; the runner's `cleanup` ends it."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
