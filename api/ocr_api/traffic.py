"""Every request on its way in and out: its id, its limits, its line in the access log, its figures.

ASGI, not FastAPI's own middleware: that one copies streams, and a download of a model is one.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocr_api.metrics import Metrics

logger = logging.getLogger("ocr_api.access")

MAX_BODY_BYTES = 1024 * 1024
REQUEST_ID = "X-Request-ID"
_LEGAL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROBES = {"/healthz", "/readyz", "/metrics"}


class Traffic:
    """max_body: bytes that a body at this path may have. patience: seconds for which it may bring none."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, max_body: Callable[[str], int], patience: float
    ) -> None:
        self._app, self._metrics, self._max_body, self._patience = app, metrics, max_body, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        scope["request_id"] = given if _LEGAL_ID.fullmatch(given) else uuid.uuid4().hex[:16]
        exchange = _Exchange(scope, send)
        limit = self._max_body(scope["path"])
        body = _Body(receive, limit, self._patience, headers.get("content-length"))
        try:
            await self._app(scope, body.receive, exchange.send)
        finally:
            exchange.finish(self._metrics)


class _Exchange:
    """What is known of one request when it has been answered."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._started = time.perf_counter()
        self._status = 0
        self._bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self._scope["request_id"]
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def finish(self, metrics: Metrics) -> None:
        seconds = time.perf_counter() - self._started
        path = self._scope["path"]
        route = getattr(self._scope.get("route"), "path", "none")
        metrics.answered(self._scope["method"], route, self._status, seconds)
        if path in _PROBES:
            return  # the kubelet's questions every few seconds would drown the platform's
        client = self._scope.get("client")
        logger.info(
            "%s %s %d", self._scope["method"], path, self._status,
            extra={"fields": {
                "requestId": self._scope["request_id"], "method": self._scope["method"], "path": path,
                "status": self._status, "milliseconds": round(1000 * seconds, 1), "bytes": self._bytes,
                "client": client[0] if client else None,
            }},
        )  # fmt: skip


class _Body:
    """A request's body within its limits: of size, and of patience."""

    def __init__(self, receive: Receive, limit: int, patience: float, declared: str | None) -> None:
        self._receive, self._limit, self._patience = receive, limit, patience
        self._declared = int(declared) if declared is not None and declared.isdecimal() else 0
        self._size = 0
        self._whole = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()  # until the caller hangs up
        if self._declared > self._limit:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"the body brought nothing for {self._patience:g} s") from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._size > self._limit:
                raise self._too_large()
        return message

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the body is larger than {self._limit} bytes")
