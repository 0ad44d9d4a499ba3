"""Replicas: one works, another goes on when it ends, dies or freezes; and how one starts and stops."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fault_proxy import FaultProxy
from job_watch import JobWatch
from ocr_cluster.control_plane import ControlPlane
from operator_probe import ProbedOperator
from operator_world import World, eventually

Start = Callable[..., ProbedOperator]
QUICK = {"OCR_LEASE_SECONDS": "3", "OCR_LEASE_RENEW_SECONDS": "2", "OCR_LEASE_RETRY_SECONDS": "0.3"}
MANY = 150


@pytest.fixture
def replica(control_plane: ControlPlane, own_world: World, tmp_path: Path) -> Start:
    """Makes operators of one namespace that share a Lease."""

    def make(name: str, **environment: str) -> ProbedOperator:
        environment = {"OCR_LEASE_NAME": "ocr-operator", **environment}
        return ProbedOperator(control_plane.kubeconfig, own_world.namespace, tmp_path / name, **environment)

    return make


def seconds_until_it_works(world: World, name: str) -> float:
    begun = time.monotonic()
    world.create(name, train={"id": "r1"})
    eventually(lambda: world.jobs(name), f"{name} has its Job")
    return time.monotonic() - begun


def test_a_standby_is_ready_and_goes_on_in_seconds(own_world: World, replica: Start) -> None:
    with JobWatch(own_world) as watch:
        with replica("one") as one, replica("two") as two:
            eventually(lambda: one.is_ready() and two.is_ready(), "both are ready")
            leader, standby = (one, two) if one.leads() else (two, one)
            assert standby.probe("/readyz") == (200, "standby")
            seconds_until_it_works(own_world, "before")
            assert "Created Job" in leader.log and "Created Job" not in standby.log

            begun = time.monotonic()
            with ThreadPoolExecutor(1) as pool:
                stopping = pool.submit(leader.stop)
                eventually(standby.leads, "the Lease was let go")
                handed_over = time.monotonic() - begun
                assert stopping.result() < 10
            seconds_until_it_works(own_world, "stopped")
            print(f"after SIGTERM {handed_over:.1f} s")
            assert handed_over < 3

            leader.start()
            eventually(leader.is_ready, "it is back")
            assert leader.probe("/readyz") == (200, "standby")
            standby.kill()
            killed = seconds_until_it_works(own_world, "killed")
            print(f"after SIGKILL {killed:.1f} s")
            assert killed < 20
        seen = watch.seen()
    assert len(seen) == 3 and all(len(uids) == 1 for uids in seen.values())


def test_a_leader_that_was_frozen_does_nothing_when_it_wakes(own_world: World, replica: Start) -> None:
    with replica("one", **QUICK) as one:
        eventually(one.leads, "it leads")
        with JobWatch(own_world) as watch, replica("two", **QUICK) as two:
            eventually(two.is_ready, "the standby is ready")
            os.kill(one.pid, signal.SIGSTOP)
            own_world.create("p", train={"id": "r1"})
            eventually(two.leads, "the standby goes on")
            eventually(lambda: own_world.jobs("p"), "and works")
            own_world.run_stage("p", "prepare")
            os.kill(one.pid, signal.SIGCONT)
            eventually(lambda: one.probe("/readyz") == (200, "standby"), "it has noticed")
            own_world.run_stage("p", "detection")
            own_world.until_stage("p", "detection", "Succeeded")
            assert two.leads()
            seen = watch.seen()
        assert "Created Job" not in one.log
        assert all(len(uids) == 1 for uids in seen.values())


def test_a_lease_that_was_taken_away_is_given_up(own_world: World, replica: Start) -> None:
    with replica("one", **QUICK) as one:
        eventually(one.leads, "it leads")
        path = f"/apis/coordination.k8s.io/v1/namespaces/{own_world.namespace}/leases/ocr-operator"
        spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 2}
        assert own_world._merge(path, {"spec": spec}).status_code == 200
        eventually(lambda: not one.leads(), "it stands by")
        eventually(one.leads, "somebody never came back")
        seconds_until_it_works(own_world, "p")
        assert own_world.http.get(path).json()["spec"]["leaseTransitions"] == 1


def test_a_start_with_many_projects_lists_once_and_makes_nothing_twice(
    own_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    names = [f"p{number}" for number in range(MANY)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda name: own_world.create(name, train={"id": "r1"}).status_code, names))
    assert made == [201] * MANY

    def told() -> bool:
        items = own_world.http.get(own_world.projects).json()["items"]
        return all("train" in item.get("status", {}) for item in items)

    with FaultProxy(control_plane.kubeconfig, tmp_path) as proxy:
        with ProbedOperator(proxy.kubeconfig, own_world.namespace, tmp_path / "log") as operator:
            eventually(lambda: own_world.jobs("p7"), "it works")
            assert operator.stop() < 10, "with a reconcile in each worker's hands"
            operator.start()
            eventually(told, "each status tells of its Job")
            operator.kill()
        kinds = ("ocrprojects", "jobs", "pods", "leases")
        assert {kind: proxy.requests[f"list {kind}"] for kind in kinds} == dict.fromkeys(kinds, 2)
        assert MANY <= proxy.requests["post jobs"] <= MANY + 8
        made_before = proxy.requests["post jobs"]
        with ProbedOperator(proxy.kubeconfig, own_world.namespace, tmp_path / "again") as operator:
            eventually(operator.leads, "it works again")
            seconds_until_it_works(own_world, "one-more")
        assert proxy.requests["post jobs"] == made_before + 1
        assert {kind: proxy.requests[f"list {kind}"] for kind in kinds} == dict.fromkeys(kinds, 3)
