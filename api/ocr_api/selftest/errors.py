"""Why a self-test ends early. Each message is one sentence for the administrator that says what to do.

SelftestError
├── Unreachable  nobody answers HTTP at the facade's address
├── Refused      the facade answers with an error
└── Stopped      SIGTERM or Ctrl-C: what was made is cleared away
"""


class SelftestError(Exception):
    """Caught once, in command.py, where it is told."""


class Unreachable(SelftestError):
    pass


class Refused(SelftestError):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Stopped(SelftestError):
    def __init__(self) -> None:
        super().__init__("it was asked to stop before it was done: start it again")
