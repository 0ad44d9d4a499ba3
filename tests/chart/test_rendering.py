"""What the chart says without a cluster: its values, their schema and documentation, the rendered objects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"

GOOD = {
    "defaults": [],
    "a folder of the node": ["storage.hostPath=/srv/ocr", "storage.accessModes={ReadWriteOnce}"],
    "a claim that exists": ["storage.existingClaim=team-data"],
    "a storage class": ["storage.storageClassName=nfs", "storage.size=2Ti"],
    "images from elsewhere": [
        "image.operator.repository=registry.example/ocr/operator",
        "image.trainer.tag=v2",
        "imagePullSecrets[0].name=pull",
    ],
    "several operators": ["operator.replicas=2"],
    "several facades": ["api.replicas=3", "api.service.port=8080", "logFormat=json"],
    "callers with a token": [
        "api.token.secretName=callers",
        "api.token.legacyWithout=true",
        "api.corsOrigins={https://annotate.example,http://localhost:8080}",
        "api.maxUploadBytes=1000000",
    ],
    "told elsewhere": [
        "statusReport.url=https://platform.example/told?a=b",
        "statusReport.secretName=told",
        "cloudEvents.url=http://broker-ingress.knative/ns/default",
    ],
    "other accelerators": ["gpu.resourceName=amd.com/gpu", "crds.install=false"],
}

BAD = [
    "storage.hostpath=/srv/ocr",
    "storage.hostPath=srv/ocr",
    "storage.size=plenty",
    "storage.accessModes={ReadOnlyMany}",
    "storage.accessModes={}",
    "image.operator.pullPolicy=Sometimes",
    "image.operator.tag=a b",
    "image.operator.repository=",
    "image.worker.tag=1",
    "imagePullSecrets[0]=pull",
    "gpu.resourceName=gpu",
    "logFormat=xml",
    "statusReport.url=platform.example/told",
    "statusReport.url=https://user:word@platform.example/",
    "statusReport.secretName=No Name",
    "statusReport.secret=whsec_AAAA",
    "cloudEvents.url=amqp://broker",
    "api.replicas=-1",
    "api.token.value=secret-secret-secret",
    "api.token.secretName=No Name",
    "api.token.legacyWithout=perhaps",
    "api.corsOrigins={annotate.example}",
    "api.maxUploadBytes=0",
    "api.replicas=many",
    "api.service.port=0",
    "api.resources.limit.memory=1Gi",
    "operator.resources.limits.memory=lots",
    "crds.install=maybe",
    "operator.replicas=-1",
    "operator.replicas=two",
    "replicas=2",
]


def settings(values: list[str]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def render(offline: Any, *values: str) -> list[dict[str, Any]]:
    text = offline.helm("template", "ocr", str(CHART), "-n", "team", *settings(list(values)))
    return [document for document in yaml.safe_load_all(text) if document]


def pods(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment")


@pytest.mark.parametrize("values", GOOD.values(), ids=GOOD)
def test_the_chart_passes_lint(offline: Any, values: list[str]) -> None:
    assert "0 chart(s) failed" in offline.helm("lint", "--strict", str(CHART), *settings(values))


@pytest.mark.parametrize("value", BAD)
def test_a_wrong_value_is_refused_by_name(offline: Any, value: str) -> None:
    said = offline.helm("template", "ocr", str(CHART), "--set", value, fails=True)
    assert "values don't meet the specifications of the schema" in said
    assert value.partition("=")[0].partition("[")[0].split(".")[0] in said


def test_two_sources_for_the_volume_are_refused(offline: Any) -> None:
    values = settings(["storage.hostPath=/srv", "storage.existingClaim=data"])
    said = offline.helm("template", "ocr", str(CHART), *values, fails=True)
    assert "storage.existingClaim and storage.hostPath exclude each other" in said


def test_unsigned_status_reports_are_refused(offline: Any) -> None:
    said = offline.helm(
        "template", "ocr", str(CHART), "--set", "statusReport.url=https://platform.example", fails=True
    )
    assert "statusReport.secretName is not set: status reports are signed" in said


def test_the_operator_is_told_whom_to_tell_and_reads_the_secret_from_a_file(offline: Any) -> None:
    documents = render(offline, "statusReport.url=https://platform.example", "statusReport.secretName=told")
    (operator,) = (pod for pod in pods(documents) if "operator" in pod["containers"][0]["image"])
    (container,) = operator["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    (volume,) = (v for v in operator["volumes"] if v["name"] == "status-report")
    assert volume["secret"]["secretName"] == "told" and mounts["status-report"]["readOnly"]
    file = f"{mounts['status-report']['mountPath']}/{volume['secret']['items'][0]['path']}"
    assert environment["OCR_STATUS_REPORT_URL"] == "https://platform.example"
    assert environment["OCR_STATUS_REPORT_SECRET_FILE"] == file
    assert "OCR_CLOUDEVENTS_URL" not in environment
    assert "status-report" not in json.dumps(render(offline)), "nothing is mounted that is not asked for"


def test_the_facade_reads_its_token_from_a_file_and_writes_to_the_volume(offline: Any) -> None:
    documents = render(
        offline, "api.token.secretName=callers", "api.corsOrigins={https://a.example,https://b.example}"
    )
    (facade,) = (pod for pod in pods(documents) if "api" in pod["containers"][0]["image"])
    (container,) = facade["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    (volume,) = (v for v in facade["volumes"] if v["name"] == "token")
    assert volume["secret"]["secretName"] == "callers" and mounts["token"]["readOnly"]
    file = f"{mounts['token']['mountPath']}/{volume['secret']['items'][0]['path']}"
    assert environment["OCR_TOKEN_FILE"] == file
    assert environment["OCR_LEGACY_WITHOUT_TOKEN"] == "false"
    assert environment["OCR_CORS_ORIGINS"] == "https://a.example,https://b.example"
    assert environment["OCR_MAX_UPLOAD_BYTES"] == "21474836480"  # helm reads large numbers as floats
    assert not mounts["data"].get("readOnly"), "uploads are written there"
    assert "OCR_TOKEN_FILE" not in json.dumps(render(offline))


def test_every_value_is_documented_and_in_the_schema() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    schema = json.loads((CHART / "values.schema.json").read_text())

    def leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if isinstance(value, dict) and value and path[-1:] != ("resources",):
            for key, inner in value.items():
                yield from leaves(inner, (*path, key))
        else:
            yield path

    def documented(path: tuple[str, ...]) -> bool:
        indent = "  " * (len(path) - 1)
        above = [n for n, line in enumerate(lines) if line.startswith(f"{indent}{path[-1]}:")]
        return any(_comment_above(lines, n) for n in above)

    def known(path: tuple[str, ...]) -> bool:
        at = schema
        for key in path:
            at = schema["definitions"][at["$ref"].rpartition("/")[2]] if "$ref" in at else at
            at = at.get("properties", {}).get(key)
            if at is None:
                return False
        return True

    paths = list(leaves(yaml.safe_load("\n".join(lines)), ()))
    assert len(paths) > 20
    assert [path for path in paths if not documented(path)] == []
    assert [path for path in paths if not known(path)] == []


def _comment_above(lines: list[str], number: int) -> bool:
    """Whether the comment right above the line begins with `# --`."""
    while number and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        if lines[number].lstrip().startswith("# -- "):
            return True
    return False


def test_images_are_those_of_the_values(offline: Any) -> None:
    documents = render(
        offline, "image.operator.repository=r/o", "image.operator.tag=v7", "image.trainer.tag=v8"
    )
    images = [container["image"] for pod in pods(documents) for container in pod["containers"]]
    assert sorted(images) == ["ocr-api:0.2.0", "r/o:v7"]
    environment = {
        e["name"]: e["value"] for pod in pods(documents) for c in pod["containers"] for e in c["env"]
    }
    assert environment["OCR_TRAINER_IMAGE"] == "ocr-trainer:v8"
    assert environment["OCR_TRAINER_IMAGE_PULL_POLICY"] == "IfNotPresent"
    assert all(c["imagePullPolicy"] == "IfNotPresent" for pod in pods(documents) for c in pod["containers"])


def test_operator_and_facade_use_the_same_claim(offline: Any) -> None:
    for values, claim in (([], "ocr-ocr-operator-data"), (["storage.existingClaim=mine"], "mine")):
        documents = render(offline, *values)
        text = json.dumps(documents)
        assert f'{{"name": "OCR_VOLUME_CLAIM", "value": "{claim}"}}' in text
        assert f'"persistentVolumeClaim": {{"claimName": "{claim}"}}' in text
        made = [d["metadata"]["name"] for d in documents if d["kind"] == "PersistentVolumeClaim"]
        assert made == ([] if values else [claim])


def test_the_resource_is_the_file_that_the_tests_apply(offline: Any) -> None:
    rendered = next(d for d in render(offline) if d["kind"] == "CustomResourceDefinition")
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == yaml.safe_load((CHART / "files" / "ocrprojects.yaml").read_text())
    without = render(offline, "crds.install=false")
    assert all(d["kind"] != "CustomResourceDefinition" for d in without)


def test_releases_in_two_namespaces_share_no_cluster_scoped_name(offline: Any) -> None:
    scoped = ("PersistentVolume", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")

    def names(namespace: str) -> set[tuple[str, str]]:
        text = offline.helm("template", "ocr", str(CHART), "-n", namespace, "--set", "storage.hostPath=/srv")
        found = [d for d in yaml.safe_load_all(text) if d and d["kind"] in scoped]
        assert len(found) == 3
        return {(d["kind"], d["metadata"]["name"]) for d in found}

    assert not names("a") & names("b")


def test_nothing_but_policies_volume_and_resource_is_cluster_wide(offline: Any) -> None:
    kinds = {d["kind"] for d in render(offline, "storage.hostPath=/srv")}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
