"""What a stage's pod may do to the cluster: report its figures in status.trainer, and nothing else.

A pod runs what a dataset and a configuration make it run. The cases are made from the resource's schema: a
field that status gets tomorrow has its case tomorrow.
"""

import json
import ssl
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION
from operator_world import http_client

CRD = Path(__file__).resolve().parents[2] / "charts/ocr-operator/files/ocrprojects.yaml"
ROOT = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
STATUS = ROOT["properties"]["status"]["properties"]
GUARDED = {name: schema for name, schema in STATUS.items() if name != "trainer"}
WRITES = "a trainer writes status.trainer only"
REMOVES = "a trainer removes nothing but from status.trainer"
FORBIDDEN, ACCEPTED = 403, 200
Steps = tuple[str | int, ...]


def example(schema: dict[str, Any], *, other: bool = False) -> Any:
    """A valid value with every field set; `other`: another one, of a field that holds no fields."""
    kind = schema["type"]
    if "additionalProperties" in schema:
        return {"detection": example(schema["additionalProperties"])}
    if kind == "object":
        return {name: example(child) for name, child in schema["properties"].items()}
    if kind == "array":
        return [example(schema["items"])]
    if schema.get("format") == "date-time":
        return "2026-02-02T00:00:00Z" if other else "2026-01-01T00:00:00Z"
    if kind == "string":
        return schema.get("enum", ["one", "two"])[int(other)]
    return 2 if other else 1


def leaves(schema: dict[str, Any], path: Steps) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """Every field of the example that holds no fields, by its path."""
    if "additionalProperties" in schema:
        yield from leaves(schema["additionalProperties"], (*path, "detection"))
    elif schema["type"] == "array":
        yield from leaves(schema["items"], (*path, 0))
    elif schema["type"] == "object":
        for name, child in schema["properties"].items():
            yield from leaves(child, (*path, name))
    else:
        yield path, schema


FULL = {name: example(schema) for name, schema in GUARDED.items()}
LEAVES = [leaf for name, schema in GUARDED.items() for leaf in leaves(schema, (name,))]


def with_leaf(path: Steps, value: Any) -> dict[str, Any]:
    """The field of the status that holds the path, with this value there."""
    patch = {str(path[0]): deepcopy(FULL[str(path[0])])}
    at: Any = patch
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return patch


class Caller:
    """Requests of one user, bare: kubectl would read the object first."""

    def __init__(self, http: httpx.Client, namespace: str) -> None:
        self.http = http
        self.namespace = namespace
        self.created: list[str] = []
        self.projects = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"

    def patch(self, address: str, body: Any, kind: str, **query: str) -> httpx.Response:
        headers = {"Content-Type": f"application/{kind}"}
        return self.http.patch(
            f"{self.projects}/{address}", params=query, headers=headers, content=json.dumps(body)
        )

    def merge(self, name: str, status: dict[str, Any], **query: str) -> httpx.Response:
        """Merge into the project's status."""
        return self.patch(f"{name}/status", {"status": status}, "merge-patch+json", **query)

    def apply(self, name: str, status: dict[str, Any], manager: str) -> httpx.Response:
        """The trainer's own way: a server-side apply."""
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "status": status}
        return self.patch(f"{name}/status", body, "apply-patch+yaml", fieldManager=manager, force="true")

    def remove(self, name: str, path: Steps, **query: str) -> httpx.Response:
        operation = {"op": "remove", "path": "/status/" + "/".join(str(step) for step in path)}
        return self.patch(f"{name}/status", [operation], "json-patch+json", **query)

    def create(self, name: str) -> None:
        body = {
            "apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name},
            "spec": {"train": {"id": "r1", "suspend": True}},
        }  # fmt: skip
        self.http.post(self.projects, json=body).raise_for_status()
        self.created.append(name)

    def get(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get(f"{self.projects}/{name}").json()
        return document


def is_refused(answer: httpx.Response, *words: str) -> bool:
    return answer.status_code == FORBIDDEN and any(word in answer.json()["message"] for word in words)


@pytest.fixture(scope="module")
def administrator(installed: Any) -> Iterator[Caller]:
    with http_client(installed.shell.kubeconfig) as http:
        caller = Caller(http, installed.namespace)
        yield caller
        for name in caller.created:  # an operator of another test would wonder at their status
            http.delete(f"{caller.projects}/{name}")


@pytest.fixture(scope="module")
def trainer(installed: Any) -> Iterator[Caller]:
    """With a token of the service account that the chart gives to the stages' pods."""
    cluster = yaml.safe_load(installed.shell.kubeconfig.read_text())["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
    token = installed.kubectl("create", "token", "ocr-ocr-operator-trainer").strip()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=cluster["server"], verify=tls, headers=headers, timeout=30) as http:
        yield Caller(http, installed.namespace)


@pytest.fixture(scope="module")
def project(administrator: Caller, trainer: Caller) -> str:
    """An OcrProject with every field of its status set, once the policy is in force."""
    administrator.create("guarded")
    assert administrator.merge("guarded", FULL).status_code == ACCEPTED
    assert administrator.get("guarded")["status"] == FULL, "all of it is stored"
    deadline = time.monotonic() + 30
    while trainer.merge("guarded", {"progress": 41}, dryRun="All").status_code == ACCEPTED:
        assert time.monotonic() < deadline, "the policy did not come into force"
        time.sleep(0.2)
    return "guarded"


def test_the_trainer_reports_its_figures(project: str, administrator: Caller, trainer: Caller) -> None:
    report = example(STATUS["trainer"])
    for stage, figures in report.items():
        answer = trainer.apply(project, {"trainer": {stage: figures}}, f"ocr-trainer-{stage}")
        assert answer.status_code == ACCEPTED, answer.text
    assert administrator.get(project)["status"] == {**FULL, "trainer": report}
    assert trainer.merge(project, {"trainer": {"recognition": {"epoch": 7}}}).status_code == ACCEPTED
    assert trainer.remove(project, ("trainer", "test")).status_code == ACCEPTED
    assert trainer.merge(project, {"trainer": None}).status_code == ACCEPTED


@pytest.mark.parametrize(
    ("path", "schema"), LEAVES, ids=[".".join(str(step) for step in path) for path, _ in LEAVES]
)
def test_the_trainer_changes_and_removes_no_field_beside_its_own(
    project: str, administrator: Caller, trainer: Caller, path: Steps, schema: dict[str, Any]
) -> None:
    change = with_leaf(path, example(schema, other=True))
    assert administrator.merge(project, change, dryRun="All").status_code == ACCEPTED, "a valid change"
    assert is_refused(trainer.merge(project, change), WRITES)
    assert is_refused(trainer.apply(project, change, "ocr-trainer-detection"), WRITES)
    assert is_refused(trainer.apply(project, change, "ocr-operator"), WRITES, REMOVES)
    removed = trainer.remove(project, path)
    if administrator.remove(project, path, dryRun="All").status_code == ACCEPTED:
        assert is_refused(removed, WRITES, REMOVES)
    else:
        assert removed.status_code in (FORBIDDEN, 422), "nobody may leave out what is required"
    status = administrator.get(project)["status"]
    assert {name: status[name] for name in FULL} == FULL


@pytest.mark.parametrize("field", sorted(GUARDED))
def test_the_trainer_removes_no_whole_field_and_sets_none_where_there_is_none(
    project: str, administrator: Caller, trainer: Caller, field: str
) -> None:
    assert is_refused(trainer.merge(project, {field: None}), REMOVES)
    name = f"empty-{field.lower()}"
    administrator.create(name)
    assert is_refused(trainer.merge(name, {field: FULL[field]}), WRITES)
    assert is_refused(trainer.apply(name, {field: FULL[field]}, "ocr-trainer-test"), WRITES)
    assert trainer.merge(name, {"trainer": {"dataset": {"trainImages": 3}}}).status_code == ACCEPTED


def test_the_trainer_empties_no_status_under_the_operators_name(
    administrator: Caller, trainer: Caller, project: str
) -> None:
    """An apply takes away what its manager applied before, and a manager's name is anybody's to use."""
    administrator.create("applied")
    assert administrator.apply("applied", FULL, "ocr-operator").status_code == ACCEPTED
    said = trainer.apply("applied", {"trainer": {"dataset": {"trainImages": 3}}}, "ocr-operator")
    assert is_refused(said, REMOVES)
    assert administrator.get("applied")["status"] == FULL


METADATA = {
    "labels": {"team": "mine"},
    "annotations": {"note": "mine"},
    "finalizers": ["example.org/mine"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": "mine"}],
}


@pytest.mark.parametrize("field", METADATA)
def test_the_trainer_does_not_touch_metadata(
    project: str, administrator: Caller, trainer: Caller, field: str
) -> None:
    change = {"metadata": {field: METADATA[field]}}
    assert administrator.patch(project, change, "merge-patch+json", dryRun="All").status_code == ACCEPTED
    assert trainer.patch(project, change, "merge-patch+json").status_code == FORBIDDEN
    # With the status it is let in, and the API server drops it.
    report = {"status": {"trainer": {"dataset": {"errors": 1}}}}
    assert trainer.patch(f"{project}/status", change | report, "merge-patch+json").status_code == ACCEPTED
    assert field not in administrator.get(project)["metadata"]


@pytest.mark.parametrize("part", sorted(ROOT["properties"]["spec"]["properties"]))
def test_the_trainer_does_not_touch_spec(
    project: str, administrator: Caller, trainer: Caller, part: str
) -> None:
    before = administrator.get(project)["spec"]
    for address in (project, f"{project}/status"):
        for value in (None, {"id": "mine"}):
            answer = trainer.patch(address, {"spec": {part: value}}, "merge-patch+json")
            assert answer.status_code == FORBIDDEN or address.endswith("/status"), answer.text
    assert administrator.get(project)["spec"] == before


def test_the_trainer_has_no_right_but_the_patch_of_a_status(trainer: Caller) -> None:
    """As the API server lists its rights; what every account has is about itself."""
    review = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": trainer.namespace},
    }  # fmt: skip
    answer = trainer.http.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=review).json()
    about_itself = {"authorization.k8s.io", "authentication.k8s.io"}
    rights = [rule for rule in answer["status"]["resourceRules"] if not about_itself & set(rule["apiGroups"])]
    assert rights == [{"verbs": ["patch"], "apiGroups": [GROUP], "resources": [f"{PLURAL}/status"]}]
    assert {verb for rule in answer["status"]["nonResourceRules"] for verb in rule["verbs"]} == {"get"}


CORE, BATCH, LEASES = "/api/v1", "/apis/batch/v1", "/apis/coordination.k8s.io/v1"
OTHERS = {
    "pods": CORE, "secrets": CORE, "events": CORE, "configmaps": CORE, "serviceaccounts": CORE,
    "jobs": BATCH, "leases": LEASES, PLURAL: f"/apis/{GROUP}/{VERSION}",
}  # fmt: skip


@pytest.mark.parametrize("resource", OTHERS)
def test_the_trainer_reads_makes_changes_and_deletes_nothing_else(
    project: str, trainer: Caller, resource: str
) -> None:
    everything = f"{OTHERS[resource]}/namespaces/{trainer.namespace}/{resource}"
    one = f"{everything}/{project}"
    body = {"metadata": {"name": project}}
    answers = [
        trainer.http.get(everything),
        trainer.http.get(one),
        trainer.http.get(everything, params={"watch": "1"}),
        trainer.http.post(everything, json=body),
        trainer.http.put(one, json=body),
        trainer.http.patch(one, json=body, headers={"Content-Type": "application/merge-patch+json"}),
        trainer.http.delete(one),
        trainer.http.delete(everything),
        trainer.http.put(f"{one}/status", json=body),
        trainer.http.get(f"{one}/status"),
    ]
    assert [answer.status_code for answer in answers] == [FORBIDDEN] * len(answers)
