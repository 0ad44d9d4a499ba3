"""A real HTTP server on 127.0.0.1 that is told things: it keeps what comes, and answers as it is asked to."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_with(self, key: bytes) -> bool:
        """Checked as a receiver checks it, by the scheme's text alone."""
        sent = int(self.headers["webhook-timestamp"])
        content = f"{self.id}.{sent}.".encode() + self.body
        expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
        offered = [part.partition(",") for part in self.headers["webhook-signature"].split(" ")]
        matches = any(kind == "v1" and hmac.compare_digest(value, expected) for kind, _, value in offered)
        return matches and abs(time.time() - sent) < 300


@dataclass
class Receiver:
    url: str = ""
    answers: Callable[[Received], int] = lambda _: 204
    """The status to answer with."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with each answer."""
    all: list[Received] = field(default_factory=list)
    """Everything that came, repeats included."""
    accepted: list[Received] = field(default_factory=list)
    """What was answered with 2xx."""

    @property
    def once(self) -> list[Received]:
        """What was accepted, as a receiver keeps it that drops what it has seen."""
        first: dict[str, Received] = {}
        for received in self.accepted:
            first.setdefault(received.id, received)
        return list(first.values())

    def words(self, key: str = "status") -> list[Any]:
        return [received.json[key] for received in self.accepted]


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Listening until the end of the block."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body)
            told.all.append(received)
            status = told.answers(received)
            if 200 <= status < 300:
                told.accepted.append(received)
            try:
                self.send_response(status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except ConnectionError:
                self.close_connection = True  # it did not wait for the answer

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    told.url = f"http://127.0.0.1:{server.server_address[1]}/told"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
