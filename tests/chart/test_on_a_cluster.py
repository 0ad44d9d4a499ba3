"""The chart on a real API server: installed, upgraded, two side by side, and what each part may do."""

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubernetes import client, config
from ocr_cluster.control_plane import BINARIES
from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"

STATUS: dict[str, Any] = {
    "phase": "Training",
    "stage": "detection",
    "progress": 40,
    "etaSeconds": 60,
    "message": "trains",
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Complete", "status": "False", "reason": "Running", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
    "train": {"id": "r1", "revision": 0, "stages": {"detection": {"state": "Running"}}},
    "test": {"id": "t1"},
    "model": {"trainId": "r0", "path": "train/p/r0/model/pthModel.zip"},
    "runs": [{"id": "r0", "outcome": "Succeeded"}],
}  # fmt: skip
OTHER: dict[str, Any] = {
    "phase": "Succeeded",
    "stage": "package",
    "progress": 100,
    "etaSeconds": 0,
    "message": "done",
    "observedGeneration": 2,
    "conditions": [{**STATUS["conditions"][0], "status": "True"}],
    "train": {"stages": {"detection": {"state": "Succeeded"}}},
    "test": {"id": "t2"},
    "model": {"trainId": "r1"},
    "runs": [],
}


def status_fields() -> set[str]:
    """Every field of status in the resource's own schema."""
    resource = yaml.safe_load((CHART / "files" / "ocrprojects.yaml").read_text())
    schema = resource["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["status"]["properties"])


def create_project(installed: Any, name: str) -> None:
    manifest = {
        "apiVersion": "ocrproject.dev/v1alpha1",
        "kind": "OcrProject",
        "metadata": {"name": name},
        "spec": {"train": {"id": "r1"}},
    }
    installed.kubectl("create", "-f", "-", stdin=json.dumps(manifest))


class StatusWriter:
    """Patches of the status as one user sends them: bare, for kubectl would read the object first."""

    def __init__(self, installed: Any, user: str | None = None) -> None:
        self._client = config.new_client_from_config(str(installed.shell.kubeconfig))
        if user:
            self._client.set_default_header("Impersonate-User", user)
        self._objects = client.CustomObjectsApi(self._client)
        self._address = (GROUP, VERSION, installed.namespace, PLURAL)

    def patch(self, name: str, status: dict[str, Any], **options: Any) -> str:
        """ "accepted", or the API server's refusal."""
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "status": status}
        try:
            self._objects.patch_namespaced_custom_object_status(*self._address, name, body, **options)
        except client.ApiException as error:
            return f"{error.status} {json.loads(error.body)['message']}"
        return "accepted"

    def apply(self, name: str, status: dict[str, Any], manager: str) -> str:
        """The trainer's own way: a server-side apply."""
        kind = "application/apply-patch+yaml"
        return self.patch(name, status, field_manager=manager, force=True, _content_type=kind)


@pytest.fixture(scope="session")
def administrator(installed: Any) -> StatusWriter:
    return StatusWriter(installed)


@pytest.fixture(scope="session")
def trainer(installed: Any) -> StatusWriter:
    return StatusWriter(installed, installed.user("-trainer"))


@pytest.fixture(scope="session")
def project(installed: Any, administrator: StatusWriter, trainer: StatusWriter) -> str:
    """An OcrProject with all of the operator's fields in its status, once the policy is in force."""
    create_project(installed, "guarded")
    assert administrator.patch("guarded", STATUS) == "accepted"
    deadline = time.monotonic() + 30
    while trainer.patch("guarded", {"progress": 41}, dry_run="All") == "accepted":
        assert time.monotonic() < deadline, "the policy did not come into force"
        time.sleep(0.2)
    return "guarded"


def test_every_field_of_status_is_covered_here() -> None:
    assert status_fields() - {"trainer"} == set(STATUS) == set(OTHER)


def test_the_trainer_reports_its_figures(installed: Any, project: str, trainer: StatusWriter) -> None:
    detection = {"run": "abc123", "epoch": 3, "hmean": 0.9}
    assert (
        trainer.apply(project, {"trainer": {"detection": detection}}, "ocr-trainer-detection") == "accepted"
    )
    assert trainer.patch(project, {"trainer": {"recognition": {"epoch": 1}}}) == "accepted"
    status = installed.get("ocr", project)["status"]
    assert status["trainer"] == {"detection": detection, "recognition": {"epoch": 1}}
    assert {key: status[key] for key in STATUS} == STATUS


@pytest.mark.parametrize("field", sorted(OTHER))
def test_the_trainer_changes_no_other_field(
    installed: Any, project: str, trainer: StatusWriter, administrator: StatusWriter, field: str
) -> None:
    refusal = "403 "
    for said in (
        trainer.patch(project, {field: OTHER[field]}),
        trainer.apply(project, {field: OTHER[field]}, "ocr-trainer-detection"),
    ):
        assert said.startswith(refusal) and "a trainer writes status.trainer only" in said
    said = trainer.patch(project, {field: None})
    assert said.startswith(refusal) and "a trainer removes nothing but from status.trainer" in said
    assert installed.get("ocr", project)["status"][field] == STATUS[field]
    assert administrator.patch(project, {field: OTHER[field]}, dry_run="All") == "accepted"


@pytest.mark.parametrize("field", sorted(STATUS))
def test_the_trainer_sets_no_field_of_an_empty_status(
    installed: Any, project: str, trainer: StatusWriter, field: str
) -> None:
    name = f"empty-{field.lower()}"
    create_project(installed, name)
    assert "a trainer writes status.trainer only" in trainer.patch(name, {field: STATUS[field]})
    assert trainer.patch(name, {"trainer": {"dataset": {"trainImages": 3}}}) == "accepted"


def test_the_trainer_does_not_touch_spec(project: str, installed: Any) -> None:
    api = config.new_client_from_config(str(installed.shell.kubeconfig))
    api.set_default_header("Impersonate-User", installed.user("-trainer"))
    with pytest.raises(client.ApiException, match="403"):
        client.CustomObjectsApi(api).patch_namespaced_custom_object(
            GROUP, VERSION, installed.namespace, PLURAL, project, {"spec": {"train": {"suspend": True}}}
        )


CALLS = {
    "": {
        "get ocrprojects", "list ocrprojects", "watch ocrprojects", "patch ocrprojects/status",
        "update ocrprojects/finalizers", "create jobs.batch", "delete jobs.batch", "get jobs.batch",
        "list jobs.batch", "watch jobs.batch", "get pods", "list pods", "watch pods", "create events",
        "create leases.coordination.k8s.io", "get leases.coordination.k8s.io ocr-ocr-operator",
        "list leases.coordination.k8s.io ocr-ocr-operator",
        "watch leases.coordination.k8s.io ocr-ocr-operator",
        "update leases.coordination.k8s.io ocr-ocr-operator",
    },
    "-api": {
        "get ocrprojects", "list ocrprojects", "watch ocrprojects", "create ocrprojects", "patch ocrprojects",
    },
    "-trainer": {"patch ocrprojects/status"},
}  # fmt: skip
NEVER = {
    "delete ocrprojects", "update ocrprojects/status", "get secrets", "create pods", "create pods/exec",
    "patch jobs.batch", "deletecollection jobs.batch", "create roles.rbac.authorization.k8s.io",
    "get ocrprojects/scale", "get leases.coordination.k8s.io", "update leases.coordination.k8s.io other",
}  # fmt: skip


@pytest.mark.parametrize("part", CALLS, ids=["operator", "facade", "trainer"])
def test_each_part_may_do_what_it_calls_and_no_more(installed: Any, part: str) -> None:
    with config.new_client_from_config(str(installed.shell.kubeconfig)) as api:
        reviews = client.AuthorizationV1Api(api)
        for call in sorted(set().union(*CALLS.values()) | NEVER):
            verb, address, *name = call.split()
            path, _, group = address.partition(".")
            resource, _, subresource = path.partition("/")
            attributes = {
                "namespace": installed.namespace, "verb": verb, "resource": resource,
                "group": group or (GROUP if resource == PLURAL else ""), "subresource": subresource,
                "name": "".join(name),
            }  # fmt: skip
            spec = {"user": installed.user(part), "resourceAttributes": attributes}
            review = {"metadata": {"namespace": installed.namespace}, "spec": spec}
            answer = reviews.create_namespaced_local_subject_access_review(installed.namespace, review)
            assert bool(answer.status.allowed) == (call in CALLS[part]), call


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


@pytest.mark.parametrize(
    "values",
    [
        ["storage.hostPath=/srv/ocr"],
        ["storage.existingClaim=data", "crds.install=false"],
        ["api.replicas=3", "imagePullSecrets[0].name=pull", "logFormat=json"],
        ["operator.resources.requests.cpu=1", "api.service.port=8080", "gpu.resourceName=amd.com/gpu"],
    ],
    ids=lambda values: values[0],
)
def test_what_is_rendered_is_accepted_by_the_api_server(
    shell: Any, make_namespace: Callable[[], str], values: list[str]
) -> None:
    namespace = make_namespace()
    settings = [part for value in values for part in ("--set", value)]
    text = shell.helm("template", "ocr", str(CHART), "-n", namespace, *settings)
    said = shell.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "-n",
        namespace,
        "-f",
        "-",
        stdin=text,
    )
    assert said.count("serverside-applied (server dry run)") == len(
        [document for document in yaml.safe_load_all(text) if document]
    )
    assert "Warning" not in said


def test_the_notes_commands_work_when_pasted(installed: Any) -> None:
    notes = installed.shell.helm("get", "notes", "ocr", "-n", installed.namespace)
    command = notes[notes.index("kubectl -n") : notes.index("\nEOF\n") + len("\nEOF\n")]
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
