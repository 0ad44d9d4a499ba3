"""The pod of `helm test`: what it may, what it is told, and that it finds the facade with DNS and without."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"
TEMPLATE = "templates/tests/selftest.yaml"


def render(offline: Any, *values: str, release: str = "ocr") -> dict[str, Any]:
    settings = [part for value in values for part in ("--set", value)]
    text = offline.helm("template", release, str(CHART), "-n", "team", *settings)
    (pod,) = (d for d in yaml.safe_load_all(text) if d and d["kind"] == "Pod")
    return pod


def test_it_is_run_by_helm_test_alone_and_its_log_can_be_read_afterwards(offline: Any) -> None:
    assert render(offline)["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation",
    }


def test_it_has_no_access_to_the_api_server_and_little_to_anything_else(offline: Any) -> None:
    spec = render(offline, "imagePullSecrets[0].name=pull")["spec"]
    assert spec["automountServiceAccountToken"] is False and "serviceAccountName" not in spec
    assert spec["restartPolicy"] == "Never" and spec["imagePullSecrets"] == [{"name": "pull"}]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["resources"]["requests"]["cpu"] and container["resources"]["limits"]["memory"]


@pytest.mark.parametrize(
    ("release", "variable"),
    [("ocr", "OCR_OCR_OPERATOR_API_PORT"), ("team-ocr-operator", "TEAM_OCR_OPERATOR_API_PORT")],
)
def test_it_finds_the_facade_by_what_kubernetes_tells_every_pod(
    offline: Any, release: str, variable: str
) -> None:
    spec = render(offline, release=release)["spec"]
    assert spec["enableServiceLinks"] is True
    assert f"--url=$({variable})" in spec["containers"][0]["args"]


def test_it_runs_the_facades_image_and_shares_its_volume_and_token(offline: Any) -> None:
    values = ["image.api.repository=r/a", "image.api.tag=v7", "storage.existingClaim=mine"]
    spec = render(offline, *values, "api.token.secretName=callers")["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "r/a:v7" and container["args"][0] == "selftest"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "mine"
    assert f"--volume={mounts['data']}" in container["args"]
    assert volumes["token"]["secret"]["secretName"] == "callers"
    assert f"--token-file={mounts['token']}/token" in container["args"]
    assert "token" not in json.dumps(render(offline)["spec"]).lower().replace("serviceaccounttoken", "")


def test_asked_to_end_it_hears_of_it_from_its_first_moment(offline: Any) -> None:
    """The first process of a namespace hears no signal that it has not asked for: not while Python starts."""
    spec = render(offline)["spec"]
    assert spec["shareProcessNamespace"] is True
    assert spec["terminationGracePeriodSeconds"] > 60, "it removes its project and its data"


def test_its_time_ends_before_helms_own_five_minutes(offline: Any) -> None:
    (told,) = (a for a in render(offline)["spec"]["containers"][0]["args"] if a.startswith("--timeout="))
    assert int(told.partition("=")[2]) < 300


def test_it_is_no_endpoint_of_the_facades_service(offline: Any) -> None:
    assert render(offline)["metadata"]["labels"]["app.kubernetes.io/component"] == "selftest"


def test_pod_security_restricted_lets_it_in(shell: Any, make_namespace: Callable[[], str]) -> None:
    namespace = make_namespace()
    text = shell.helm("template", "ocr", str(CHART), "-n", namespace, "--show-only", TEMPLATE)
    said = shell.kubectl("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=text)
    assert "created (server dry run)" in said and "Warning" not in said
