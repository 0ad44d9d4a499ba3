"""A whole Kubernetes node on this machine, one at a time, from etcd to the kubelet, with BuildKit beside it.

`up` starts what doesn't run and returns when the node is Ready, so it is also the way back from a crash: what
still runs is adopted. When nothing of the node runs, what an earlier one left is swept away first.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocr_cluster import components, machine, network, node_config, oci, processes
from ocr_cluster.api import Api, ApiError, wait_until
from ocr_cluster.errors import ClusterError, NodeBusy
from ocr_cluster.lock import node_lock
from ocr_cluster.node_config import NODE_NAME, PAUSE_IMAGE, Layout
from ocr_cluster.pki import Authority
from ocr_cluster.sweep import make_cgroups, sweep

START_SECONDS = 180.0  # patience on a busy machine; ten seconds on an idle one
POD_GRACE_SECONDS = 10  # what `down` leaves a pod to write its last checkpoint
COMPONENTS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet",
    "kube-proxy", "kube-network-policies", "buildkitd",
)  # fmt: skip
# A Unix socket's path holds 107 bytes; the longest of the node's is the kubelet's pod-resources/kubelet.sock.
LONGEST_FOLDER = 107 - len("/node/kubelet/pod-resources/kubelet.sock")


class Node:
    """The node whose binaries and state lie in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.layout = Layout(self.folder)
        self.binaries = self.layout.binaries
        self.kubeconfig = self.layout.pki / "admin.kubeconfig"
        self._expected: list[str] = []  # components that the start going on counts on

    def up(self) -> Path:
        """The administrator's kubeconfig, when the node is Ready. Safe to repeat."""
        self._check_machine()
        with node_lock():
            self._refuse_others()
            if not processes.members(self.folder):
                sweep(self.layout)
            self._start()
        return self.kubeconfig

    def down(self) -> None:
        """Stop everything and leave nothing on the machine but the node's folder. Safe to repeat."""
        with node_lock():
            if self.layout.state.exists():
                self._stop()
                sweep(self.layout)

    def destroy(self) -> None:
        """down(), then remove the node's state and what was built."""
        self.down()
        for part in (self.layout.state, self.binaries, self.folder / "definitions"):
            if part.is_symlink():
                part.unlink()
            elif part.exists():
                shutil.rmtree(part)
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def is_up(self) -> bool:
        """Whether every component runs and the node is Ready."""
        return len(self.running()) == len(COMPONENTS) and self._is_ready(datetime.fromtimestamp(0, UTC))

    def running(self) -> dict[str, processes.Member]:
        """The components that run, by name."""
        return {m.component: m for m in processes.members(self.folder) if m.leads}

    def others(self) -> list[processes.Member]:
        """Components of a node in another folder, of which there may be none when this one starts."""
        found = (m for m in processes.members() if m.leads and m.component in COMPONENTS)
        return [member for member in found if member.folder != self.folder]

    def environment(self) -> dict[str, str]:
        """Variables with which kubectl and ctr find this node."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "CONTAINERD_ADDRESS": str(self.layout.containerd_socket),
            "CONTAINERD_NAMESPACE": "k8s.io",
            "PATH": f"{self.binaries}:{os.environ['PATH']}",
        }

    def ctr(self, *arguments: str, seconds: float = 300.0) -> str:
        """containerd's own client, in the kubelet's namespace; its output."""
        client = ["ctr", "--address", str(self.layout.containerd_socket), "--namespace", "k8s.io"]
        try:
            done = subprocess.run(
                [*client, *arguments], capture_output=True, text=True, check=False, timeout=seconds
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"ctr {' '.join(arguments[:2])} took more than {seconds:.0f} s") from error
        if done.returncode != 0:
            raise ClusterError(f"ctr {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout

    def has_image(self, name: str) -> bool:
        """Whether containerd holds the image of that full name."""
        return name in self.ctr("images", "ls", "-q").split()

    def _check_machine(self) -> None:
        if os.geteuid() != 0:
            raise ClusterError("a node needs root: it makes network devices, mounts and cgroups")
        if len(str(self.folder)) > LONGEST_FOLDER:
            raise ClusterError(
                f"{self.folder} is too long a path: the kubelet's sockets below it would exceed the kernel's "
                f"limit. Take a folder of at most {LONGEST_FOLDER} characters with --dir"
            )
        missing = [name for name in ("hyper", "buildkitd", "buildctl", "pause") if not self._has(name)]
        missing += [
            name for name in ("containerd", "runc", "ctr", "ip", "nft", "iptables") if not shutil.which(name)
        ]
        if missing or not node_config.CNI_BINARIES.exists():
            raise ClusterError(
                f"missing: {', '.join(missing) or node_config.CNI_BINARIES}; "
                "`python -m ocr_cluster build` compiles and installs what the node needs"
            )

    def _has(self, name: str) -> bool:
        return (self.binaries / name).exists()

    def _refuse_others(self) -> None:
        for member in self.others():
            raise NodeBusy(
                f"this machine's node is that of {member.folder} ({member.component}, pid {member.pid}); "
                f"`python -m ocr_cluster --dir {member.folder} down` stops it"
            )
        owner = network.owner_of_bridge()
        if owner not in (None, "", str(self.folder)):
            # A node that crashed elsewhere. Its folder knows the settings to put back.
            raise NodeBusy(
                f"a node of {owner} crashed and left its bridge; "
                f"`python -m ocr_cluster --dir {owner} down` cleans up"
            )

    def _start(self) -> None:
        layout, plan = self.layout, self.layout.plan()
        self._expected.clear()
        layout.state.mkdir(parents=True, exist_ok=True)
        machine.remember(layout.machine_record)
        network.up(str(self.folder))
        make_cgroups()
        authority = Authority(layout.pki)
        files = components.issue_credentials(plan, authority)
        self._write_configuration(authority)
        components.write_audit_policy(plan)
        self._ensure("etcd", components.etcd_command(plan))
        self._ensure("kube-apiserver", components.apiserver_command(plan, files))
        self._ensure("containerd", ["containerd", "--config", str(layout.config("containerd.toml"))])
        api = Api(self.kubeconfig)
        self._wait(api.is_ready, "the API server")
        self._ensure("kube-controller-manager", components.controller_manager_command(plan, files))
        self._ensure("kube-scheduler", components.scheduler_command(plan, files))
        self._wait(self._containerd_answers, "containerd")
        self._import_pause()
        user = f"system:node:{NODE_NAME}"
        kubeconfig = authority.write_kubeconfig("kubelet", plan.server, user, group="system:nodes")
        started = datetime.now(UTC).replace(microsecond=0)  # the API's times are whole seconds
        fresh = self._ensure("kubelet", node_config.kubelet_command(layout, kubeconfig))
        kubeconfig = authority.write_kubeconfig("kube-proxy", plan.server, "system:kube-proxy")
        self._ensure("kube-proxy", node_config.kube_proxy_command(layout, kubeconfig))
        self._ensure("kube-network-policies", node_config.policies_command(layout, self.kubeconfig))
        buildkitd = [str(self.binaries / "buildkitd"), "--config", str(layout.config("buildkitd.toml"))]
        self._ensure("buildkitd", buildkitd)
        since = started if fresh else datetime.fromtimestamp(0, UTC)
        self._wait(lambda: self._is_ready(since), "the node")
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait(lambda: api.exists(account), "the default service account")
        self._wait(lambda: processes.listens(layout.buildkit_socket), "BuildKit")

    def _write_configuration(self, authority: Authority) -> None:
        layout = self.layout
        hosts = ("127.0.0.1", network.ADDRESS, NODE_NAME)
        certificate, key = authority.issue("kubelet-server", NODE_NAME, hosts=hosts)
        documents = {
            "containerd.toml": node_config.containerd_toml(layout),
            "cni/10-bridge.conflist": node_config.cni_conflist(layout),
            "kubelet.yaml": node_config.kubelet_config(layout, authority.certificate_path, certificate, key),
            "buildkitd.toml": node_config.buildkitd_toml(layout),
            "resolv.conf": "nameserver 127.0.0.1\n",  # the cluster has no DNS, and pods no way to another
        }
        for name, text in documents.items():
            path = layout.config(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _ensure(self, component: str, command: list[str]) -> bool:
        """Start the component unless it runs; whether it was started."""
        self._expected.append(component)
        if component in self.running():
            return False
        layout = self.layout
        processes.spawn(self.folder, component, command, layout.log(component), layout.temporary)
        return True

    def _import_pause(self) -> None:
        if self.has_image(PAUSE_IMAGE):
            return
        archive = self.layout.run / "pause.tar"
        layer = oci.layer_of({"pause": self.binaries / "pause"}, self.layout.run / "pause-layer.tar")
        oci.write_image(archive, PAUSE_IMAGE, layer, command=["/pause"])
        self.ctr("images", "import", str(archive))

    def _containerd_answers(self) -> bool:
        try:
            self.ctr("version")
        except ClusterError:
            return False
        return True

    def _is_ready(self, since: datetime) -> bool:
        """Whether the node has said Ready, not before that time."""
        try:
            node = Api(self.kubeconfig).get(f"/api/v1/nodes/{NODE_NAME}")
        except (ApiError, OSError):
            return False
        ready = (c for c in node["status"].get("conditions", []) if c["type"] == "Ready")
        return any(
            c["status"] == "True" and datetime.fromisoformat(c["lastHeartbeatTime"]) >= since for c in ready
        )

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, START_SECONDS, self._dead_component)

    def _dead_component(self) -> str | None:
        """The last words of a component that should run and does not."""
        running = self.running()
        dead = next((name for name in self._expected if name not in running), None)
        return None if dead is None else f"{dead} ended:\n{processes.last_lines(self.layout.log(dead))}"

    def _stop(self) -> None:
        """The orderly way, as far as the components still run."""
        running = self.running()

        def stop(*names: str) -> None:
            processes.stop([running[name] for name in names if name in running])

        stop("kube-scheduler")  # what replaces the deleted pods stays pending, and starts with the next `up`
        # The controller manager lives on to take the finalizers off the pods of Jobs.
        if {"etcd", "kube-apiserver", "kube-controller-manager", "containerd", "kubelet"} <= running.keys():
            self._delete_pods()
        stop("kubelet", "kube-proxy", "kube-network-policies", "buildkitd")
        stop("containerd", "kube-controller-manager", "kube-apiserver")
        stop("etcd")

    def _delete_pods(self) -> None:
        api = Api(self.kubeconfig)
        try:
            for name in sorted({pod["metadata"]["namespace"] for pod in self._pods(api)}):
                api.delete(f"/api/v1/namespaces/{name}/pods", gracePeriodSeconds=POD_GRACE_SECONDS)
            wait_until(lambda: not list(self._pods(api)), "the pods", POD_GRACE_SECONDS + 20, lambda: None)
        except (ClusterError, OSError, json.JSONDecodeError):
            return  # whatever is left is swept away

    def _pods(self, api: Api) -> Iterator[dict[str, Any]]:
        for pod in api.get("/api/v1/pods")["items"]:
            if pod["spec"].get("nodeName"):
                yield pod
