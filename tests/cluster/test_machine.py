"""The machine is put back as it was, also when a node crashed in between; nobody else's things are taken."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from ocr_cluster import lock, machine, network, sweep
from ocr_cluster.errors import NodeBusy
from ocr_cluster.ports import PortClaim, is_free


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small file system that stands for the machine's."""
    for name in ("vm/overcommit_memory", "net/ipv4/ip_forward"):
        path = tmp_path / "proc" / "sys" / name
        path.parent.mkdir(parents=True)
        path.write_text("0\n")
    (tmp_path / "boot").write_text("first\n")
    (tmp_path / "var/lib/cni").mkdir(parents=True)
    return tmp_path


def change(root: Path) -> None:
    """What a node does."""
    (root / "proc/sys/vm/overcommit_memory").write_text("1\n")
    (root / "var/lib/kubelet/device-plugins").mkdir(parents=True, exist_ok=True)


def overcommit(root: Path) -> str:
    return (root / "proc/sys/vm/overcommit_memory").read_text().strip()


def test_settings_and_folders_go_back(root: Path) -> None:
    machine.remember(root / "record", root, root / "boot")
    change(root)
    machine.restore(root / "record", root, root / "boot")
    assert overcommit(root) == "0"
    assert not (root / "var/lib/kubelet").exists()
    assert (root / "var/lib/cni").exists()  # it was there before
    assert not (root / "record").exists()


def test_a_second_start_after_a_crash_keeps_the_first_record(root: Path) -> None:
    machine.remember(root / "record", root, root / "boot")
    change(root)
    machine.remember(root / "record", root, root / "boot")
    machine.restore(root / "record", root, root / "boot")
    assert overcommit(root) == "0"


def test_after_a_reboot_only_the_folders_are_taken_back(root: Path) -> None:
    machine.remember(root / "record", root, root / "boot")
    change(root)
    (root / "boot").write_text("second\n")
    machine.restore(root / "record", root, root / "boot")
    assert overcommit(root) == "1"  # set by whoever booted, not by the node
    assert not (root / "var/lib/kubelet").exists()


def test_a_folder_that_somebody_uses_by_now_stays(root: Path) -> None:
    machine.remember(root / "record", root, root / "boot")
    change(root)
    (root / "var/lib/kubelet/config.yaml").write_text("another kubelet's")
    machine.restore(root / "record", root, root / "boot")
    assert (root / "var/lib/kubelet/config.yaml").exists()


def test_the_lock_names_its_holder() -> None:
    address = f"\0ocr-cluster/test/{os.getpid()}"
    with (
        lock.node_lock(address=address),
        pytest.raises(NodeBusy, match=f"pid {os.getpid()}, .*{Path(sys.executable).name}"),
        lock.node_lock(seconds=0, address=address),
    ):
        pass
    with lock.node_lock(seconds=0, address=address):
        pass  # free again


def test_two_claims_never_share_a_port_and_a_taken_one_is_passed_over() -> None:
    first, second, others = PortClaim(3), PortClaim(3), [PortClaim(count) for count in (1, 2, 1, 4, 1)]
    claimed = [port for claim in (first, second, *others) for port in claim.ports]
    assert len(claimed) == len(set(claimed)), "whatever their sizes"
    for claim in others:
        claim.release()
    first.release()
    with socket.socket() as server:
        server.bind(("127.0.0.1", first.ports[1]))
        server.listen()
        assert not is_free(first.ports[1])
        third = PortClaim(3)
        assert first.ports[1] not in third.ports
    second.release()
    third.release()


@pytest.mark.parametrize(
    ("destination", "conflicts"),
    [
        ("default", False),
        ("192.168.0.0/16", False),
        ("10.199.0.0/24", True),
        ("10.0.0.0/8", True),
        ("10.198.0.7", True),
    ],
)
def test_a_machine_that_routes_the_clusters_addresses_is_refused(destination: str, conflicts: bool) -> None:
    assert bool(network.overlapping([destination])) == conflicts


def test_mounts_are_found_below_the_folder_innermost_first(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    points = ["/x/node/kubelet", "/x/node/kubelet/pods/a\\040b", "/x/node2/kubelet", "/"]
    table.write_text("".join(f"1 2 0:3 / {point} rw - overlay overlay rw\n" for point in points))
    assert sweep.mounts_below(Path("/x/node"), table) == ["/x/node/kubelet/pods/a b", "/x/node/kubelet"]


def test_the_shims_sockets_are_where_containerd_says(tmp_path: Path) -> None:
    bundle = tmp_path / "containerd/io.containerd.runtime.v2.task/k8s.io/abc"
    bundle.mkdir(parents=True)
    (bundle / "address").write_text("unix:///run/containerd/s/0123")
    assert sweep.shim_sockets(tmp_path) == [Path("/run/containerd/s/0123")]


def test_the_record_is_readable_by_a_person(root: Path) -> None:
    machine.remember(root / "record", root, root / "boot")
    document = json.loads((root / "record").read_text())
    assert document["settings"] == {"vm/overcommit_memory": "0", "net/ipv4/ip_forward": "0"}
    assert "var/lib/kubelet" in document["absent"] and "var/lib/cni" not in document["absent"]
