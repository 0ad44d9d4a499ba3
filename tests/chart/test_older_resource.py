"""Where the resource is older than the programs, they say so, do no harm, and go on once it is upgraded.

On a control plane of its own, for it changes the resource that all other tests share. Both programs hold no
more than what the chart grants their service accounts.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from facade_process import Cluster, serve
from kubernetes import client
from ocr_cluster.control_plane import BINARIES, ControlPlane
from ocr_contract.resource_schema import OPENAPI_PATH
from operator_probe import ProbedOperator
from operator_world import CRD, World, eventually, http_client, install_crd

CHART = Path(__file__).resolve().parents[2] / "charts/ocr-operator"
ACCOUNT = "ocr-ocr-operator"
SECONDS = 60.0
"""An upgrade is noticed by the next look; where owners are checked, Jobs wait half a minute more."""


def older() -> dict[str, Any]:
    """The resource before there were gates and GPU times of runs."""
    document: dict[str, Any] = yaml.safe_load(CRD.read_text())
    schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del schema["status"]["properties"]["runs"]["items"]["properties"]["gpuSeconds"]
    spec = schema["spec"]
    del spec["properties"]["gates"]
    spec["x-kubernetes-validations"] = [
        rule for rule in spec["x-kubernetes-validations"] if "gates" not in rule["rule"]
    ]
    return document


@dataclass(frozen=True)
class Released:
    """The chart's release in namespace default, less the resource."""

    shell: Any
    world: World
    folder: Path

    def kubeconfig(self, account: str) -> Path:
        """With a token of the service account."""
        document = yaml.safe_load(self.shell.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": self.shell.kubectl("create", "token", account).strip()}
        path = self.folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path

    @contextmanager
    def programs(self) -> Iterator[tuple[ProbedOperator, httpx.Client]]:
        """Operator and facade, each with its own rights."""
        (self.folder / "volume").mkdir()
        facade = Cluster(self.kubeconfig(f"{ACCOUNT}-api"), client.ApiClient())
        with (
            ProbedOperator(
                self.kubeconfig(ACCOUNT), "default", self.folder / "operator.log", OCR_LEASE_NAME=ACCOUNT
            ) as operator,
            serve(facade, "default", self.folder / "volume") as http,
        ):
            yield operator, http

    @property
    def facade_log(self) -> str:
        (log,) = self.folder.glob("default-*.log")
        return log.read_text()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("older-resource")) as plane:
        yield plane


@pytest.fixture(scope="module")
def release(plane: ControlPlane, offline: Any) -> Iterator[tuple[Any, World]]:
    """helm and kubectl, and the chart installed where nobody has installed the resource."""
    shell = replace(offline, kubeconfig=plane.kubeconfig)
    shell.helm("install", "ocr", str(CHART), "--set", "crds.install=false")
    with http_client(plane.kubeconfig) as http:
        yield shell, World(http, "default")


@pytest.fixture
def released(release: tuple[Any, World], tmp_path: Path) -> Released:
    shell, world = release
    shell.kubectl("delete", "crd", "ocrprojects.ocrproject.dev", "--ignore-not-found")
    shell.kubectl("delete", "lease", "--all")  # a killed one's would have to run out first
    return Released(shell, world, tmp_path)


def do_what_it_says(released: Released, said: str) -> None:
    """Run the command as a person would, with helm and kubectl in the PATH."""
    tools = released.folder / "bin"
    tools.mkdir()
    for name, command in (("helm", BINARIES / "helm"), ("kubectl", f"{BINARIES / 'hyper'} kubectl")):
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)
    command = said.partition("Upgrade it: ")[2].replace("RELEASE", "ocr").replace("CHART", str(CHART))
    released.shell.run("env", f"PATH={tools}:{os.environ['PATH']}", "sh", "-c", command)


def test_an_older_resource_is_told_and_nothing_done_until_it_is_upgraded(released: Released) -> None:
    world = released.world
    with released.programs() as (operator, facade):

        def say(what: str) -> bool:
            answers = (
                operator.probe("/readyz"),
                (facade.get("/readyz").status_code, facade.get("/readyz").text),
            )
            return all(status == 503 and re.search(what, text) for status, text in answers)

        eventually(lambda: say("the API server does not serve OcrProjects yet"), "the resource is missing")

        install_crd(world.http, older())
        lacking = (
            "older than this (operator|facade): it lacks spec.gates, status.runs\\[\\].gpuSeconds. Upgrade"
        )
        eventually(lambda: say(lacking), "the resource is older")
        world.create("receipts", train={"id": "r1"}, gates={"minHmean": 0.5}).raise_for_status()
        assert "gates" not in world.get("receipts")["spec"], "this is what is lost"
        eventually(lambda: facade.get("/status?projectID=receipts").status_code == 200, "it answers still")
        gates = facade.patch("/api/v1/projects/receipts", json={"spec": {"gates": {"minHmean": 0.5}}})
        assert gates.status_code == 400 and "gates" in gates.json()["detail"], "and says what it can't do"

        leases = world.http.get("/apis/coordination.k8s.io/v1/namespaces/default/leases").json()["items"]
        assert not leases and not world.jobs("receipts"), "it neither leads nor acts"
        assert operator.probe("/healthz") == (200, "ok") and facade.get("/healthz").status_code == 200

        _, said = operator.probe("/readyz")
        do_what_it_says(released, said)
        eventually(lambda: facade.get("/readyz").status_code == 200, "the facade is ready", SECONDS)
        eventually(operator.leads, "the operator leads", SECONDS)
        eventually(lambda: world.jobs("receipts"), "it works", SECONDS)
        gates = facade.patch("/api/v1/projects/receipts", json={"spec": {"gates": {"minHmean": 0.5}}})
        assert gates.status_code == 200, gates.text
        for log in (operator.log, released.facade_log):
            assert log.count("it lacks spec.gates") == 1, log
            refused = [line for line in log.splitlines() if "forbidden" in line.lower()]
            assert all("cannot find RESTMapping" in line for line in refused), log


def test_where_the_description_is_not_shown_they_go_on_unchecked(released: Released) -> None:
    world = released.world
    install_crd(world.http)
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:discovery"
    before = world.http.get(role).json()
    rules = [
        {**rule, "nonResourceURLs": [url for url in rule["nonResourceURLs"] if "openapi" not in url]}
        for rule in before["rules"]
    ]
    world.http.put(role, json={**before, "rules": rules}).raise_for_status()
    try:
        account = {"Impersonate-User": f"system:serviceaccount:default:{ACCOUNT}"}
        eventually(lambda: world.http.get(OPENAPI_PATH, headers=account).status_code == 403, "it is hidden")
        with released.programs() as (operator, facade):
            eventually(operator.leads, "the operator leads")
            eventually(lambda: facade.get("/readyz").status_code == 200, "the facade is ready")
            for log in (operator.log, released.facade_log):
                assert log.count("Going on without knowing whether OcrProjects have every field") == 1, log
    finally:
        world.http.patch(
            role, json={"rules": before["rules"]}, headers={"Content-Type": "application/merge-patch+json"}
        )
