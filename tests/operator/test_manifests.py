"""The Job of a stage, whole: what changes here changes every pod of every user."""

import json
from typing import Any

import pytest

from ocr_contract.spec import OcrProjectSpec
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_operator.manifests import StageJob, build_job
from ocr_operator.settings import Settings

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


def build(stage: Stage, spec: dict[str, Any] = SPEC, **job: Any) -> dict[str, Any]:
    parsed = OcrProjectSpec.model_validate(spec)
    assert parsed.train is not None
    values = {"train": parsed.train, "test": None} | job
    identity = StageJob("ocr", "receipts", "uid-1", "Receipts", "abc123", stage, 1, **values)
    return build_job(identity, parsed, SETTINGS)


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
