"""An API server that misbehaves: every project ends right, nothing is done twice, and the probes are true."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fault_proxy import FaultProxy
from job_watch import JobWatch
from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import job_name, run_hash
from ocr_contract.stages import TRAIN_STAGES
from operator_probe import Kubelet, ProbedOperator
from operator_world import World, eventually

PROJECTS = [f"p{number}" for number in range(4)]
QUICK = {
    "OCR_LEASE_SECONDS": "6",
    "OCR_LEASE_RENEW_SECONDS": "4",
    "OCR_LEASE_RETRY_SECONDS": "0.5",
    "OCR_BLIND_SECONDS": "4",
    "OCR_WATCH_SILENCE_SECONDS": "6",
}


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane.kubeconfig, tmp_path) as proxy:
        yield proxy


@pytest.fixture
def operator(proxy: FaultProxy, own_world: World, tmp_path: Path) -> Iterator[ProbedOperator]:
    """Before the misbehaving API server, and leading."""
    with ProbedOperator(proxy.kubeconfig, own_world.namespace, tmp_path / "log", **QUICK) as operator:
        eventually(operator.leads, "it leads")
        yield operator


def until_all_end_right(world: World, operator: ProbedOperator, watch: JobWatch) -> None:
    """Each project is Complete, by one Job for each stage, and the operator lives."""

    def ended() -> bool:
        operator.probe("/healthz")
        return all((world.condition(name, "Complete") or {}).get("status") == "True" for name in PROJECTS)

    eventually(ended, "all projects end")
    expected = {job_name(name, run_hash("r1", 0), stage, 0) for name in PROJECTS for stage in TRAIN_STAGES}
    seen = watch.seen()
    assert set(seen) == expected and all(len(uids) == 1 for uids in seen.values())
    assert operator.stop() < 10, "it was there all the time, and ends well"


@pytest.mark.parametrize(
    ("count", "status", "headers"),
    [(3, 429, {"Retry_After": "1"}), (3, 500, {})],
    ids=["too many requests", "internal errors"],
)
def test_a_storm_of_errors(
    own_world: World,
    operator: ProbedOperator,
    proxy: FaultProxy,
    count: int,
    status: int,
    headers: dict[str, str],
) -> None:
    with JobWatch(own_world) as watch, Kubelet(own_world):
        proxy.every(count, status, **headers)
        for name in PROJECTS:
            own_world.create(name, train={"id": "r1"})
        until_all_end_right(own_world, operator, watch)
    assert operator.sick == 0


def test_every_second_write_conflicts(own_world: World, operator: ProbedOperator, proxy: FaultProxy) -> None:
    with JobWatch(own_world) as watch, Kubelet(own_world):
        proxy.every(2, 409, writes_only=True)
        for name in PROJECTS:
            own_world.create(name, train={"id": "r1"})
        until_all_end_right(own_world, operator, watch)
    assert operator.sick == 0


def test_connections_that_are_open_but_dead(
    own_world: World, operator: ProbedOperator, proxy: FaultProxy
) -> None:
    with JobWatch(own_world) as watch, Kubelet(own_world):
        own_world.create(PROJECTS[0], train={"id": "r1"})
        eventually(lambda: own_world.jobs(PROJECTS[0]), "it works")
        assert proxy.black_hole() > 4, "four watches and what is in the pools"
        for name in PROJECTS[1:]:
            own_world.create(name, train={"id": "r1"})
        eventually(
            lambda: operator.probe("/healthz")[0] == 503, "it says that it sees nothing, for it still writes"
        )
        assert "the watch of" in operator.probe("/healthz")[1] or operator.sick
        eventually(lambda: operator.probe("/healthz")[0] == 200, "it has opened its watches again")
        until_all_end_right(own_world, operator, watch)


def test_a_single_watch_that_went_blind_is_told(
    own_world: World, operator: ProbedOperator, proxy: FaultProxy
) -> None:
    proxy.blind("jobs")
    own_world.create("p", train={"id": "r1"})
    eventually(lambda: own_world.jobs("p"), "projects are still seen")

    def is_sick() -> bool:
        status, text = operator.probe("/healthz")
        return status == 503 and "the watch of job does not show version" in text

    eventually(is_sick, "the Job that it made does not come back")
    assert operator.is_ready(), "the other watches and the API server are well"


def test_an_api_server_that_answers_nobody_is_no_reason_to_die(
    own_world: World, operator: ProbedOperator, proxy: FaultProxy
) -> None:
    with JobWatch(own_world) as watch, Kubelet(own_world):
        own_world.create(PROJECTS[0], train={"id": "r1"})
        eventually(lambda: own_world.jobs(PROJECTS[0]), "it works")
        proxy.delay = 3600
        for name in PROJECTS[1:]:
            own_world.create(name, train={"id": "r1"})
        _, text = eventually(
            lambda: (said := operator.probe("/readyz"))[0] == 503 and said, "it is not ready"
        )
        assert "the API server has not answered for" in text
        assert not operator.leads()
        until = time.monotonic() + 6  # longer than it may be blind
        while time.monotonic() < until:
            assert operator.probe("/healthz") == (200, "ok")
            time.sleep(0.2)
        proxy.delay = 0
        until_all_end_right(own_world, operator, watch)
    assert operator.sick == 0


def test_what_was_deleted_while_nobody_watched_is_forgotten(
    own_world: World, operator: ProbedOperator, proxy: FaultProxy
) -> None:
    own_world.create("first", projectID="Receipts", train={"id": "r1"})
    own_world.until_stage("first", "prepare", "Pending")
    own_world.create("second", projectID="Receipts", train={"id": "r1"})
    own_world.until_condition("second", "Waiting", "DuplicateProjectID")
    proxy.blind("ocrprojects")
    own_world.delete("first")
    proxy.expire("ocrprojects")
    eventually(lambda: own_world.jobs("second"), "a new list, without the first, frees its projectID")
