"""The API server is away for a while, and etcd forgets what it knew meanwhile.

OCR_TEST_OUTAGE=60 pytest tests/operator/test_outage.py     as long as one likes
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import job_name, run_hash
from ocr_contract.stages import TRAIN_STAGES
from operator_probe import Kubelet, ProbedOperator
from operator_world import World, eventually, http_client, install_crd

OUTAGE_SECONDS = float(os.environ.get("OCR_TEST_OUTAGE", "8"))
"""Longer than the deadline to renew, the limit of blindness and the longest delay between two attempts."""
QUICK = {
    "OCR_LEASE_SECONDS": "4",
    "OCR_LEASE_RENEW_SECONDS": "3",
    "OCR_LEASE_RETRY_SECONDS": "0.5",
    "OCR_BLIND_SECONDS": "6",
}
PROJECTS = [f"p{number}" for number in range(4)]


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that may be stopped."""
    with ControlPlane(tmp_path_factory.mktemp("own-plane")) as plane:
        yield plane


def test_an_outage_and_a_compaction_cost_nothing_but_time(own_plane: ControlPlane, tmp_path: Path) -> None:
    with (
        http_client(own_plane.kubeconfig) as http,
        ProbedOperator(own_plane.kubeconfig, "default", tmp_path / "log", **QUICK) as operator,
    ):
        install_crd(http)
        world = World(http, "default")
        eventually(operator.leads, "it waits for the CRD and leads")
        version = http.get(world.jobs_path).json()["metadata"]["resourceVersion"]
        with Kubelet(world):
            for name in PROJECTS:
                world.create(name, train={"id": "r1"})
            eventually(lambda: len(world.jobs("p0")) > 1, "it is in the middle")
            pid = operator.pid
            own_plane.kill("kube-apiserver")
            until = time.monotonic() + OUTAGE_SECONDS
            said = set()
            while time.monotonic() < until:
                assert operator.probe("/healthz") == (200, "ok")
                said.add(operator.probe("/readyz")[1].split(" for ")[0])
                time.sleep(0.2)
            assert "the API server has not answered" in said
            own_plane.compact()
            own_plane.revive("kube-apiserver")
            with http.stream(
                "GET", world.jobs_path, params={"watch": "1", "resourceVersion": version}
            ) as old:
                assert json.loads(next(old.iter_lines()))["object"]["code"] == 410, "it must list anew"
            eventually(operator.leads, "it leads again")

            def ended() -> bool:
                found = [world.condition(name, "Complete") for name in PROJECTS]
                return all(condition and condition["status"] == "True" for condition in found)

            # The Job controller waits longer between its attempts the longer it fails, up to a minute.
            eventually(ended, "all projects end", patience=60 + 2 * OUTAGE_SECONDS)
        assert operator.pid == pid and operator.sick == 0 and operator.leads()
        for name in PROJECTS:
            stages = world.status(name)["train"]["stages"]
            assert [stage["attempts"] for stage in stages.values()] == [1] * len(TRAIN_STAGES)
            assert set(world.jobs(name)) == {
                job_name(name, run_hash("r1", 0), stage, 0) for stage in TRAIN_STAGES
            }
        assert operator.stop() < 10
