"""The facade over HTTP, by the standard library alone, and never through a proxy: it is asked where it is."""

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from ocr_api.selftest.errors import Refused, SelftestError, Unreachable

_SECONDS = 15.0
_SCHEMES = {"http": "http", "https": "https", "tcp": "http"}
"""tcp: how Kubernetes writes a Service's address into a pod's environment (with brackets around IPv6)."""


class Client:
    """One facade and the token that it is shown."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = _base(url)
        self.has_token = token is not None
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._opener = build_opener(ProxyHandler({}))

    def read(self, path: str) -> dict[str, Any]:
        """The JSON object at the path."""
        return self._object(self.download(path))

    def download(self, path: str) -> bytes:
        """The bytes at the path."""
        return self._call("GET", path, None, None)

    def send(self, method: str, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """The answer to a JSON object."""
        return self._object(self._call(method, path, json.dumps(document).encode(), "application/json"))

    def upload(self, path: str, packed: bytes) -> None:
        """A zip, in one request."""
        self._call("PUT", path, packed, "application/zip")

    def delete(self, path: str) -> None:
        self._call("DELETE", path, None, None)

    def _call(self, method: str, path: str, body: bytes | None, content_type: str | None) -> bytes:
        headers = self._headers | ({"Content-Type": content_type} if content_type else {})
        request = Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            raise Refused(error.code, _sentence(error)) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            raise Unreachable(f"{self.url} does not answer: {reason}") from None

    def _object(self, content: bytes) -> dict[str, Any]:
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unreachable(f"what answers at {self.url} is no facade of this project")
        return document


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise SelftestError(
            f"the facade's address {url!r} is not like http://ocr-api:80; where Kubernetes was to put it, "
            "the facade's Service is missing: install the release first"
        )
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}"


def _sentence(error: HTTPError) -> str:
    """The facade's own, from a problem document or a flat answer."""
    try:
        document = json.loads(error.read())
        told = document.get("detail") or document.get("msg")
    except (OSError, HTTPException, ValueError, AttributeError):
        told = None
    return f"{error.code}: {told or error.reason}"
