"""A control plane for tests: real, several side by side, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ocr_cluster.api import Api
from ocr_cluster.control_plane import ControlPlane

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
JOB = {
    "metadata": {"name": "work"},
    "spec": {
        "parallelism": 2,
        "template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "nothing:1"}]},
        },
    },
}
HOLD_A_PLANE = """
import sys, time
from pathlib import Path
from ocr_cluster.control_plane import ControlPlane
with ControlPlane(Path(sys.argv[1])) as plane:
    print(*plane.pids.values(), flush=True)
    time.sleep(600)
"""


def runs(pid: int) -> bool:
    """Whether a process has that id and is more than a record of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 60) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def test_the_job_controller_creates_a_jobs_pods(control_plane: ControlPlane, namespace: str) -> None:
    api = Api(control_plane.kubeconfig)
    api.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", JOB)

    def pods() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        return items if len(items) == 2 else []

    for pod in wait_for(pods):
        assert pod["metadata"]["ownerReferences"][0]["name"] == "work"
        assert pod["status"]["phase"] == "Pending"  # there is no node, and none is faked


def test_two_run_side_by_side_and_know_nothing_of_each_other(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    with ControlPlane(tmp_path / "second", scheduler=True) as second:
        pids = second.pids.values()
        assert len(pids) == 4
        assert Api(second.kubeconfig).server != Api(control_plane.kubeconfig).server
        assert Api(control_plane.kubeconfig).exists(f"/api/v1/namespaces/{namespace}")
        assert not Api(second.kubeconfig).exists(f"/api/v1/namespaces/{namespace}")
    assert not any(runs(pid) for pid in pids)


def test_nothing_survives_a_test_process_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", HOLD_A_PLANE, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CLUSTER)},
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 3 and all(runs(pid) for pid in pids)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_for(lambda: not any(runs(pid) for pid in pids))
