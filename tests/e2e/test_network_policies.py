"""Who reaches whom in an installed release: real pods, judged by the chart's NetworkPolicies."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ocr_cluster.release import TAG, Release

pytestmark = pytest.mark.e2e

# Stands in for each kind of pod: policies see labels and ports, not what runs.
LABELS = {
    "trainer": {"app.kubernetes.io/name": "ocr-trainer", "app.kubernetes.io/instance": "ocr"},
    "stranger": {},
}
SERVE = ["python3", "-m", "http.server", "8000", "--directory", "/tmp"]
CONNECT = """
import socket, sys
found = []
for name, address, port in (target.split("=") for target in sys.argv[1:]):
    with socket.socket() as connection:
        connection.settimeout(3)
        try:
            connection.connect((address, int(port)))
            found.append(name)
        except OSError:
            pass
print(",".join(found))
"""


def pod(name: str) -> dict[str, Any]:
    container = {
        "name": "probe", "image": f"docker.io/library/ocr-api:{TAG}", "command": SERVE,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {**LABELS[name], "probe": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }  # fmt: skip


def address(release: Release, selector: str) -> str:
    pods = json.loads(release.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    (found,) = (p["status"]["podIP"] for p in pods if "deletionTimestamp" not in p["metadata"])
    return str(found)


@pytest.fixture
def targets(release: Release) -> Iterator[list[str]]:
    """Everything that somebody might want to reach, as name=address=port; pods of all kinds run."""
    names = list(LABELS)
    for name in names:
        release.kubectl("apply", "-f", "-", stdin=json.dumps(pod(name)))
    try:
        release.kubectl("wait", "--for=condition=Ready", "pod", "-l", "probe", "--timeout=60s")
        part = "app.kubernetes.io/component"
        service = json.loads(release.kubectl("get", "service", "ocr-ocr-operator-api", "-o", "json"))
        kubernetes = json.loads(
            release.kubectl("get", "service", "kubernetes", "-n", "default", "-o", "json")
        )
        yield [
            f"kubernetes={kubernetes['spec']['clusterIP']}=443",
            f"facade={service['spec']['clusterIP']}=80",
            f"facade's pod={address(release, f'{part}=api')}=8000",
            f"operator={address(release, f'{part}=operator')}=8080",
            *(f"{name}={address(release, f'probe={name}')}=8000" for name in names),
        ]
    finally:
        release.kubectl("delete", "pods", "-l", "probe", "--wait=false")


def reached(release: Release, pod_name: str, targets: list[str]) -> set[str]:
    """Those that answer it."""
    others = [target for target in targets if not target.startswith(f"{pod_name}=")]
    said = release.kubectl("exec", pod_name, "--", "python3", "-c", CONNECT, *others)
    return set(said.strip().split(",")) - {""}


def test_a_stages_pod_reaches_the_api_server_and_nobody_else(release: Release, targets: list[str]) -> None:
    assert reached(release, "trainer", targets) == {"kubernetes"}


def test_others_reach_the_facade_and_the_operators_figures_but_no_stages_pod(
    release: Release, targets: list[str]
) -> None:
    assert reached(release, "stranger", targets) == {"kubernetes", "facade", "facade's pod", "operator"}
