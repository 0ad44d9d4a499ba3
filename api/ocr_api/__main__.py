"""`ocr-api serve`: the facade as a process."""

import argparse
import logging
import os
import sys

from ocr_api.settings import DEFAULT_PORT, read_settings
from ocr_contract.exit_codes import ExitCode

ENVIRONMENT = f"""environment:
  OCR_NAMESPACE     the namespace of the OcrProjects (required)
  OCR_VOLUME_ROOT   where the shared volume is mounted (required)
  OCR_PORT          the port to listen on (default {DEFAULT_PORT})
  OCR_HOST          the address to listen on (default 0.0.0.0)
  KUBECONFIG        a kubeconfig file; unset: the pod's own service account"""


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="ocr-api", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "serve",
        help="answer HTTP until SIGTERM",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        settings = read_settings(os.environ)
    except ValueError as error:
        print(f"ocr-api: {error}", file=sys.stderr)
        return ExitCode.BAD_CONFIGURATION

    import uvicorn

    from ocr_api.app import build_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn.access").addFilter(_is_no_probe)
    # Started connections get their answers, then the process ends: well within a pod's grace period.
    uvicorn.run(
        build_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=20,
    )
    return ExitCode.DONE


def _is_no_probe(record: logging.LogRecord) -> bool:
    """The kubelet's questions every few seconds would drown the platform's."""
    message = record.getMessage()
    return "GET /healthz " not in message and "GET /readyz " not in message


if __name__ == "__main__":
    sys.exit(main())
