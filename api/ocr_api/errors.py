"""What a caller may be told, each with its HTTP status; the message is a sentence for the caller.

FacadeError
├── BadRequest          400  the call itself is wrong, or the API server refused what it asks for
├── Unauthorized        401  no token, or not the right one
├── NotFound            404  no such project, run, test or file
├── TooSlow             408  the body came to a halt
├── Conflict            409  it can't be done in the state things are in
├── ChangedMeanwhile    412  If-Match names another version than the present one
├── TooLarge            413  the body, or what it unpacks to, is larger than is allowed
├── UnsupportedContent  415  the body is of a kind that this call doesn't take
├── RangeBeyondEnd      416  the part of a file that is asked for lies beyond it
├── Unavailable         503  the API server can't be reached, or refuses the facade itself
│   └── Forbidden       503  the latter
└── VolumeFull          507  the shared volume has no room left
"""

from collections.abc import Mapping


class FacadeError(Exception):
    """Caught once, in problems.py, where it becomes flat JSON or a problem document."""

    status = 500

    def __init__(self, message: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}


class BadRequest(FacadeError):
    status = 400


class Unauthorized(FacadeError):
    status = 401


class NotFound(FacadeError):
    status = 404


class TooSlow(FacadeError):
    status = 408


class Conflict(FacadeError):
    status = 409


class ChangedMeanwhile(FacadeError):
    status = 412


class TooLarge(FacadeError):
    status = 413


class UnsupportedContent(FacadeError):
    status = 415


class RangeBeyondEnd(FacadeError):
    status = 416


class Unavailable(FacadeError):
    status = 503


class Forbidden(Unavailable):
    pass


class VolumeFull(FacadeError):
    status = 507
