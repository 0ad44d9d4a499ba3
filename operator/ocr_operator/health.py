"""/healthz and /readyz for the kubelet: that the event loop turns, and that the watches have started."""

from collections.abc import Callable

from aiohttp import web


def build_health_app(is_ready: Callable[[], bool]) -> web.Application:
    """The two endpoints; `is_ready` is asked at each request."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if is_ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready: the watches have not started\n")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return app


async def serve_health(app: web.Application, port: int) -> web.AppRunner:
    """Listen on all addresses; the runner's `cleanup` ends it."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
