"""The Job of a stage, whole: what changes here changes every pod of every user."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ocr_contract.spec import OcrProjectSpec
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_operator.errors import BadSettings
from ocr_operator.manifests import StageJob, build_job
from ocr_operator.settings import Settings
from ocr_operator.stage_pods import StagePods

SETTINGS = Settings(
    namespace="ocr",
    trainer_image="registry/trainer:1",
    volume_claim="data",
    trainer_service_account="trainer",
    gpu_resource="amd.com/gpu",
)
SPEC: dict[str, Any] = {
    "train": {"id": "2026-11-25"},
    "resources": {"gpus": 2, "cpu": "8", "memory": "32Gi", "sharedMemory": "4Gi"},
    "scheduling": {
        "queueName": "team-a",
        "priorityClassName": "low",
        "nodeSelector": {"zone": "b"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    },
    "limits": {"retries": 2, "activeDeadlineSeconds": 3600},
}


def build(
    stage: Stage, spec: dict[str, Any] = SPEC, *, settings: Settings = SETTINGS, **job: Any
) -> dict[str, Any]:
    parsed = OcrProjectSpec.model_validate(spec)
    assert parsed.train is not None
    values = {"train": parsed.train, "test": None} | job
    identity = StageJob("ocr", "receipts", "uid-1", "Receipts", "abc123", stage, 1, **values)
    return build_job(identity, parsed, settings)


def of_release(stage: Stage, spec: dict[str, Any], **pods: Any) -> dict[str, Any]:
    """The Job under a release that gives its stages' pods this."""
    return build(stage, spec, settings=replace(SETTINGS, stage_pods=StagePods.model_validate(pods)))


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


def container(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return found


LABELS = {
    "app.kubernetes.io/name": "ocr-trainer",
    "app.kubernetes.io/managed-by": "ocr-operator",
    "ocrproject.dev/project": "receipts",
    "ocrproject.dev/run": "abc123",
    "ocrproject.dev/stage": "detection",
    "ocrproject.dev/attempt": "1",
}
ANNOTATIONS = {"ocrproject.dev/project-id": "Receipts", "ocrproject.dev/run-id": "2026-11-25"}


def test_the_whole_job() -> None:
    job = build(Stage.DETECTION)
    stage_input = container(job)["env"][0].pop("value")
    assert StageInput.model_validate_json(stage_input) == StageInput(
        namespace="ocr",
        name="receipts",
        project_id="Receipts",
        train=OcrProjectSpec.model_validate(SPEC).train,
        gpus=2,
    )
    assert job == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "receipts-abc123-detection-1",
            "namespace": "ocr",
            "labels": LABELS | {"kueue.x-k8s.io/queue-name": "team-a"},
            "annotations": ANNOTATIONS,
            "ownerReferences": [
                {
                    "apiVersion": "ocrproject.dev/v1alpha1",
                    "kind": "OcrProject",
                    "name": "receipts",
                    "uid": "uid-1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "backoffLimit": 2,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": "trainer",
                            "operator": "In",
                            "values": [64, 65, 78],
                        },
                    },
                    {
                        "action": "Ignore",
                        "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [75]},
                    },
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": 604800,
            "activeDeadlineSeconds": 3600,
            "template": {
                "metadata": {"labels": LABELS, "annotations": ANNOTATIONS},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": "trainer",
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 120,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 1000,
                        "runAsGroup": 1000,
                        "fsGroup": 1000,
                        "fsGroupChangePolicy": "OnRootMismatch",
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "priorityClassName": "low",
                    "nodeSelector": {"zone": "b"},
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "containers": [
                        {
                            "name": "trainer",
                            "image": "registry/trainer:1",
                            "imagePullPolicy": "IfNotPresent",
                            "args": ["stage", "detection"],
                            "env": [
                                {"name": "OCR_STAGE_INPUT"},
                                {
                                    "name": "OCR_POD_UID",
                                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}},
                                },
                                {"name": "HOME", "value": "/tmp"},
                            ],
                            "resources": {
                                "requests": {"cpu": "8", "memory": "32Gi", "amd.com/gpu": "2"},
                                "limits": {"memory": "32Gi", "amd.com/gpu": "2"},
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "terminationMessagePath": "/dev/termination-log",
                            "volumeMounts": [
                                {
                                    "name": "data",
                                    "mountPath": "/data/run",
                                    "subPath": "train/Receipts/2026-11-25",
                                },
                                {"name": "dshm", "mountPath": "/dev/shm"},
                                {"name": "tmp", "mountPath": "/tmp"},
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                        {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}},
                        {"name": "tmp", "emptyDir": {}},
                    ],
                },
            },
        },
    }


@pytest.mark.parametrize(
    ("stage", "gpus", "asked"),
    [
        (Stage.PREPARE, 2, None),
        (Stage.DETECTION, 2, "2"),
        (Stage.RECOGNITION, 2, "2"),
        (Stage.PACKAGE, 2, None),
        (Stage.TEST, 2, "2"),
        (Stage.DETECTION, 0, None),
    ],
)
def test_only_stages_that_use_a_gpu_ask_for_one(stage: Stage, gpus: int, asked: str | None) -> None:
    job = build(stage, SPEC | {"resources": {"gpus": gpus}})
    resources = container(job)["resources"]
    assert resources["limits"].get("amd.com/gpu") == resources["requests"].get("amd.com/gpu") == asked
    document = json.loads(container(job)["env"][0]["value"])
    assert document["gpus"] == int(asked or 0)


def test_what_is_not_asked_for_is_not_in_the_manifest() -> None:
    job = build(Stage.PREPARE, {"train": {"id": "r"}})
    pod = job["spec"]["template"]["spec"]
    assert not {"priorityClassName", "nodeSelector", "tolerations"} & set(pod)
    assert "activeDeadlineSeconds" not in job["spec"]
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]


def test_a_dollar_in_the_settings_reaches_the_trainer_as_it_is() -> None:
    """The kubelet would expand $(HOME); it turns $$ back into $."""
    overrides = {"work_dir": "$(HOME)/x", "price": "$$5"}
    job = build(Stage.DETECTION, {"train": {"id": "r", "detection": {"overrides": overrides}}})
    value = container(job)["env"][0]["value"]
    assert "$(HOME)" not in value.replace("$$", "")
    received = StageInput.model_validate_json(value.replace("$$", "$"))
    assert received.train.detection.overrides == overrides


@pytest.mark.parametrize(
    ("stage", "mounted"),
    [
        (Stage.PREPARE, "train/Receipts/2026-10-01"),
        (Stage.DETECTION, "models/latin"),
        (Stage.RECOGNITION, "train/Receipts/2026-10-01"),
        (Stage.PACKAGE, None),
    ],
)
def test_a_stage_sees_the_weights_it_starts_from_and_cannot_write_them(
    stage: Stage, mounted: str | None
) -> None:
    train = {
        "id": "2026-11-25",
        "detection": {"initFrom": "models/latin/best.pth"},
        "recognition": {"initFrom": "2026-10-01"},
    }
    mounts = container(build(stage, SPEC | {"train": train}))["volumeMounts"]
    init = [mount for mount in mounts if mount["mountPath"] == "/data/init"]
    expected = {"name": "data", "mountPath": "/data/init", "subPath": mounted, "readOnly": True}
    assert init == ([expected] if mounted else [])


QUIET = {"train": {"id": "r1"}}
"""A project that asks for nothing."""
FLAVOUR = {
    "resources": {"gpus": 4, "cpu": "16", "memory": "64Gi", "sharedMemory": "8Gi"},
    "scheduling": {
        "queueName": "everybody", "priorityClassName": "usual", "nodeSelector": {"pool": "ocr"},
        "tolerations": [{"key": "team", "operator": "Exists"}],
    },
}  # fmt: skip


def test_a_project_that_asks_for_nothing_gets_what_the_release_gives() -> None:
    job = of_release(Stage.DETECTION, QUIET, **FLAVOUR)
    pod = pod_of(job)
    requests = container(job)["resources"]["requests"]
    assert requests == {"cpu": "16", "memory": "64Gi", "amd.com/gpu": "4"}
    assert pod["volumes"][1]["emptyDir"]["sizeLimit"] == "8Gi"
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "everybody"
    assert pod["priorityClassName"] == "usual" and pod["nodeSelector"] == {"pool": "ocr"}
    assert pod["tolerations"] == [{"key": "team", "operator": "Exists"}]
    assert StageInput.model_validate_json(container(job)["env"][0]["value"]).gpus == 4


@pytest.mark.parametrize("field", ["gpus", "cpu", "memory", "sharedMemory"])
def test_what_a_project_asks_for_stands_before_the_release_field_by_field(field: str) -> None:
    own: dict[str, Any] = {"gpus": 0, "cpu": "1", "memory": "3Gi", "sharedMemory": "1Gi"}
    job = of_release(Stage.DETECTION, QUIET | {"resources": {field: own[field]}}, **FLAVOUR)
    requests = container(job)["resources"]["requests"]
    found = {
        "gpus": int(requests.get("amd.com/gpu", 0)), "cpu": requests["cpu"], "memory": requests["memory"],
        "sharedMemory": pod_of(job)["volumes"][1]["emptyDir"]["sizeLimit"],
    }  # fmt: skip
    assert found == FLAVOUR["resources"] | {field: own[field]}


def test_a_project_can_stay_out_of_what_the_release_says() -> None:
    nothing = {"queueName": "", "priorityClassName": "", "nodeSelector": {}, "tolerations": []}
    job = of_release(Stage.DETECTION, QUIET | {"scheduling": nothing}, **FLAVOUR)
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]
    assert not {"priorityClassName", "nodeSelector", "tolerations"} & pod_of(job).keys()


GPU_NODES = {
    "nodeSelector": {"gpu": "h100"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "runtimeClassName": "nvidia",
}  # fmt: skip


@pytest.mark.parametrize("stage", list(Stage))
def test_only_pods_with_gpus_go_where_the_gpus_are(stage: Stage) -> None:
    spec = QUIET | {"scheduling": {"nodeSelector": {"zone": "b"}, "tolerations": [{"key": "own"}]}}
    pod = pod_of(of_release(stage, spec, gpu=GPU_NODES))
    trains = stage in (Stage.DETECTION, Stage.RECOGNITION, Stage.TEST)
    assert pod.get("runtimeClassName") == ("nvidia" if trains else None)
    assert pod["nodeSelector"] == ({"gpu": "h100", "zone": "b"} if trains else {"zone": "b"})
    assert pod["tolerations"] == [{"key": "own"}, *(GPU_NODES["tolerations"] if trains else [])]
    without = pod_of(of_release(stage, spec | {"resources": {"gpus": 0}}, gpu=GPU_NODES))
    assert "runtimeClassName" not in without and without["nodeSelector"] == {"zone": "b"}


def test_a_release_adds_labels_annotations_affinity_and_environment_but_changes_none_of_ours() -> None:
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host"}]}}
    job = of_release(
        Stage.PREPARE, QUIET, labels={"team": "ocr", "ocrproject.dev/stage": "other"}, affinity=affinity,
        annotations={"cost": "7"}, env=[{"name": "HTTP_PROXY", "value": "http://proxy:3128"}],
    )  # fmt: skip
    template = job["spec"]["template"]["metadata"]
    assert template["labels"] == LABELS | {"team": "ocr", "ocrproject.dev/stage": "prepare"}
    assert template["annotations"]["cost"] == "7" and "team" not in job["metadata"]["labels"]
    assert pod_of(job)["affinity"] == affinity
    assert container(job)["env"][-1] == {"name": "HTTP_PROXY", "value": "http://proxy:3128"}
    assert container(job)["env"][0]["name"] == "OCR_STAGE_INPUT"


def test_a_cluster_that_chooses_users_is_let_choose() -> None:
    security = pod_of(of_release(Stage.PREPARE, QUIET, runAsUser=None))["securityContext"]
    assert security["runAsNonRoot"] and not {"runAsUser", "runAsGroup", "fsGroup"} & security.keys()
    given = pod_of(of_release(Stage.PREPARE, QUIET, runAsUser=7))["securityContext"]
    assert given["runAsUser"] == given["runAsGroup"] == given["fsGroup"] == 7


def test_cpu_is_limited_where_a_quota_counts_limits() -> None:
    assert "cpu" not in container(of_release(Stage.PREPARE, QUIET))["resources"]["limits"]
    limited = container(of_release(Stage.PREPARE, QUIET, limitCPU=True))["resources"]
    assert limited["limits"]["cpu"] == limited["requests"]["cpu"] == "4"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "OCR_STAGE_PODS"),
        ('{"resources": {"gpu": 1}}', "resources.gpu"),
        ('{"resources": {"gpus": -1}}', "resources.gpus"),
        ('{"gpu": {"nodeSelector": {"a": 1}}}', "gpu.nodeSelector.a"),
        ('{"labels": []}', "labels"),
    ],
)
def test_a_wrong_document_is_refused_by_its_field(text: str, named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        StagePods.parse(text, "OCR_STAGE_PODS")
