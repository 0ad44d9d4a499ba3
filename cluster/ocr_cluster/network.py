"""The node's network: one bridge in the machine's own namespace, rules that keep its traffic here, and
those by which NetworkPolicies are heeded.

No namespace of its own, because a build's RUN shares the runtime's network and must reach the package
registries. Pods get no masquerading: they reach each other, the machine and nothing beyond it.
"""

import ipaddress
import json
import subprocess
from pathlib import Path

from ocr_cluster.components import SERVICE_RANGE
from ocr_cluster.errors import ClusterError, NodeBusy

BRIDGE = "ocr-cluster0"
ADDRESS = "10.199.0.1"  # the node's and the API server's: pods know it, the world outside does not
POD_RANGE = "10.199.0.0/24"
TABLE = "ocr_cluster"
POLICIES_TABLE = "ocr_cluster_policies"
POLICIES_QUEUE = 7243
# New connections that begin in a pod go to the judge of NetworkPolicies; where none listens they pass. What
# begins on the node, such as a probe, is no policy's business.
POLICIES_RULES = tuple(
    (chain, "-i", BRIDGE, "-m", "conntrack", "--ctstate", "NEW", "-j", "NFQUEUE",
     "--queue-num", str(POLICIES_QUEUE), "--queue-bypass")
    for chain in ("FORWARD", "INPUT")
)  # fmt: skip
PROXY_TABLES = ("ip", "ip6")  # the families in which kube-proxy keeps a table of its name

# Pods don't leave the machine and nothing outside comes to them, although the machine forwards now.
RULES = f"""table inet {TABLE} {{
  chain forward {{
    type filter hook forward priority -10;
    iifname "{BRIDGE}" oifname != "{BRIDGE}" reject with icmpx admin-prohibited
    iifname != "{BRIDGE}" oifname "{BRIDGE}" reject with icmpx admin-prohibited
  }}
}}
"""


def up(owner: str) -> None:
    """Make the bridge, the route and the rules, or find them; NodeBusy where they are somebody else's."""
    found = owner_of_bridge()
    if found is None:
        _refuse_conflicts()
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "link", "set", BRIDGE, "alias", owner)
    elif found != owner:
        raise NodeBusy(f"the network device {BRIDGE} belongs to {found or 'something else'}")
    _run("ip", "address", "replace", f"{ADDRESS}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    # Until kube-proxy has its rules, a Service's address would leave by the default route.
    _run("ip", "route", "replace", SERVICE_RANGE, "dev", BRIDGE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    if not _table_exists("inet", TABLE):
        _run("nft", "-f", "-", text=RULES)
    _heed_policies()


def down(owner: str) -> None:
    """Take away what up() made, kube-proxy's tables with it; somebody else's bridge stays."""
    if owner_of_bridge() != owner:
        return
    for family in PROXY_TABLES:
        if _table_exists(family, "kube-proxy"):
            _run("nft", "delete", "table", family, "kube-proxy")
    _forget_policies()
    for table in (POLICIES_TABLE, TABLE):
        if _table_exists("inet", table):
            _run("nft", "delete", "table", "inet", table)
    _run("ip", "link", "delete", BRIDGE)  # its route goes with it; last, because it says whose the rest is


def owner_of_bridge() -> str | None:
    """The bridge's alias: the folder of the node that made it; None where there is no bridge."""
    links = json.loads(_run("ip", "-j", "link", "show"))
    return next((link.get("ifalias", "") for link in links if link["ifname"] == BRIDGE), None)


def overlapping(routes: list[str]) -> list[str]:
    """Those destinations, as `ip route` prints them, that share addresses with the cluster's ranges."""
    ours = [ipaddress.ip_network(text) for text in (POD_RANGE, SERVICE_RANGE)]
    return [
        text
        for text in routes
        if text != "default" and any(ipaddress.ip_network(text).overlaps(network) for network in ours)
    ]


def _refuse_conflicts() -> None:
    routes = json.loads(_run("ip", "-j", "-4", "route", "show"))
    if taken := overlapping([route["dst"] for route in routes]):
        raise ClusterError(f"the machine already has routes to {', '.join(taken)}, which the node would use")
    for family in PROXY_TABLES:
        if _table_exists(family, "kube-proxy"):
            raise NodeBusy(f"another kube-proxy runs on this machine: nft table {family} kube-proxy")


def _table_exists(family: str, name: str) -> bool:
    return f"table {family} {name}" in _run("nft", "list", "tables").splitlines()


def _heed_policies() -> None:
    try:
        for rule in POLICIES_RULES:
            if not _has_rule(rule):
                _run("iptables", "-w", "-I", *rule)
    except ClusterError as error:  # a kernel without NFQUEUE
        print(f"    NetworkPolicies are not heeded on this machine: {error}", flush=True)


def _forget_policies() -> None:
    for rule in POLICIES_RULES:
        while _has_rule(rule):
            _run("iptables", "-w", "-D", *rule)
    # iptables makes this table when it is first asked for one of its chains; without a rule it does nothing.
    if _table_exists("ip", "filter"):
        listed = json.loads(_run("nft", "-j", "list", "table", "ip", "filter"))["nftables"]
        if not any("rule" in entry or entry.get("chain", {}).get("policy") == "drop" for entry in listed):
            _run("nft", "delete", "table", "ip", "filter")


def _has_rule(rule: tuple[str, ...]) -> bool:
    command = ("iptables", "-w", "-C", *rule)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
