"""`ocr-api`: the facade as a process, and the self-test of a release."""

import argparse
import os
import sys

from ocr_api.selftest import command as selftest
from ocr_api.settings import DEFAULT_BODY_SECONDS, DEFAULT_MAX_UPLOAD_BYTES, DEFAULT_PORT, read_settings
from ocr_contract.exit_codes import ExitCode

ENVIRONMENT = f"""environment:
  OCR_NAMESPACE     the namespace of the OcrProjects (required)
  OCR_VOLUME_ROOT   where the shared volume is mounted (required)
  OCR_PORT          the port to listen on (default {DEFAULT_PORT})
  OCR_HOST          the address to listen on (default 0.0.0.0)
  OCR_TOKEN_FILE    a file of bearer tokens, one a line, reread when it changes; unset: everybody may call
  OCR_LEGACY_WITHOUT_TOKEN
                    true: the old platform's paths need no token (default false)
  OCR_CORS_ORIGINS  origins of web pages that may call, separated by commas (default: none)
  OCR_MAX_UPLOAD_BYTES
                    of a zip, and of what it unpacks to (default {DEFAULT_MAX_UPLOAD_BYTES})
  OCR_BODY_SECONDS  so long a body may bring nothing (default {DEFAULT_BODY_SECONDS:.0f})
  KUBECONFIG        a kubeconfig file; unset: the pod's own service account"""


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="ocr-api", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="answer HTTP until SIGTERM",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.set_defaults(run=_serve)
    trial = commands.add_parser(
        "selftest", help="try a release from upload to model", description=selftest.DESCRIPTION
    )
    selftest.add_arguments(trial)
    trial.set_defaults(run=_selftest)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def _selftest(options: argparse.Namespace) -> int:
    return selftest.run_selftest(options, lambda line: print(line, flush=True))


def _serve(_options: argparse.Namespace) -> int:
    try:
        settings = read_settings(os.environ)
    except ValueError as error:
        print(f"ocr-api: {error}", file=sys.stderr)
        return ExitCode.BAD_CONFIGURATION

    import uvicorn

    from ocr_api.app import build_app
    from ocr_api.logs import configure_logging

    configure_logging()
    # Started connections get their answers, then the process ends: well within a pod's grace period.
    uvicorn.run(
        build_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # the facade's own says more
        timeout_graceful_shutdown=20,
    )
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
