"""An API server that misbehaves on request: an HTTP proxy before the real one.

What is asked through it is answered by the real API server, unless a fault is switched on: connections that
are open but dead, watches that show nothing, answers that are errors, or late. It has a thread of its own.
"""

import asyncio
import itertools
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from ocr_cluster.ports import PortClaim

Fault = Callable[[web.BaseRequest], web.Response | None]
_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class FaultProxy:
    """`with FaultProxy(control_plane.kubeconfig, folder) as proxy:`; `proxy.kubeconfig` leads through it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._pki = kubeconfig.parent
        document = yaml.safe_load(kubeconfig.read_text())
        cluster = document["clusters"][0]["cluster"]
        self._server = URL(cluster["server"])
        self._claim = PortClaim(1)
        cluster["server"] = f"https://127.0.0.1:{self._claim.ports[0]}"
        self.kubeconfig = folder / "proxy.kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(document))
        self.fault: Fault | None = None
        """Asked for each request; what it answers is not asked of the API server."""
        self.delay = 0.0
        """Seconds before a request goes on its way."""
        self.requests: Counter[str] = Counter()
        """By verb and kind, such as "list jobs"."""
        self._open: set[asyncio.BaseTransport] = set()
        self._dead: set[asyncio.BaseTransport] = set()
        self._blind: frozenset[str] = frozenset()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._claim.release()

    def black_hole(self) -> int:
        """No connection that is open by now is ever answered again, or closed; how many these are."""

        async def forget() -> int:
            self._open = {connection for connection in self._open if not connection.is_closing()}
            self._dead |= self._open
            return len(self._open)

        return asyncio.run_coroutine_threadsafe(forget(), self._loop).result()

    def blind(self, *kinds: str) -> None:
        """Watches of these kinds stay open and show nothing any more, new ones neither."""
        self._blind = frozenset(kinds)

    def every(self, count: int, status: int, *, writes_only: bool = False, **headers: str) -> None:
        """Each request whose number that divides is answered with the status."""
        numbers = itertools.count(1)

        def fault(request: web.BaseRequest) -> web.Response | None:
            if (writes_only and request.method == "GET") or next(numbers) % count:
                return None
            return refusal(status, headers)

        self.fault = fault

    def expire(self, kind: str) -> None:
        """The next watch of that kind begins too far back, as after a compaction: the client must list."""

        def fault(request: web.BaseRequest) -> web.Response | None:
            if meaning(request) != ("watch", kind):
                return None
            self.fault, self._blind = None, frozenset()
            gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
            return web.json_response(gone)

        self.fault = fault

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        inside = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        inside.load_cert_chain(str(self._pki / "admin.crt"), str(self._pki / "admin.key"))
        outside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        outside.load_cert_chain(str(self._pki / "apiserver.crt"), str(self._pki / "apiserver.key"))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=inside, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        runner = web.ServerRunner(
            web.Server(self._serve, access_log=None, handler_cancellation=True), shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._claim.ports[0], ssl_context=outside).start()
        self._started.set()
        await self._over.wait()
        await runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.transport
        assert connection is not None
        self._open.add(connection)
        verb, kind = meaning(request)
        self.requests[f"{verb} {kind}"] += 1
        body = await request.read()
        await self._stall_if(connection in self._dead)
        await asyncio.sleep(self.delay)
        if self.fault is not None and (refused := self.fault(request)):
            return refused
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = self._server.join(URL(request.raw_path, encoded=True))
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body or None
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await self._stall_if(connection in self._dead)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await self._stall_if(
                        connection in self._dead or (verb == "watch" and kind in self._blind)
                    )
                    await response.write(chunk)
                await response.write_eof()
                return response
        except aiohttp.ClientConnectionError:
            connection.abort()  # type: ignore[attr-defined]
            raise asyncio.CancelledError from None

    async def _stall_if(self, stalls: bool) -> None:
        if stalls:
            await asyncio.Event().wait()


def meaning(request: web.BaseRequest) -> tuple[str, str]:
    """The verb and the kind of a request, as far as the tests need them."""
    parts = request.path.strip("/").split("/")
    after = parts.index("namespaces") + 2 if "namespaces" in parts else len(parts)
    kind = parts[after] if after < len(parts) else "-"
    if request.method != "GET":
        return request.method.lower(), kind
    if "watch" in request.query:
        return "watch", kind
    return ("list" if after == len(parts) - 1 else "get"), kind


def refusal(status: int, headers: dict[str, str]) -> web.Response:
    """What the API server sends with an error."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status,
        "message": f"{status} by the test",
    }
    return web.Response(
        status=status,
        body=json.dumps(body),
        content_type="application/json",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
