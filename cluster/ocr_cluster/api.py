"""A minimal client of the API server: what starting and stopping a cluster needs, over the standard library.

The tests of operator and facade bring the official client; this package should start without it.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ocr_cluster.errors import ClusterError, StartError
from ocr_cluster.pki import open_kubeconfig


class ApiError(ClusterError):
    """The API server refused; status is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """JSON requests with the certificate of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.server, self._tls = open_kubeconfig(kubeconfig)

    def get(self, path: str) -> dict[str, Any]:
        """The object or list at the path, such as /api/v1/pods."""
        return self._request("GET", path)

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The object that was created in the collection at the path."""
        return self._request("POST", path, body)

    def delete(self, path: str, **options: Any) -> None:
        """Delete the object, or every object of the collection, at the path; absent is fine."""
        try:
            self._request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.status != 404:
                raise

    def exists(self, path: str) -> bool:
        """Whether the server answers and has the object."""
        try:
            self.get(path)
        except ApiError as error:
            if error.status in (403, 404):
                return False
            raise
        except OSError:
            return False
        return True

    def is_ready(self) -> bool:
        """Whether the API server says that it is ready to serve."""
        try:
            with urllib.request.urlopen(f"{self.server}/readyz", context=self._tls, timeout=5):
                return True
        except OSError:  # HTTPError too
            return False

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.server + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=30) as answer:
                document: dict[str, Any] = json.load(answer)
                return document
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _message(error)) from error


def wait_until(
    condition: Callable[[], bool], what: str, seconds: float, problem: Callable[[], str | None]
) -> None:
    """Return when the condition holds; StartError at once when there is a problem, or after the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        found = problem()
        if found is None and time.monotonic() > deadline:
            found = f"{what} took more than {seconds:.0f} s"
        if found is not None:
            raise StartError(found)
        time.sleep(0.05)


def _message(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError):
        return f"{error.code} {error.reason}: {text[:200]}"
