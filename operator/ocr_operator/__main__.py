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
  OCR_STAGE_PODS                 what stages' pods get beside what their project asks for; JSON: resources,
                                 limitCPU, runAsUser, scheduling, gpu, labels, annotations, affinity, env
  OCR_LOG_FORMAT                 text (default) or json
  OCR_HEALTH_PORT                port of /healthz, /readyz and /metrics (default 8080)
  OCR_STATUS_REPORT_URL          where to post what /status would answer when it changes (default nowhere)
  OCR_STATUS_REPORT_SECRET_FILE  file with the secret that signs these posts: whsec_..., by Standard Webhooks
  OCR_CLOUDEVENTS_URL            where to post the same as CloudEvents (default nowhere)
  OCR_LEASE_NAME                 the Lease by which one replica works (default ocr-operator)
  OCR_LEASE_SECONDS              how long others wait for a sign of its life (default 15)
  OCR_LEASE_RENEW_SECONDS        how long it works without having renewed (default 10)
  OCR_LEASE_RETRY_SECONDS        how often it renews (default 2)
  OCR_BLIND_SECONDS              /healthz fails when a write has not come back for so long (default 60)
  OCR_WATCH_SILENCE_SECONDS      a watch that was silent for so long is opened again (default 70)
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

    from ocr_operator.logs import configure_logging
    from ocr_operator.service import serve  # kopf and the client take a second to import

    configure_logging(settings.log_format)
    asyncio.run(serve(settings, os.environ.get("KUBECONFIG")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
