"""What the chart says without a cluster: its values, their schema and documentation, the rendered objects."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_values import BAD, GOOD, REFUSED, settings, with_api_versions
from ocr_operator.settings import Settings
from ocr_operator.stage_pods import StagePods

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"


def render(offline: Any, *values: str) -> list[dict[str, Any]]:
    text = offline.helm(
        "template", "ocr", str(CHART), "-n", "team", *with_api_versions(), *settings(list(values))
    )
    return [document for document in yaml.safe_load_all(text) if document]


def named(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The object of that kind whose name ends so."""
    (found,) = (d for d in documents if d["kind"] == kind and d["metadata"]["name"].endswith(name))
    return found


def pods(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment")


@pytest.mark.parametrize("values", GOOD.values(), ids=GOOD)
def test_the_chart_passes_lint(offline: Any, values: list[str]) -> None:
    assert "0 chart(s) failed" in offline.helm("lint", "--strict", str(CHART), *settings(values))


@pytest.mark.parametrize("value", BAD)
def test_a_wrong_value_is_refused_by_name(offline: Any, value: str) -> None:
    said = offline.helm("template", "ocr", str(CHART), "--set", value, fails=True)
    assert "values don't meet the specifications of the schema" in said
    assert re.split(r"[.=\[]", value)[0] in said


@pytest.mark.parametrize("sentence", REFUSED)
def test_values_that_make_no_sense_together_are_refused_with_a_sentence(offline: Any, sentence: str) -> None:
    values = [*with_api_versions(), *settings(REFUSED[sentence])]
    assert sentence in offline.helm("template", "ocr", str(CHART), *values, fails=True)


def test_a_route_without_the_gateway_api_is_refused_with_what_to_do(offline: Any) -> None:
    values = settings(GOOD["a gateway"])
    said = offline.helm("template", "ocr", str(CHART), *values, fails=True)
    assert "needs the Gateway API, which this cluster lacks: install its CRDs" in said


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


def test_every_object_names_its_namespace_and_bears_the_releases_labels(offline: Any) -> None:
    documents = render(offline, *GOOD["a folder of one node"], "commonLabels.team=ocr", *GOOD["an ingress"])
    scoped = {
        "PersistentVolume", "CustomResourceDefinition", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }  # fmt: skip
    for document in documents:
        metadata = document["metadata"]
        assert metadata.get("namespace") == (None if document["kind"] in scoped else "team"), document["kind"]
        assert metadata["labels"]["team"] == "ocr", document["kind"]
    for pod in (d["spec"]["template"]["metadata"] for d in documents if d["kind"] == "Deployment"):
        assert pod["labels"]["team"] == "ocr"


def test_what_the_release_gives_its_stages_is_what_the_operator_reads(offline: Any) -> None:
    for values in GOOD.values():
        operator = named(
            render(offline, *values),
            "Deployment",
            "operator" if "fullnameOverride=reader" not in values else "reader",
        )
        environment = {
            e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        Settings.from_environment(environment | {"OCR_STATUS_REPORT_URL": ""})
    given = StagePods.parse(environment["OCR_STAGE_PODS"], "OCR_STAGE_PODS")
    assert given.resources.gpus == 0 and given.resources.cpu == "500m" and given.limit_cpu
    assert given.scheduling.queue_name == "ocr" and given.labels["team"] == "ocr"
    assert given.env == [{"name": "NO_ALBUMENTATIONS_UPDATE", "value": "1"}]


def test_an_operator_without_the_chart_has_the_charts_defaults(offline: Any) -> None:
    operator = named(render(offline), "Deployment", "operator")
    environment = {
        e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    given = StagePods.parse(environment["OCR_STAGE_PODS"], "OCR_STAGE_PODS")
    assert given.model_copy(update={"labels": {}}) == StagePods()
    assert environment["OCR_GPU_RESOURCE"] == Settings.gpu_resource


def together(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The terms that keep it on others' node."""
    affinity = pod.get("affinity", {}).get("podAffinity", {})
    terms: list[dict[str, Any]] = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    return terms


def test_pods_that_mount_a_volume_of_one_node_go_to_one_node(offline: Any) -> None:
    for values, one in ((["storage.accessModes={ReadWriteOnce}"], True), ([], False)):
        documents = render(offline, *values)
        facade = named(documents, "Deployment", "-api")["spec"]["template"]
        operator = named(documents, "Deployment", "operator")["spec"]["template"]["spec"]
        (text,) = (e["value"] for e in operator["containers"][0]["env"] if e["name"] == "OCR_STAGE_PODS")
        stage = StagePods.parse(text, "OCR_STAGE_PODS")
        assert not together(operator), "the operator mounts no volume"
        for terms, labels in (
            (together(facade["spec"]), facade["metadata"]["labels"]),
            (together({"affinity": stage.affinity}), stage.labels),
        ):
            assert len(terms) == one
            for term in terms:
                assert term["topologyKey"] == "kubernetes.io/hostname"
                # Its own term matches the pod itself: so the first may go anywhere.
                assert term["labelSelector"]["matchLabels"].items() <= labels.items()


def test_ones_own_affinity_stays_beside_that_of_the_volume(offline: Any) -> None:
    own = "api.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=zone"
    facade = named(render(offline, own, "storage.accessModes={ReadWriteOnce}"), "Deployment", "-api")
    keys = [term["topologyKey"] for term in together(facade["spec"]["template"]["spec"])]
    assert keys == ["zone", "kubernetes.io/hostname"]


def test_a_spread_without_a_selector_means_the_parts_own_pods(offline: Any) -> None:
    operator = named(render(offline, *GOOD["several operators"]), "Deployment", "operator")
    (spread,) = operator["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == operator["spec"]["selector"]


def test_only_what_runs_more_than_once_has_a_disruption_budget(offline: Any) -> None:
    def budgets(*values: str) -> list[str]:
        documents = render(offline, *values)
        return [d["metadata"]["name"] for d in documents if d["kind"] == "PodDisruptionBudget"]

    assert budgets() == []
    assert budgets("api.replicas=2") == ["ocr-ocr-operator-api"]
    assert budgets("api.autoscaling.enabled=true") == ["ocr-ocr-operator-api"]
    assert budgets("operator.replicas=2") == ["ocr-ocr-operator"]
    assert budgets("operator.replicas=2", "operator.podDisruptionBudget.enabled=false") == []


def test_an_autoscaler_alone_says_how_many_facades_there_are(offline: Any) -> None:
    documents = render(offline, "api.autoscaling.enabled=true", "api.replicas=7")
    facade = named(documents, "Deployment", "-api")
    scaler = named(documents, "HorizontalPodAutoscaler", "-api")
    assert "replicas" not in facade["spec"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == facade["metadata"]["name"]


def policy(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = named(documents, "NetworkPolicy", name)["spec"]
    return found


def test_a_trainer_reaches_the_api_server_and_is_reached_by_nobody(offline: Any) -> None:
    documents = render(
        offline, "networkPolicy.apiServer.cidrs={10.0.0.1/32}", "networkPolicy.apiServer.ports={8443}"
    )
    trainer = policy(documents, "-trainer")
    assert trainer["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in trainer
    assert trainer["egress"] == [
        {"ports": [{"port": 8443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
    ]
    operator = named(documents, "Deployment", "operator")["spec"]["template"]["spec"]
    (text,) = (e["value"] for e in operator["containers"][0]["env"] if e["name"] == "OCR_STAGE_PODS")
    labels = {"app.kubernetes.io/name": "ocr-trainer", **StagePods.parse(text, "OCR_STAGE_PODS").labels}
    assert trainer["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("url", "egress"),
    [
        ("https://platform.example/told", {"ports": [{"port": 443, "protocol": "TCP"}]}),
        ("http://platform.example/told", {"ports": [{"port": 80, "protocol": "TCP"}]}),
        ("https://platform.example:8443/told", {"ports": [{"port": 8443, "protocol": "TCP"}]}),
        ("http://10.1.2.3:9000", {"ports": [{"port": 9000, "protocol": "TCP"}]}),
        ("http://[fd00::1]:9000/x", {"ports": [{"port": 9000, "protocol": "TCP"}]}),
        # A Service's port may be another than its pods', and theirs counts.
        ("http://broker.events.svc/told", {"to": [{"namespaceSelector": {}}]}),
        ("http://broker.events.svc.cluster.local:8080/told", {"to": [{"namespaceSelector": {}}]}),
        ("http://broker/told", {"to": [{"namespaceSelector": {}}]}),
    ],
)
def test_an_operator_reaches_where_it_reports_to(offline: Any, url: str, egress: dict[str, Any]) -> None:
    rules = policy(render(offline, f"cloudEvents.url={url}"), "operator")["egress"]
    assert rules[2:] == [egress]
    assert len(policy(render(offline), "operator")["egress"]) == 2, "the API server and DNS"


def test_callers_that_are_named_are_the_only_ones(offline: Any) -> None:
    (everybody,) = policy(render(offline), "-api")["ingress"]
    assert "from" not in everybody
    documents = render(offline, *GOOD["a narrow network"])
    callers, scrapers = policy(documents, "-api")["ingress"]
    assert callers["from"][0] == {"namespaceSelector": {"matchLabels": {"name": "annotate"}}}
    assert scrapers["from"] == [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    (probes,) = policy(documents, "operator")["ingress"]
    assert probes["from"] == scrapers["from"]
    assert policy(documents, "operator")["egress"][-1] == {"ports": [{"port": 3128}]}


def test_a_digest_stands_before_a_tag_and_a_mirror_before_both(offline: Any) -> None:
    values = [*GOOD["images of a mirror by digest"], "image.api.tag=v7"]
    images = {c["image"] for pod in pods(render(offline, *values)) for c in pod["containers"]}
    mirror = "mirror.example:5000/ocr"
    assert images == {f"{mirror}/ocr-operator@sha256:{'a' * 64}", f"{mirror}/ocr-api@sha256:{'b' * 64}"}


def test_a_claim_that_is_to_go_with_the_release_goes(offline: Any) -> None:
    def kept(*values: str) -> list[bool]:
        kinds = ("PersistentVolumeClaim", "PersistentVolume")
        found = [d for d in render(offline, *values) if d["kind"] in kinds]
        return ["annotations" in d["metadata"] for d in found]

    assert kept() == [True] and kept("storage.hostPath=/srv") == [True, True]
    assert kept("storage.keep=false") == [False]
    assert kept("storage.hostPath=/srv", "storage.keep=false") == [False, False]


def test_notes_warn_where_nobody_is_asked_for_a_token(shell: Any, offline: Any) -> None:
    def notes(*values: str) -> str:
        given = settings(["crds.install=false", *values])
        text: str = shell.helm("install", "ocr", str(CHART), "--dry-run=client", *given)
        return text[text.index("NOTES:") :]

    assert "WARNING: the facade asks nobody who they are" in notes()
    assert "open to the outside" in notes(*GOOD["an ingress"])
    said = notes("api.token.secretName=callers")
    assert "WARNING" not in said and "get secret callers -o jsonpath" in said
    assert "networkPolicy.apiServer.cidrs is empty" in notes()
    assert "networkPolicy.apiServer.cidrs" not in notes("networkPolicy.apiServer.cidrs={10.0.0.1/32}")
