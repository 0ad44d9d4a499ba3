"""What the node's own components read: configuration files and command lines, pure functions of the layout.

Everything a component would write elsewhere on the machine is pointed into the node's folder, so that it can
be found and taken away again.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ocr_cluster.components import Plan
from ocr_cluster.network import ADDRESS, BRIDGE, POD_RANGE, POLICIES_QUEUE, POLICIES_TABLE

NODE_NAME = "ocr-node"
CGROUP = "ocr-cluster"
CNI_NETWORK = "ocr-cluster"
CNI_BINARIES = Path("/usr/lib/cni")
PAUSE_IMAGE = "localhost/pause:1"
KUBELET_PORT = 10250


@dataclass(frozen=True)
class Layout:
    """The files of the node below the cluster's folder."""

    folder: Path

    @property
    def binaries(self) -> Path:
        return self.folder / "bin"

    @property
    def state(self) -> Path:
        """What the cluster knows: etcd, images, certificates. Kept by `down`."""
        return self.folder / "node"

    @property
    def run(self) -> Path:
        """What means nothing once the processes are gone: sockets, the runtime's state, addresses."""
        return self.state / "run"

    @property
    def temporary(self) -> Path:
        return self.run / "tmp"

    @property
    def kubelet(self) -> Path:
        return self.state / "kubelet"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def buildkit_socket(self) -> Path:
        return self.run / "buildkitd.sock"

    @property
    def machine_record(self) -> Path:
        return self.state / "machine-before.json"

    def config(self, name: str) -> Path:
        return self.state / "config" / name

    def log(self, component: str) -> Path:
        return self.state / "log" / f"{component}.log"

    @property
    def audit_log(self) -> Path:
        """What service accounts asked of the API server, as JSON lines; earlier ones in audit-<time>.log."""
        return self.log("audit")

    def plan(self) -> Plan:
        """The control plane, on the bridge's address: pods reach it there, other machines don't."""
        hyper = self.binaries / "hyper"
        return Plan(self.state, hyper, 20379, 20380, 6443, ADDRESS, audit_log=self.audit_log)


def containerd_toml(layout: Layout) -> str:
    """containerd for the kubelet and for BuildKit. restrict_oom_score_adj: root may lack CAP_SYS_RESOURCE."""
    return f"""version = 2
root = "{layout.state / "containerd"}"
state = "{layout.run / "containerd"}"
[grpc]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.state / "opt"}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{layout.run / "runc"}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BINARIES}"
    conf_dir = "{layout.config("cni")}"
"""


def cni_conflist(layout: Layout) -> str:
    """Pods on the bridge, without masquerading."""
    ranges = [[{"subnet": POD_RANGE, "rangeStart": "10.199.0.10"}]]
    addresses = {"type": "host-local", "dataDir": str(layout.run / "ipam"), "ranges": ranges,
                 "routes": [{"dst": "0.0.0.0/0"}]}  # fmt: skip
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipMasq": False,
              "ipam": addresses}  # fmt: skip
    plugins = [bridge, {"type": "loopback"}]
    return json.dumps({"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": plugins}, indent=1)


def kubelet_config(layout: Layout, authority: Path, certificate: Path, key: Path) -> str:
    """A kubelet that works on cgroup v1 and v2, evicts late and leaves the machine's iptables alone."""
    low = {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%",
           "nodefs.inodesFree": "1%"}  # fmt: skip
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "address": ADDRESS,
        "port": KUBELET_PORT,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "maxPods": 60,
        "imageGCHighThresholdPercent": 100,  # nothing could pull again what was collected
        "imageGCLowThresholdPercent": 99,
        "evictionHard": low,
        "resolvConf": str(layout.config("resolv.conf")),
        "podLogsDir": str(layout.state / "pod-logs"),
        "volumePluginDir": str(layout.state / "volume-plugins"),
    }
    return json.dumps(document, indent=1)  # JSON is YAML


def buildkitd_toml(layout: Layout) -> str:
    """BuildKit that builds straight into the kubelet's images; its cache stays until `destroy`."""
    return f"""root = "{layout.state / "buildkit"}"
[grpc]
  address = ["unix://{layout.buildkit_socket}"]
[worker.oci]
  enabled = false
[worker.containerd]
  enabled = true
  address = "{layout.containerd_socket}"
  namespace = "k8s.io"
  snapshotter = "overlayfs"
  networkMode = "host"
  defaultCgroupParent = "{CGROUP}"
  gc = false
"""


def kubelet_command(layout: Layout, kubeconfig: Path) -> list[str]:
    return layout.plan().command(
        "kubelet",
        f"--config={layout.config('kubelet.yaml')}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={ADDRESS}",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.pki}",
    )


def kube_proxy_command(layout: Layout, kubeconfig: Path) -> list[str]:
    """nftables mode, and no change of the machine's connection tracking (0: leave as it is)."""
    return layout.plan().command(
        "kube-proxy",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_RANGE}",
        f"--healthz-bind-address={ADDRESS}:10256",
        f"--metrics-bind-address={ADDRESS}:10249",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )


def policies_command(layout: Layout, kubeconfig: Path) -> list[str]:
    """The judge of NetworkPolicies."""
    return layout.plan().command(
        "kube-network-policies",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--nfqueue-id={POLICIES_QUEUE}",
        f"--table={POLICIES_TABLE}",
    )
