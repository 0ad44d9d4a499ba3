"""`ocr-api selftest`: its arguments, its signals, and the order of its steps."""

import argparse
import secrets
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ocr_api.access import read_tokens
from ocr_api.selftest import steps
from ocr_api.selftest.cleaning import Traces, clean
from ocr_api.selftest.client import Client
from ocr_api.selftest.errors import SelftestError
from ocr_api.selftest.pace import Pace
from ocr_api.selftest.steps import Bench

DESCRIPTION = """Try a release as its callers meet it: reach the facade, upload three receipts, train both
tiny presets on them for one epoch without a GPU, fetch the model, and take everything away again. Exit status
0: all went well; 1: lines with FAILED say what did not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8000",
        help="the facade's address; tcp:// means http://, as Kubernetes has it (default: %(default)s)",
    )
    parser.add_argument(
        "--token-file", type=Path, help="a file whose first line is a token of the facade, if it wants one"
    )
    parser.add_argument(
        "--volume", type=Path, help="where the facade's volume is mounted, to remove the images and the model"
    )
    parser.add_argument(
        "--timeout", type=float, default=300.0, metavar="SECONDS", help="for all of it (default: %(default)g)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the project and its folder for a look")


def run_selftest(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """The exit status."""
    stop = _stop_on_signals()
    pace = Pace(options.timeout, stop, time.monotonic)

    def tell(line: str) -> None:
        say(f"{pace.elapsed:6.1f} s  {line}")

    project_id = f"selftest-{secrets.token_hex(5)}"
    try:
        client = Client(options.url, _token(options.token_file))
        bench = Bench(client, project_id, options.volume, pace, tell)
        tell(f"{project_id} tries the facade at {client.url}")
        steps.reach(bench)
        steps.look_around(bench)
    except SelftestError as error:
        tell(f"FAILED: {error}")
        return 1
    if not _train(bench, keep=options.keep):
        return 1
    tell("PASSED")
    return 0


def _train(bench: Bench, *, keep: bool) -> bool:
    """Whether the run went well, and cleaning up after it."""
    traces, well = Traces(), True
    try:
        steps.send_images(bench)
        traces.uploaded = True
        steps.find_images(bench)
        steps.start(bench)
        project = steps.follow(bench)
        traces.ended = True
        steps.check_outcome(bench, project)
    except SelftestError as error:
        bench.say(f"FAILED: {error}")
        well = False
    finally:
        if keep:
            bench.say(f"kept: project {bench.project_id} and {bench.data} on the volume")
        else:
            for left in clean(bench, traces):
                bench.say(f"FAILED: {left}")
                well = False
    return well


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return read_tokens(file)[0].decode("latin-1")
    except (OSError, ValueError) as error:
        raise SelftestError(f"--token-file can't be used: {error}") from None


def _stop_on_signals() -> threading.Event:
    """Asked to stop, it still clears away what it made."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
