"""The machine's one node: it comes up, survives being killed, and leaves the machine as it was."""

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocr_cluster import images, machine, network, processes, sweep
from ocr_cluster.api import Api
from ocr_cluster.control_plane import BINARIES
from ocr_cluster.errors import NodeBusy
from ocr_cluster.node import COMPONENTS, Node

pytestmark = pytest.mark.e2e

POD = {
    "metadata": {"name": "waiting"},
    "spec": {"containers": [{"name": "main", "image": "waiting:dev", "imagePullPolicy": "Never"}]},
}


@dataclass(frozen=True)
class Traces:
    """What a node can leave on a machine."""

    processes: list[processes.Member]
    mounts: list[str]
    links: list[str]
    tables: list[str]
    cgroups: list[Path]
    settings: dict[str, str]
    folders: list[str]


def traces(node: Node) -> Traces:
    """As they are now; before the node ever started, what the machine has anyway."""
    links = json.loads(subprocess.check_output(["ip", "-j", "link", "show"]))
    return Traces(
        processes=processes.members(node.folder),
        mounts=sweep.mounts_below(Path("/")),
        links=[link["ifname"] for link in links],
        tables=subprocess.check_output(["nft", "list", "tables"], text=True).splitlines(),
        cgroups=list(sweep.CGROUPS.glob(f"*/{sweep.CGROUP}")),
        settings={name: (Path("/proc/sys") / name).read_text() for name in machine.SETTINGS},
        folders=[name for name in machine.FOLDERS if (Path("/") / name).exists()],
    )


@pytest.fixture
def node() -> Iterator[Node]:
    """A node with a fresh state of its own, and the checkout's binaries."""
    folder = Path(tempfile.mkdtemp(prefix="ocr-node-"))  # pytest's own are too deep for a node
    (folder / "bin").symlink_to(BINARIES)
    fresh = Node(folder)
    if others := fresh.others():
        shutil.rmtree(folder)
        pytest.skip(f"the machine's node is in use by {others[0].folder}; `down` there lets this test run")
    yield fresh
    fresh.destroy()
    assert not folder.exists()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def start_pod(node: Node, folder: Path) -> Callable[[], bool]:
    """Build an image from nothing but a static program, run a pod of it; tells whether it is Running."""
    shutil.copy(BINARIES / "pause", folder / "pause")
    (folder / "Dockerfile").write_text('FROM scratch AS waiting\nCOPY pause /pause\nCMD ["/pause"]\n')
    images.build_image(node, folder, "waiting", "waiting:dev")
    api = Api(node.kubeconfig)
    api.create("/api/v1/namespaces/default/pods", POD)

    def is_running() -> bool:
        pod = api.get("/api/v1/namespaces/default/pods/waiting")
        return bool(pod["status"]["phase"] == "Running")

    return is_running


def kill(node: Node, *names: str) -> None:
    """kill -9, the way of the kernel's memory killer."""
    running = node.running()
    for name in names:
        assert processes.send(running[name], signal.SIGKILL)
    wait_for(lambda: not set(names) & node.running().keys())


def test_a_node_survives_a_crash_and_leaves_the_machine_as_it_was(node: Node, tmp_path: Path) -> None:
    before = traces(node)
    assert node.up().exists()
    is_running = start_pod(node, tmp_path)
    wait_for(is_running)

    kill(node, "containerd", "kubelet")
    assert not node.is_up()
    survivors = {name: member.pid for name, member in node.running().items()}
    node.up()
    assert node.is_up()
    assert node.running().keys() == set(COMPONENTS)
    assert survivors.items() <= {name: m.pid for name, m in node.running().items()}.items()
    assert is_running()

    with tempfile.TemporaryDirectory(prefix="ocr-node-") as folder:
        (Path(folder) / "bin").symlink_to(BINARIES)
        with pytest.raises(NodeBusy, match=str(node.folder)):
            Node(Path(folder)).up()
        Node(Path(folder)).down()  # not its node: nothing happens
    assert node.is_up()

    node.down()
    assert traces(node) == before


def test_down_after_everything_was_killed_leaves_nothing(node: Node, tmp_path: Path) -> None:
    before = traces(node)
    node.up()
    wait_for(start_pod(node, tmp_path))
    kill(node, *COMPONENTS)
    assert network.owner_of_bridge() == str(node.folder)

    node.down()
    assert traces(node) == before

    node.up()  # the cluster's state is kept: the pod starts again
    wait_for(
        lambda: (
            Api(node.kubeconfig).get("/api/v1/namespaces/default/pods/waiting")["status"]["phase"]
            == "Running"
        )
    )
    node.down()
