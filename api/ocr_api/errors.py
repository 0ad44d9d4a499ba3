"""What a caller may be told, each with its HTTP status; the message is a sentence for the caller.

FacadeError
├── BadRequest   400  the call itself is wrong, or the API server refused what it asks for
├── NotFound     404  no such project, run, test or file
├── Conflict     409  it can't be done in the state things are in
├── TooLarge     413  the body is larger than any parameters are
└── Unavailable  503  the API server can't be reached, or refuses the facade itself
"""


class FacadeError(Exception):
    """Caught once, in app.py, where it becomes the flat JSON answer."""

    status = 500


class BadRequest(FacadeError):
    status = 400


class NotFound(FacadeError):
    status = 404


class Conflict(FacadeError):
    status = 409


class TooLarge(FacadeError):
    status = 413


class Unavailable(FacadeError):
    status = 503
