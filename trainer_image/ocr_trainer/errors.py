"""Every failure that a stage explains in the user's terms.

    TrainerError
    ├── WrongCall          64  the command line or the pod's environment is wrong
    ├── BadData            65  the images or annotations can't be trained or tested
    ├── Interrupted        75  stopped after a checkpoint; not a failure
    ├── BadConfiguration   78  a preset, override or setting is wrong
    └── VolumeFull          1  no room left to write; a retry may find some

Raised anywhere, caught in `__main__` and `pod` alone, where it becomes exit code and last words. Whatever
else comes up there is our own fault and ends with exit code 1, which a Job retries.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ocr_contract.exit_codes import ExitCode

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TrainerError(Exception):
    """One plain sentence for the user, a CamelCase reason and the exit code that a Job acts upon."""

    exit_code: ClassVar[int]
    default_reason: ClassVar[str]

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason


class WrongCall(TrainerError):
    exit_code = ExitCode.WRONG_CALL
    default_reason = "WrongCall"


class BadData(TrainerError):
    exit_code = ExitCode.BAD_DATA
    default_reason = "BadData"


class Interrupted(TrainerError):
    exit_code = ExitCode.INTERRUPTED
    default_reason = "Interrupted"


class BadConfiguration(TrainerError):
    exit_code = ExitCode.BAD_CONFIGURATION
    default_reason = "BadConfiguration"


class VolumeFull(TrainerError):
    exit_code = 1
    default_reason = "VolumeFull"


@contextmanager
def naming_full_volume(path: Path) -> Iterator[None]:
    """VolumeFull instead of the operating system's error; `path`: what is written, unless that error says."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise VolumeFull(
            f"{error.filename or path} could not be written: {error.strerror}; what was there before is "
            "untouched, so make room and start again"
        ) from error
