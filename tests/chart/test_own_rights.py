"""Operator, facade and trainer as processes with no more than what the chart grants their service accounts.

Each makes every kind of call that it may ever make, and the API server's audit log says which these
were: what is granted and never called is a right too many.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit_log import grants_of
from facade_process import Cluster, serve
from kubernetes import client
from ocr_contract.names import run_hash
from ocr_contract.resource import GROUP, PLURAL
from ocr_contract.resource_schema import OPENAPI_PATH
from ocr_contract.spec import OcrProjectSpec, Train
from ocr_contract.stages import Stage
from ocr_operator.manifests import StageJob, build_job
from ocr_operator.settings import Settings
from operator_world import Operator, World, eventually, http_client

FINALIZE = f"update {PLURAL}.{GROUP}/finalizers"
"""No call of anybody's: admission asks for it where a Job blocks its project's deletion."""
NODE = "silent"


@pytest.fixture
def world(audited: Any) -> Iterator[World]:
    """Its namespace as an administrator sees it."""
    with http_client(audited.shell.kubeconfig) as http:
        yield World(http, audited.namespace)


def check_calls(audited: Any, part: str) -> None:
    """The part has called all that its Role grants, nothing else, and nothing was refused."""
    user = audited.user(part)
    granted = grants_of(audited.get("role", audited.account(part)))
    deadline = time.monotonic() + 10  # the log's last line may come a moment after the answer
    while (called := audited.audit_log.calls_in_words_of(granted, user)) != granted - {FINALIZE}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert called == granted - {FINALIZE}
    assert audited.audit_log.refusals(user) == set()


def test_the_facade_calls_all_that_it_may_and_nothing_else(audited: Any, tmp_path: Path) -> None:
    kubeconfig = audited.shell_of(audited.account("-api"), tmp_path).kubeconfig
    (tmp_path / "volume").mkdir()
    with serve(Cluster(kubeconfig, client.ApiClient()), audited.namespace, tmp_path / "volume") as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "the facade may watch")
        for path in ("/train/start", "/train/start", "/train/stop", "/train/start", "/status"):
            answer = http.get(path, params={"projectID": "Own rights", "trainID": "r1"}).json()
            assert answer["code"] == 0, answer
        project = "/api/v1/projects/Own rights"
        assert http.patch(project, json={"spec": {"resources": {"gpus": 2}}}).status_code == 200
        assert http.get(f"{project}/events").json() == {"items": []}
        assert http.delete(project).status_code == 204
    check_calls(audited, "-api")
    assert audited.audit_log.urls(audited.user("-api")) == {OPENAPI_PATH}


REPORT = """
from ocr_trainer.api_client import StatusApplier
StatusApplier({namespace!r}, "reported", "detection")({{"detection": {{"epoch": 3}}}})
"""


def test_the_trainer_calls_all_that_it_may_and_nothing_else(
    audited: Any, world: World, tmp_path: Path
) -> None:
    world.create("reported", train={"id": "r1", "suspend": True}).raise_for_status()
    environment = audited.shell_of(audited.account("-trainer"), tmp_path).environment
    script = REPORT.format(namespace=audited.namespace)
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert world.status("reported")["trainer"]["detection"] == {"epoch": 3}
    world.delete("reported")
    check_calls(audited, "-trainer")
    assert audited.audit_log.urls(audited.user("-trainer")) == set()


class Replica(Operator):
    """The operator with its Deployment's own settings and its own token."""

    def __init__(self, audited: Any, folder: Path, name: str) -> None:
        pod = audited.get("deployment", "ocr-ocr-operator")["spec"]["template"]["spec"]
        settings = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
        kubeconfig = audited.shell_of(audited.account(""), folder).kubeconfig
        settings |= {"OCR_HEALTH_PORT": "0"}
        super().__init__(kubeconfig, audited.namespace, folder / f"{name}.log", **settings)

    def __enter__(self) -> "Replica":
        self.start()
        self.until_started()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert "forbidden" not in self.log.lower(), self.log


def test_without_the_right_to_finalize_projects_the_operator_could_make_no_job(
    audited: Any, world: World, tmp_path: Path
) -> None:
    role = audited.get("role", audited.account(""))
    lesser = {
        "apiVersion": role["apiVersion"], "kind": "Role", "metadata": {"name": "lesser"},
        "rules": [rule for rule in role["rules"] if f"{PLURAL}/finalizers" not in rule["resources"]],
    }  # fmt: skip
    assert grants_of(role) - grants_of(lesser) == {FINALIZE}
    audited.kubectl("create", "-f", "-", stdin=json.dumps(lesser))
    account = f"{audited.namespace}:lesser"
    audited.kubectl("create", "serviceaccount", "lesser")
    audited.kubectl("create", "rolebinding", "lesser", "--role=lesser", f"--serviceaccount={account}")
    world.create("owner", train={"id": "r1", "suspend": True}).raise_for_status()
    uid = world.get("owner")["metadata"]["uid"]
    job = StageJob(audited.namespace, "owner", uid, "owner", "abc123", Stage.PREPARE, 0, Train(id="r1"))
    settings = Settings(namespace=audited.namespace, trainer_image="trainer:test", volume_claim="data")
    manifest = json.dumps(build_job(job, OcrProjectSpec(), settings))
    create = ("create", "--dry-run=server", "--validate=false", "-f", "-")

    said = audited.shell_of("lesser", tmp_path).kubectl(*create, stdin=manifest, fails=True)
    assert "cannot set blockOwnerDeletion" in said and "can't set finalizers on" in said
    assert "created" in audited.kubectl(*create, f"--as={audited.user('')}", stdin=manifest)
    refusals = eventually(
        lambda: audited.audit_log.refusals(f"system:serviceaccount:{account}"), "the log tells of it"
    )
    assert [refusal.split(":")[0] for refusal in refusals] == [f"create jobs.batch {job.job_name}"]


def test_the_operator_calls_all_that_it_may_and_nothing_else(
    audited: Any, world: World, tmp_path: Path
) -> None:
    run = run_hash("r1", 0)
    pod_spec = {"restartPolicy": "Never", "containers": [{"name": "none", "image": "none"}]}
    squatter = {"metadata": {"name": f"taken-{run}-prepare-0"},
                "spec": {"suspend": True, "template": {"spec": pod_spec}}}  # fmt: skip
    world.http.post(world.jobs_path, json=squatter).raise_for_status()
    world.http.post("/api/v1/nodes", json={"metadata": {"name": NODE}}).raise_for_status()
    with contextlib.ExitStack() as replicas:
        first = replicas.enter_context(Replica(audited, tmp_path, "first"))
        world.create("taken", train={"id": "r1"})
        world.create("operated", train={"id": "r1"}, limits={"nodeLostSeconds": 30, "stallSeconds": 1})
        world.until_condition("taken", "Waiting", "NameTaken")  # the Job that is there is read
        # The namespace enforces Pod Security "restricted", and the stage's pod is let in.
        pod = world.start_pod("operated", "prepare", node=NODE)
        container = next(iter(world.jobs("operated").values()))["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == "ocr-trainer:0.2.0" and container["args"] == ["stage", "prepare"]
        world.until_condition("operated", "ProgressStalled")  # the project is read before it is called silent
        world.delete_pod(pod, grace_seconds=1)
        replicas.enter_context(Replica(audited, tmp_path, "second"))
        first.stop()
        world.until_pod_gone(pod)  # declared failed, and deleted by force
        world.edit("operated", train={"suspend": True})
        world.until_condition("operated", "Suspended")
        eventually(lambda: not world.jobs("operated"), "the Job is deleted")
        world.until_events("operated", "JobCreated", "PodDeletedByForce")
    world.http.delete(f"/api/v1/nodes/{NODE}").raise_for_status()
    check_calls(audited, "")
    urls = audited.audit_log.urls(audited.user("")) - {OPENAPI_PATH}
    assert urls and all(url.startswith("/api") for url in urls), "it asks what is served, and no more"


def test_a_quota_that_counts_everything_lets_operator_and_facade_in(audited: Any) -> None:
    """The stages' pods, too: the test before waits for one."""
    eventually(
        lambda: (
            {
                pod["metadata"]["labels"]["app.kubernetes.io/component"]
                for pod in audited.get("pods", "-l", "app.kubernetes.io/instance=ocr")["items"]
                if "app.kubernetes.io/component" in pod["metadata"]["labels"]
            }
            == {"operator", "api"}
        ),
        "the quota keeps pods out",
    )
