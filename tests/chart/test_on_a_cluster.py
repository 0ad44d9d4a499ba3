"""The chart on a real API server: installed, upgraded, two side by side, and what each part may do."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit_log import grants_of
from chart_values import GOOD, settings, with_api_versions
from kubernetes import client, config
from ocr_cluster.control_plane import BINARIES
from ocr_contract.resource import GROUP, PLURAL

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"

PARTS = pytest.mark.parametrize("part", ["", "-api", "-trainer"], ids=["operator", "facade", "trainer"])
ABOUT_ITSELF = {"authorization.k8s.io", "authentication.k8s.io"}
PROJECTS, LEASES = f"{PLURAL}.{GROUP}", "leases.coordination.k8s.io"
NEVER = {
    f"deletecollection {PROJECTS}", f"update {PROJECTS}", f"update {PROJECTS}/status",
    f"get {PROJECTS}/scale", "get secrets", "list secrets", "get configmaps", "get pods", "create pods",
    "create pods/exec", "get pods/log", "patch jobs.batch", "deletecollection jobs.batch",
    "create serviceaccounts/token",
    "create roles.rbac.authorization.k8s.io", "create rolebindings.rbac.authorization.k8s.io",
    f"get {LEASES}", f"list {LEASES}", f"update {LEASES} other", f"delete {LEASES} ocr-ocr-operator",
}  # fmt: skip


@PARTS
def test_each_part_holds_its_role_and_no_other_right(installed: Any, part: str) -> None:
    """As the API server lists them; test_own_rights.py shows that all of a Role is needed."""
    review = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": installed.namespace},
    }  # fmt: skip
    said = installed.kubectl(
        "create", f"--as={installed.user(part)}", "--validate=false", "-o", "json", "-f", "-",
        stdin=json.dumps(review),
    )  # fmt: skip
    listed = json.loads(said)["status"]["resourceRules"]
    rules = [rule for rule in listed if not ABOUT_ITSELF & set(rule["apiGroups"])]
    rights = grants_of({"rules": rules})
    assert rights == grants_of(installed.get("role", installed.account(part)))
    assert not any("*" in right for right in rights)


@PARTS
def test_no_part_may_do_what_would_harm_others(installed: Any, part: str) -> None:
    with config.new_client_from_config(str(installed.shell.kubeconfig)) as api:
        reviews = client.AuthorizationV1Api(api)
        for call in sorted(NEVER):
            verb, kind, *name = call.split()
            address, _, subresource = kind.partition("/")
            resource, _, group = address.partition(".")
            attributes = {
                "namespace": installed.namespace, "verb": verb, "resource": resource, "group": group,
                "subresource": subresource, "name": "".join(name),
            }  # fmt: skip
            spec = {"user": installed.user(part), "resourceAttributes": attributes}
            review = {"metadata": {"namespace": installed.namespace}, "spec": spec}
            answer = reviews.create_namespaced_local_subject_access_review(installed.namespace, review)
            assert not answer.status.allowed, call


def test_pods_pass_pod_security_restricted(installed: Any) -> None:
    for deployment in installed.get("deployments")["items"]:
        template = deployment["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe", "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
        }
        said = installed.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
        assert "created (server dry run)" in said and "Warning" not in said
        assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in template["spec"]["containers"])


@pytest.mark.parametrize("values", GOOD.values(), ids=GOOD)
def test_what_is_rendered_is_accepted_by_the_api_server(
    shell: Any, make_namespace: Callable[[], str], values: list[str]
) -> None:
    namespace = make_namespace()
    text = shell.helm("template", "ocr", str(CHART), "-n", namespace, *with_api_versions(), *settings(values))
    said = shell.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=text
    )
    assert said.count("serverside-applied (server dry run)") == len(
        [document for document in yaml.safe_load_all(text) if document]
    )
    assert "Warning" not in said


def test_the_notes_commands_work_when_pasted(installed: Any) -> None:
    notes = installed.shell.helm("get", "notes", "ocr", "-n", installed.namespace)
    command = notes[notes.index("kubectl -n") : notes.index("\nEND\n") + len("\nEND\n")]
    kubectl = f'kubectl() {{ {shlex.quote(str(BINARIES / "hyper"))} kubectl "$@"; }}'
    said = installed.shell.run("bash", "-ec", f"{kubectl}\n{command}")
    assert "ocrproject.ocrproject.dev/receipts created" in said
    assert installed.get("ocr", "receipts")["spec"]["train"]["id"] == "first"
    assert "service/ocr-ocr-operator-api" in notes
    assert installed.get("service", "ocr-ocr-operator-api")["spec"]["ports"][0]["port"] == 80


def test_upgrade_and_uninstall_lose_nothing(
    shell: Any, make_namespace: Callable[[], str], installed: Any
) -> None:
    # A second release, in another namespace: the first one's resource is left to it.
    namespace = make_namespace()
    said = shell.helm("install", "ocr", str(CHART), "-n", namespace)
    assert "belongs to another release" in said
    manifest = {
        "apiVersion": "ocrproject.dev/v1alpha1",
        "kind": "OcrProject",
        "metadata": {"name": "kept", "namespace": namespace},
        "spec": {"train": {"id": "r1"}},
    }
    shell.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    shell.helm("upgrade", "ocr", str(CHART), "-n", namespace, "--set", "api.replicas=2")
    assert shell.get("-n", namespace, "deployment", "ocr-ocr-operator-api")["spec"]["replicas"] == 2
    shell.helm("uninstall", "ocr", "-n", namespace)
    assert shell.get("-n", namespace, "ocr", "kept")["spec"]["train"]["id"] == "r1"
    assert shell.get("-n", namespace, "pvc", "ocr-ocr-operator-data")["metadata"]["name"]
    assert "ocr-ocr-operator" not in shell.kubectl("-n", namespace, "get", "deploy,role,rolebinding,sa")
    assert namespace not in shell.kubectl("get", "validatingadmissionpolicies", "-o", "name")
    # The one that owns the resource upgrades it and, installed anew, takes it up again.
    said = shell.helm("upgrade", "ocr", str(CHART), "-n", installed.namespace)
    assert "belongs to another release" not in said
