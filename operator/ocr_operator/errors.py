"""What can go wrong in the operator, as one small tree.

OperatorError
├── BadSettings    the environment lacks something or holds what cannot be meant
└── ApiError       the API server could not be reached or answered with an error: worth another try
    ├── NotFound   404
    ├── Conflict   409
    └── Refused    400, 403, 413, 422: the same request would be refused again
"""


class OperatorError(Exception):
    """Any error that the operator knows how to tell."""


class BadSettings(OperatorError):
    """The environment's settings cannot be used; the message names the variable."""


class ApiError(OperatorError):
    """The API server's answer; `status` 0: there was none; `retry_after`: the seconds that it asked for."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class NotFound(ApiError):
    """The object is not there."""


class Conflict(ApiError):
    """The object is there already, or is another one than was meant."""


class Refused(ApiError):
    """The request itself is wrong or forbidden."""
