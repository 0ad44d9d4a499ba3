"""How a stage's process ends, and the last words it leaves in the termination message.

64, 65, 75 and 78 are sysexits.h's EX_USAGE, EX_DATAERR, EX_TEMPFAIL and EX_CONFIG. A Job's podFailurePolicy
reads the code, the operator reads the words, so that nobody needs a log to learn why.
"""

from enum import IntEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ExitCode(IntEnum):
    DONE = 0
    WRONG_CALL = 64
    BAD_DATA = 65
    INTERRUPTED = 75
    """Stopped after writing a checkpoint: not counted as a failure."""
    BAD_CONFIGURATION = 78


NEVER_RETRIED = (ExitCode.WRONG_CALL, ExitCode.BAD_DATA, ExitCode.BAD_CONFIGURATION)
"""The user's fault: the same attempt would fail the same way."""


class LastWords(BaseModel):
    """The termination message, as JSON. `reason` is CamelCase, `message` a plain sentence."""

    model_config = ConfigDict(extra="ignore")

    reason: str = Field(max_length=64)
    message: str = Field(max_length=2048)


def parse_last_words(text: str) -> LastWords | None:
    """The words, or None where the container died without any (kernel OOM, node lost)."""
    try:
        return LastWords.model_validate_json(text)
    except ValidationError:
        return None
