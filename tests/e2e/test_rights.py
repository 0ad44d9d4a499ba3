"""What the three parts asked of the cluster in the tests before, held against what the chart grants them.

This file's name comes after that of test_release.py, whose release, runs and projects it looks back on.
"""

import json

import pytest

from audit_log import AuditLog, grants_of
from ocr_cluster.node import Node
from ocr_cluster.release import Release
from ocr_contract.resource import GROUP, PLURAL

pytestmark = pytest.mark.e2e

PROJECTS, LEASES = f"{PLURAL}.{GROUP}", "leases.coordination.k8s.io"
DAILY = {
    "": {
        f"list {PROJECTS}", f"watch {PROJECTS}", f"patch {PROJECTS}/status", "list jobs.batch",
        "watch jobs.batch", "create jobs.batch", "get jobs.batch", "list pods",
        "watch pods", "create events", f"create {LEASES}", *(f"{verb} {LEASES} ocr-ocr-operator" for verb in
        ("get", "list", "watch", "update")),
    },
    "-api": {f"{verb} {PROJECTS}" for verb in ("get", "list", "watch", "patch")},
    "-trainer": {f"patch {PROJECTS}/status"},
}  # fmt: skip
"""What no training goes without; the rest of a Role is for what goes wrong, which tests/chart provokes."""


@pytest.fixture(scope="module")
def audit_log(release: Release) -> AuditLog:
    """Of the node, which may have been started by an older checkout that wrote none."""
    node = Node(release.repository / ".cluster")
    path = node.layout.audit_log
    assert path.exists(), f"{path} is missing: `make cluster-down` and start the node again"
    return AuditLog(path)


@pytest.mark.parametrize("part", DAILY, ids=["operator", "facade", "trainer"])
def test_nothing_was_asked_for_beyond_the_roles_and_nothing_was_refused(
    release: Release, audit_log: AuditLog, part: str
) -> None:
    account = f"{release.name}-ocr-operator{part}"
    user = f"system:serviceaccount:{release.namespace}:{account}"
    granted = grants_of(json.loads(release.kubectl("get", "role", account, "-o", "json")))
    called = audit_log.calls_in_words_of(granted, user)
    assert audit_log.refusals(user) == set()
    assert called <= granted
    assert called >= DAILY[part]
    print(f"{part or 'operator'}: of {len(granted)} rights not called: {sorted(granted - called)}")
