"""Install and compile what a node needs, once: packages by apt, everything else from its Go modules.

A tool is compiled again only when what it is made of has changed: its module's files, its command line or the
compiler. Go's own cache makes that quick; the stamp saves even the linking.
"""

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ocr_cluster import definitions, progress
from ocr_cluster.errors import BuildError
from ocr_cluster.promtool import bring_promtool

KUBERNETES = "v1.35.4"
HELM = "v3.20.2"
HELM_DOCS = "v1.14.2"
KUBECONFORM = "v0.8.0"
# What must be there -> the Debian package that brings it.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
}


@dataclass(frozen=True)
class Tool:
    """One binary from one Go module of this repository."""

    name: str
    module: str  # folder below cluster/
    package: str
    about: str
    usual: str  # how long it takes from an empty cache
    variables: tuple[tuple[str, str], ...] = ()  # what the linker sets


def version_variables() -> tuple[tuple[str, str], ...]:
    """The version that the components report; unset, they'd call themselves v0.0.0 and refuse each other."""
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple((f"{package}.{name}", value) for package in packages for name, value in values.items())


def helm_variables() -> tuple[tuple[str, str], ...]:
    """helm's version, and the cluster's that `helm template` and `helm lint` assume: else v1.20."""
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    helm = "helm.sh/helm/v3"
    assumed = tuple(
        (f"{helm}/pkg/{package}.k8sVersion{part}", value)
        for package in ("chartutil", "lint/rules")
        for part, value in (("Major", major), ("Minor", minor))
    )
    return (*version_variables(), (f"{helm}/internal/version.version", HELM), *assumed)


def tools() -> tuple[Tool, ...]:
    """Everything that is compiled, the slowest first: the others share its packages."""
    helm, buildkit = "helm.sh/helm/v3/cmd/helm", "github.com/moby/buildkit/cmd"
    conform, docs = (
        "github.com/yannh/kubeconform/cmd/kubeconform",
        "github.com/norwoodj/helm-docs/cmd/helm-docs",
    )
    conform_version, docs_version = (("main.version", KUBECONFORM),), (("main.version", HELM_DOCS),)
    return (
        Tool(
            "hyper", "kubernetes", ".", f"Kubernetes {KUBERNETES} and etcd", "4 minutes", version_variables()
        ),
        Tool("helm", "kubernetes", helm, f"Helm {HELM}", "20 seconds", helm_variables()),
        Tool("buildkitd", "buildkit", f"{buildkit}/buildkitd", "BuildKit", "1 minute"),
        Tool("buildctl", "buildkit", f"{buildkit}/buildctl", "BuildKit's client", "10 seconds"),
        Tool("helm-docs", "charttools", docs, f"helm-docs {HELM_DOCS}", "10 seconds", docs_version),
        Tool(
            "kubeconform", "charttools", conform, f"kubeconform {KUBECONFORM}", "5 seconds", conform_version
        ),
        Tool("pause", "pause", ".", "the pods' pause program", "2 seconds"),
    )


def build(repository: Path, binaries: Path | None = None) -> None:
    """Make everything that is missing or outdated in the binaries' folder (default: .cluster/bin)."""
    beside = (binaries or repository / ".cluster" / "bin").parent / "definitions"  # beside a link, too
    binaries = (binaries or repository / ".cluster" / "bin").resolve()
    binaries.mkdir(parents=True, exist_ok=True)
    install_packages(binaries)
    bring_promtool(binaries)
    for tool in tools():
        compile_tool(tool, repository / "cluster" / tool.module, binaries)
    kubectl = binaries / "kubectl"
    if not kubectl.is_symlink():
        kubectl.symlink_to("hyper")
    for source in (*definitions.KUBERNETES, *definitions.RESOURCES):
        definitions.fetch(source, beside)


def install_packages(binaries: Path) -> None:
    """apt-get install what this machine lacks; nothing where it lacks nothing."""
    missing = [package for thing, package in PACKAGES.items() if not shutil.which(thing)]
    if not missing:
        return
    print(f"apt-get install {' '.join(missing)} (about 20 seconds)", flush=True)
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    log = binaries / "log" / "apt.log"
    progress.run(["apt-get", "update"], log=log, environment=environment)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    progress.run(install, log=log, environment=environment)


def compile_tool(tool: Tool, module: Path, binaries: Path) -> bool:
    """Compile it unless the binary is of just these sources; whether it was compiled."""
    stamp, made_of = binaries / "stamps" / tool.name, fingerprint(tool, module)
    binary = binaries / tool.name
    if binary.exists() and stamp.exists() and stamp.read_text() == made_of:
        return False
    print(f"compiling {tool.about} ({tool.usual} from an empty cache on two cores)", flush=True)
    started = time.monotonic()
    fresh = binary.with_suffix(".new")
    progress.run(
        ["go", "build", "-v", "-ldflags", linker_flags(tool), "-o", str(fresh), tool.package],
        log=binaries / "log" / f"{tool.name}.log",
        cwd=module,
        environment={"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -trimpath"},
    )
    fresh.rename(binary)  # a running binary cannot be written over
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(made_of)
    print(
        f"    {tool.name}: {time.monotonic() - started:.0f} s, {binary.stat().st_size >> 20} MB", flush=True
    )
    return True


def linker_flags(tool: Tool) -> str:
    """No symbol tables (half of the size), and the variables."""
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in tool.variables)])


def fingerprint(tool: Tool, module: Path) -> str:
    """Changes when the binary would."""
    digest = hashlib.sha256(f"{tool.package}\0{linker_flags(tool)}\0{_go_version()}".encode())
    sources = sorted(p for p in module.iterdir() if p.suffix == ".go" or p.name in ("go.mod", "go.sum"))
    for path in sources:
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _go_version() -> str:
    if not shutil.which("go"):
        raise BuildError(
            f"Go is not on PATH ({os.environ['PATH']}); the embedded Kubernetes is compiled by it"
        )
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
