"""The Job of one attempt at a stage, built from values alone.

Every promise about a stage's pod stands here: what it may use, what it sees of the volume, how it is told
what to do, when it is retried, and that it passes Pod Security "restricted".
"""

from dataclasses import dataclass
from typing import Any

from ocr_contract import names
from ocr_contract.exit_codes import NEVER_RETRIED, ExitCode
from ocr_contract.resource import (
    ANNOTATION_PROJECT_ID,
    ANNOTATION_RUN_ID,
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_PROJECT,
    LABEL_RUN,
    LABEL_STAGE,
)
from ocr_contract.spec import OcrProjectSpec, Test, Train
from ocr_contract.stage_input import (
    INIT_MOUNT,
    POD_UID_VARIABLE,
    RUN_MOUNT,
    STAGE_INPUT_VARIABLE,
    TEST_MOUNT,
    StageInput,
)
from ocr_contract.stages import GPU_STAGES, Stage
from ocr_contract.volume import init_subpath, test_subpath, train_subpath
from ocr_operator.settings import Settings
from ocr_operator.stage_pods import GpuNodes, StageResources, StageScheduling

CONTAINER = "trainer"
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
TTL_SECONDS = 7 * 24 * 3600
"""How long a finished Job stays to be looked at: a week: a Friday's failure has its logs on Monday."""
GRACE_SECONDS = 120
"""Long enough to write a checkpoint."""


@dataclass(frozen=True)
class StageJob:
    """What distinguishes one Job from all others."""

    namespace: str
    name: str
    """The OcrProject's."""
    uid: str
    project_id: str
    run: str
    """Hash of the run or the test."""
    stage: Stage
    attempt: int
    train: Train
    """The run itself or, for a test of its own, the run whose model is tested."""
    test: Test | None = None

    @property
    def job_name(self) -> str:
        return names.job_name(self.name, self.run, self.stage, self.attempt)


def build_job(job: StageJob, spec: OcrProjectSpec, settings: Settings) -> dict[str, Any]:
    """The Job's whole manifest."""
    labels = _labels(job)
    pods = settings.stage_pods
    scheduling = pods.scheduling.under(spec.scheduling)
    queue = {LABEL_QUEUE: scheduling.queue_name} if scheduling.queue_name else {}
    annotations = {
        ANNOTATION_PROJECT_ID: job.project_id,
        ANNOTATION_RUN_ID: job.test.id if job.test else job.train.id,
    }
    manifest: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job.job_name,
            "namespace": job.namespace,
            "labels": {**labels, **queue},
            "annotations": annotations,
            "ownerReferences": [_owner_reference(job)],
        },
        "spec": {
            "backoffLimit": spec.limits.retries,
            "podFailurePolicy": _pod_failure_policy(),
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": TTL_SECONDS,
            "template": {
                "metadata": {
                    "labels": {**pods.labels, **labels},
                    "annotations": {**pods.annotations, **annotations},
                },
                "spec": _pod_spec(job, pods.resources.under(spec.resources), scheduling, settings),
            },
        },
    }
    if spec.limits.active_deadline_seconds is not None:
        manifest["spec"]["activeDeadlineSeconds"] = spec.limits.active_deadline_seconds
    return manifest


def _labels(job: StageJob) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "ocr-trainer",
        "app.kubernetes.io/managed-by": "ocr-operator",
        LABEL_PROJECT: job.name,
        LABEL_RUN: job.run,
        LABEL_STAGE: str(job.stage),
        LABEL_ATTEMPT: str(job.attempt),
    }


def _owner_reference(job: StageJob) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _pod_failure_policy() -> dict[str, Any]:
    def on_exit(action: str, codes: list[int]) -> dict[str, Any]:
        return {
            "action": action,
            "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": codes},
        }

    return {
        "rules": [
            on_exit("FailJob", [int(code) for code in NEVER_RETRIED]),
            on_exit("Ignore", [int(ExitCode.INTERRUPTED)]),
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }


def _pod_spec(
    job: StageJob, resources: StageResources, scheduling: StageScheduling, settings: Settings
) -> dict[str, Any]:
    gpus = resources.gpus if job.stage in GPU_STAGES else 0
    pods, nodes = settings.stage_pods, settings.stage_pods.gpu if gpus else GpuNodes()
    placement = {
        "priorityClassName": scheduling.priority_class_name,
        "runtimeClassName": nodes.runtime_class_name,
        "nodeSelector": {**nodes.node_selector, **scheduling.node_selector},
        "tolerations": [dict(toleration) for toleration in (*scheduling.tolerations, *nodes.tolerations)],
        "affinity": pods.affinity,
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": settings.trainer_service_account,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": _pod_security(pods.run_as_user),
        **{key: value for key, value in placement.items() if value},
        "containers": [_container(job, gpus, resources, settings)],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": settings.volume_claim}},
            {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": resources.shared_memory}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _pod_security(user: int | None) -> dict[str, Any]:
    chosen = {} if user is None else {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    return {
        "runAsNonRoot": True,
        **chosen,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(job: StageJob, gpus: int, resources: StageResources, settings: Settings) -> dict[str, Any]:
    gpu = {settings.gpu_resource: str(gpus)} if gpus else {}
    cpu = {"cpu": resources.cpu} if settings.stage_pods.limit_cpu else {}
    return {
        "name": CONTAINER,
        "image": settings.trainer_image,
        "imagePullPolicy": settings.trainer_image_pull_policy,
        "args": ["stage", str(job.stage)],
        "env": [
            {"name": STAGE_INPUT_VARIABLE, "value": _stage_input(job, gpus)},
            {"name": POD_UID_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "HOME", "value": "/tmp"},
            *settings.stage_pods.env,
        ],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory, **gpu},
            "limits": {**cpu, "memory": resources.memory, **gpu},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": "/dev/termination-log",
        "volumeMounts": [
            *_data_mounts(job),
            {"name": "dshm", "mountPath": "/dev/shm"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _stage_input(job: StageJob, gpus: int) -> str:
    document = StageInput(
        namespace=job.namespace,
        name=job.name,
        project_id=job.project_id,
        train=job.train,
        test=job.test,
        gpus=gpus,
    )
    # The kubelet expands $(NAME) in values and turns $$ back into $: doubled, the document arrives as it is.
    return document.model_dump_json().replace("$", "$$")


def _data_mounts(job: StageJob) -> list[dict[str, Any]]:
    run = {"name": "data", "mountPath": RUN_MOUNT, "subPath": train_subpath(job.project_id, job.train.id)}
    if job.test is None:
        return [run, *_init_mounts(job)]
    test = {"name": "data", "mountPath": TEST_MOUNT, "subPath": test_subpath(job.project_id, job.test.id)}
    return [{**run, "readOnly": True}, test]


def _init_mounts(job: StageJob) -> list[dict[str, Any]]:
    """Where a stage finds the weights it starts from; prepare looks for their dictionary there."""
    training = {
        Stage.PREPARE: job.train.recognition,
        Stage.DETECTION: job.train.detection,
        Stage.RECOGNITION: job.train.recognition,
    }.get(job.stage)
    if training is None or training.init_from is None:
        return []
    subpath = init_subpath(job.project_id, training.init_from)
    return [{"name": "data", "mountPath": INIT_MOUNT, "subPath": subpath, "readOnly": True}]
