"""`ocr-operator run`: the operator's command line."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from ocr_operator.errors import BadSettings
from ocr_operator.settings import Settings

WRONG_CALL = 64

SETTINGS_HELP = """\
settings, from the environment:
  OCR_NAMESPACE                  the namespace to serve (required)
  OCR_TRAINER_IMAGE              image of the stages' pods (required)
  OCR_VOLUME_CLAIM               PersistentVolumeClaim that holds train/ and test/ (required)
  OCR_TRAINER_IMAGE_PULL_POLICY  Always, IfNotPresent (default) or Never
  OCR_TRAINER_SERVICE_ACCOUNT    service account of the stages' pods (default ocr-trainer)
  OCR_GPU_RESOURCE               what a GPU is called (default nvidia.com/gpu)
  OCR_LOG_FORMAT                 text (default) or json
  OCR_HEALTH_PORT                port of /healthz and /readyz (default 8080)
  KUBECONFIG                     a kubeconfig; without it, the pod's service account
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="ocr-operator",
        description="Turns OcrProjects into Jobs and says how they fare.",
        epilog=SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_subparsers(required=True, metavar="COMMAND").add_parser("run", help="run until SIGTERM")
    parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
    except BadSettings as error:
        print(f"ocr-operator: {error}", file=sys.stderr)
        return WRONG_CALL

    from ocr_operator.app import configure_logging  # kopf and the client take a second to import
    from ocr_operator.service import serve

    configure_logging(settings.log_format)
    asyncio.run(serve(settings, os.environ.get("KUBECONFIG")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
