"""Command lines of the Kubernetes components: pure functions of a plan of ports, addresses and files.

A control plane for tests and the machine's node run the same components; they differ in what the plan says.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ocr_cluster.pki import SERVICE_NAMES, Authority

SERVICE_RANGE = "10.198.0.0/24"
SERVICE_ADDRESS = "10.198.0.1"  # the first of the range: the API server as pods know it
# What programs in pods ask for, and not what Kubernetes' own controllers do, which have accounts, too. A
# watch is told when it begins, so it need not have ended to be known.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
    ],
}
AUDIT_MEGABYTES = 10  # a release with nothing to do fills as much in four hours
AUDIT_BACKUPS = 2


@dataclass(frozen=True)
class Plan:
    """Where the control plane of one cluster lives."""

    folder: Path
    hyper: Path
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    address: str = "127.0.0.1"  # the API server's only one: where there are pods, one that they reach
    admission: tuple[str, ...] = ("NodeRestriction",)  # plugins beside those that are always there
    audit_log: Path | None = None  # where the API server writes down what service accounts ask it for

    @property
    def audit_policy(self) -> Path:
        return self.folder / "audit-policy.json"

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.api_port}"

    def command(self, component: str, *arguments: str) -> list[str]:
        return [str(self.hyper), component, *arguments]


@dataclass(frozen=True)
class Credentials:
    """Every file of the PKI that the control plane's command lines name."""

    authority: Path
    authority_key: Path
    api_certificate: Path
    api_key: Path
    service_key: Path
    service_public: Path
    admin_certificate: Path
    admin_key: Path
    front_proxy_certificate: Path
    front_proxy_key: Path
    admin_kubeconfig: Path
    controller_kubeconfig: Path
    scheduler_kubeconfig: Path


def issue_credentials(plan: Plan, authority: Authority) -> Credentials:
    """Make (or find) the certificates and kubeconfigs of the control plane."""
    hosts = tuple(dict.fromkeys(("127.0.0.1", plan.address, SERVICE_ADDRESS, *SERVICE_NAMES)))
    api_certificate, api_key = authority.issue("apiserver", "kube-apiserver", hosts=hosts)
    service_key, service_public = authority.service_account_keys()
    front_certificate, front_key = authority.issue("front-proxy", "front-proxy")
    admin = authority.write_kubeconfig("admin", plan.server, "admin", group="system:masters")
    admin_certificate, admin_key = authority.issue("admin", "admin", group="system:masters")
    controllers = "system:kube-controller-manager"
    return Credentials(
        authority=authority.certificate_path,
        authority_key=authority.key_path,
        api_certificate=api_certificate,
        api_key=api_key,
        service_key=service_key,
        service_public=service_public,
        admin_certificate=admin_certificate,
        admin_key=admin_key,
        front_proxy_certificate=front_certificate,
        front_proxy_key=front_key,
        admin_kubeconfig=admin,
        controller_kubeconfig=authority.write_kubeconfig("controller-manager", plan.server, controllers),
        scheduler_kubeconfig=authority.write_kubeconfig("scheduler", plan.server, "system:kube-scheduler"),
    )


def write_audit_policy(plan: Plan) -> None:
    """What the API server reads when it starts, if it is to write an audit log."""
    plan.audit_policy.write_text(json.dumps(AUDIT_POLICY, indent=1))  # JSON is YAML


def etcd_command(plan: Plan) -> list[str]:
    """etcd for one member. Its data may be lost with the machine: fsync would only make tests slow."""
    client, peer = f"http://127.0.0.1:{plan.etcd_port}", f"http://127.0.0.1:{plan.etcd_peer_port}"
    return plan.command(
        "etcd",
        f"--data-dir={plan.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )


def apiserver_command(plan: Plan, files: Credentials) -> list[str]:
    """The API server with the aggregation layer, so that charts which bring an APIService work too."""
    # Without nodes there is nobody to call the Service `kubernetes`, and a loopback address may not be in it.
    reconciler = "none" if plan.address == "127.0.0.1" else "master-count"
    return plan.command(
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{plan.etcd_port}",
        f"--bind-address={plan.address}",
        f"--advertise-address={plan.address}",
        f"--secure-port={plan.api_port}",
        f"--tls-cert-file={files.api_certificate}",
        f"--tls-private-key-file={files.api_key}",
        f"--client-ca-file={files.authority}",
        f"--service-account-key-file={files.service_public}",
        f"--service-account-signing-key-file={files.service_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        f"--enable-admission-plugins={','.join(plan.admission)}",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={files.admin_certificate}",
        f"--kubelet-client-key={files.admin_key}",
        f"--kubelet-certificate-authority={files.authority}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        f"--requestheader-client-ca-file={files.authority}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={files.front_proxy_certificate}",
        f"--proxy-client-key-file={files.front_proxy_key}",
        f"--endpoint-reconciler-type={reconciler}",
        *_audit_arguments(plan),
    )


def _audit_arguments(plan: Plan) -> tuple[str, ...]:
    if plan.audit_log is None:
        return ()
    return (
        f"--audit-policy-file={plan.audit_policy}",
        f"--audit-log-path={plan.audit_log}",
        f"--audit-log-maxsize={AUDIT_MEGABYTES}",
        f"--audit-log-maxbackup={AUDIT_BACKUPS}",
    )


def controller_manager_command(plan: Plan, files: Credentials) -> list[str]:
    """All controllers, with no client-side brake: tests create Jobs by the hundred."""
    return plan.command(
        "kube-controller-manager",
        f"--kubeconfig={files.controller_kubeconfig}",
        "--secure-port=0",
        f"--service-account-private-key-file={files.service_key}",
        f"--root-ca-file={files.authority}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--cluster-signing-cert-file={files.authority}",
        f"--cluster-signing-key-file={files.authority_key}",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
    )


def scheduler_command(plan: Plan, files: Credentials) -> list[str]:
    """The default scheduler, with no port of its own."""
    return plan.command(
        "kube-scheduler",
        f"--kubeconfig={files.scheduler_kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
    )
