"""Write what the chart installs as plain manifests, for `kubectl apply -f`: dist/install.yaml.

Arguments are helm's, such as `--set image.registry=registry.example`. No cluster is asked.
"""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HELM = REPOSITORY / ".cluster" / "bin" / "helm"
CHART = REPOSITORY / "charts" / "ocr-operator"
NAMESPACE = "ocr-system"
# helm makes a namespace on request, but renders none.
FIRST = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def write(target: Path, arguments: list[str]) -> None:
    """Replace the file; where helm refuses, leave it and raise CalledProcessError after helm's own words."""
    # Hooks are `helm test`'s pods, which would start at once.
    command = [str(HELM), "template", "ocr-operator", str(CHART), "-n", NAMESPACE, "--no-hooks", *arguments]
    rendered = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}")
    fresh.write_text(FIRST + rendered)
    fresh.replace(target)


if __name__ == "__main__":
    try:
        write(REPOSITORY / "dist" / "install.yaml", sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
