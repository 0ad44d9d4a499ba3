"""Operators that live for a moment: killed a hundred times without importing kopf a hundred times.

A process imports the operator once. Told "start" on its standard input it forks a child that runs
`ocr-operator run`, told "kill" it kills the child. The child is as new as a process that was just started:
nothing runs in the parent, which has no event loop, no connection and no thread.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:  # the process that forks has no need of the tests' world
    from operator_world import Operator


class ShortLives:
    """`with ShortLives(operator) as lives:`, then `lives.start()` and `lives.kill()`, as often as wished."""

    def __init__(self, operator: "Operator") -> None:
        self._operator = operator

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, __file__, str(self._operator.log_path)],
            env=self._operator.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait()

    def start(self) -> None:
        """A new operator begins."""
        self._tell("start")

    def kill(self) -> None:
        """SIGKILL; it must not have ended by itself."""
        self._tell("kill")

    def _tell(self, word: str) -> None:
        assert self._parent.stdin is not None
        print(word, file=self._parent.stdin, flush=True)
        assert self._answer() == "done", self._operator.log

    def _answer(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().strip()


def serve(log: Path) -> None:
    """The parent's side."""
    import ocr_operator.app
    import ocr_operator.service  # noqa: F401
    from ocr_operator.__main__ import main

    print("ready", flush=True)
    child = 0
    try:
        for line in sys.stdin:
            if line.strip() == "start":
                child = os.fork() or _become(main, log)
                print("done", flush=True)
            else:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                child = 0
                print("done" if os.WIFSIGNALED(status) else f"ended with {status}", flush=True)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)


def _become(main: Callable[[list[str]], int], log: Path) -> NoReturn:
    """The child's side: never back into the parent's loop."""
    os.environ["OCR_LEASE_NAME"] = f"life-{os.getpid()}"  # a killed one's would have to run out first
    try:
        with log.open("ab") as output, Path(os.devnull).open() as nothing:
            for number, file in enumerate((nothing, output, output)):
                os.dup2(file.fileno(), number)
        status = main(["run"])
    except BaseException:
        traceback.print_exc()
        status = 1
    os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
