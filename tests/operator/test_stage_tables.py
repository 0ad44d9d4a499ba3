"""Every state of a stage met by everything that can happen to it: generated cases, the same promises for all.

A case is a status from before, a Job with its pods, and what is asked of the stage. Which states may follow
is said once per event.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from ocr_contract.resource import LABEL_ATTEMPT, LABEL_RUN, LABEL_STAGE
from ocr_contract.spec import Limits, OnStall
from ocr_contract.stages import GPU_STAGES, Stage
from ocr_contract.status import StageState, StageStatus
from ocr_operator.decision import Observed, Refusal
from ocr_operator.documents import is_being_deleted, is_finished, name_of
from ocr_operator.pods import is_over
from ocr_operator.stage_machine import StageContext, StageStep, Waiting, step_stage
from operator_play import START, container, timestamp

GPU = "nvidia.com/gpu"
NOW = START + timedelta(hours=2)
LIMITS = Limits(retries=2, startup_deadline_seconds=600, stall_seconds=900)
PENDING, RUNNING, SUSPENDED = StageState.PENDING, StageState.RUNNING, StageState.SUSPENDED
SUCCEEDED, FAILED = StageState.SUCCEEDED, StageState.FAILED
HELD = Waiting("TestRuns", "waits")

Document = dict[str, Any]


def ago(seconds: float) -> str:
    return timestamp(NOW - timedelta(seconds=seconds))


def make_job(stage: Stage, attempt: int, created: float = 100, **status: Any) -> Document:
    labels = {LABEL_RUN: "run", LABEL_STAGE: str(stage), LABEL_ATTEMPT: str(attempt)}
    name = f"p-run-{stage}-{attempt}"
    limits = {"limits": {GPU: "2"}} if stage in GPU_STAGES else {}
    pod = {"containers": [{"name": "trainer", "resources": limits}]}
    return {
        "metadata": {"name": name, "uid": name, "labels": labels, "creationTimestamp": ago(created)},
        "spec": {"template": {"spec": pod}},
        "status": status,
    }


def make_pod(job: Document, state: Document, phase: str, **status: Any) -> Document:
    return {
        "metadata": {
            "name": f"{name_of(job)}-x",
            "uid": f"{name_of(job)}-x",
            "creationTimestamp": job["metadata"]["creationTimestamp"],
            "labels": job["metadata"]["labels"],
            "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
        },
        "spec": job["spec"]["template"]["spec"],
        "status": {"phase": phase, "containerStatuses": container(state) if state else [], **status},
    }


def running(job: Document, since: float = 100) -> Document:
    return make_pod(job, {"running": {"startedAt": ago(since)}}, "Running")


def ended(job: Document, code: int, phase: str, **status: Any) -> Document:
    state = {"terminated": {"exitCode": code, "startedAt": ago(90), "finishedAt": ago(30)}}
    return make_pod(job, state, phase, **status)


def waiting(job: Document, reason: str, message: str = "") -> Document:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(100)}
    return make_pod(
        job, {"waiting": {"reason": reason, "message": message}}, "Pending", conditions=[scheduled]
    )


def leaving(document: Document, seconds: float) -> Document:
    """Asked to end, with a grace period that ends in so many seconds."""
    grace = {"deletionTimestamp": ago(-seconds), "deletionGracePeriodSeconds": 120}
    return document | {"metadata": document["metadata"] | grace}


def finished(job: Document, kind: str, reason: str = "") -> Document:
    condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": ago(20)}
    return job | {"status": job["status"] | {"conditions": [condition]}}


def unscheduled(job: Document) -> Document:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    return make_pod(job, {}, "Pending", conditions=[condition])


@dataclass(frozen=True)
class Happening:
    """What Job and pods show, and which states may follow while the stage has its turn."""

    name: str
    show: Callable[[Document], tuple[list[Document], list[Document]]]
    """Jobs and pods, made from the attempt's fresh Job."""
    follow: frozenset[StageState]
    attempt: int = 0


def happening(
    name: str, *follow: StageState, attempt: int = 0
) -> Callable[[Callable[[Document], Any]], Happening]:
    return lambda show: Happening(name, show, frozenset(follow), attempt)


HAPPENINGS = [
    happening("no Job", PENDING)(lambda _: ([], [])),
    happening("the Job is gone, its pod is not", PENDING)(lambda job: ([], [running(job)])),
    happening("the Job is gone, its pod has ended", PENDING)(lambda job: ([], [ended(job, 1, "Failed")])),
    happening("a fresh Job", PENDING, RUNNING)(lambda job: ([job], [])),
    happening("the next attempt's Job", PENDING, RUNNING, attempt=1)(lambda job: ([job], [])),
    happening("in a queue", PENDING, RUNNING)(lambda job: ([_queued(job)], [])),
    happening("unschedulable", PENDING, RUNNING)(lambda job: ([job], [unscheduled(job)])),
    happening("image is pulled again", PENDING, RUNNING)(
        lambda job: ([job], [waiting(job, "ImagePullBackOff")])
    ),
    happening("image can't be", FAILED)(lambda job: ([job], [waiting(job, "InvalidImageName", "bad")])),
    happening("slow start", PENDING, RUNNING)(lambda job: ([job], [waiting(job, "ContainerCreating")])),
    happening("no pod for too long", FAILED, RUNNING)(lambda job: ([_old(job)], [])),
    happening("runs", RUNNING)(lambda job: ([job], [running(job)])),
    happening("runs and says nothing", RUNNING)(lambda job: ([job], [running(job, 1000)])),
    happening("between two tries", PENDING, RUNNING)(lambda job: ([job], [ended(job, 1, "Failed")])),
    happening("its pod is leaving", RUNNING)(lambda job: ([job], [leaving(running(job), 60)])),
    happening("its node is lost", RUNNING)(lambda job: ([job], [leaving(running(job), -60)])),
    happening("the Job is being deleted", PENDING)(
        lambda job: ([leaving(job, 0)], [leaving(running(job), 60)])
    ),
    happening("done", SUCCEEDED)(lambda job: ([finished(job, "Complete")], [ended(job, 0, "Succeeded")])),
    happening("done, pod gone", SUCCEEDED)(lambda job: ([finished(job, "Complete")], [])),
    happening("bad data", FAILED)(
        lambda job: ([finished(job, "Failed", "PodFailurePolicy")], [ended(job, 65, "Failed")])
    ),
    happening("failed too often", FAILED)(
        lambda job: ([finished(job, "Failed", "BackoffLimitExceeded")], [ended(job, 1, "Failed")])
    ),
    happening("took too long", FAILED)(lambda job: ([finished(job, "Failed", "DeadlineExceeded")], [])),
    happening("done while it is deleted", SUCCEEDED)(
        lambda job: ([leaving(finished(job, "Complete"), 60)], [ended(job, 0, "Succeeded")])
    ),
]  # fmt: skip


def _queued(job: Document) -> Document:
    return job | {"spec": job["spec"] | {"suspend": True}}


def _old(job: Document) -> Document:
    return job | {"metadata": job["metadata"] | {"creationTimestamp": ago(601)}}


BEFORE = {
    "new": StageStatus(),
    "created": StageStatus(attempts=1, job="p-run-{stage}-0"),
    "running": StageStatus(state=RUNNING, attempts=1, job="p-run-{stage}-0", started_at=NOW),
    "stalled before": StageStatus(state=RUNNING, attempts=1, job="p-run-{stage}-0", restarts=2),
    "suspended": StageStatus(state=SUSPENDED, attempts=1, job="p-run-{stage}-0", gpu_seconds=5),
    "succeeded": StageStatus(state=SUCCEEDED, attempts=1, job="p-run-{stage}-0", finished_at=NOW),
    "failed": StageStatus(state=FAILED, attempts=1, job="p-run-{stage}-0", reason="BadData", message="x"),
}
ASKED = {
    "its turn": {"turn": True, "stop": False},
    "not yet": {"turn": False, "stop": False},
    "suspended": {"turn": True, "stop": True},
    "held": {"turn": True, "stop": False, "held": HELD},
    "restarts stalls": {
        "turn": True, "stop": False, "limits": LIMITS.model_copy(update={"on_stall": OnStall.RESTART}),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    before: StageStatus
    happening: Happening
    context: StageContext
    name: str

    def observed(self) -> Observed:
        jobs, pods = self.happening.show(make_job(self.context.stage, self.happening.attempt))
        return Observed(tuple(jobs), tuple(pods))

    def answer(self, before: StageStatus, observed: Observed) -> StageStep:
        """The step, after as many looks at the API server as it asks for."""
        for _ in range(4):
            step = step_stage(before, self.context, observed, NOW)
            if not step.verify and not step.verify_project:
                return step
            told = observed.verified | {step.verify} if step.verify else observed.verified
            asks = (told, observed.project_verified or step.verify_project)
            assert asks != (observed.verified, observed.project_verified), "asks for what it was told"
            observed = replace(observed, verified=frozenset(told), project_verified=asks[1])
        raise AssertionError("asks without end")


def cases(event: Happening, was: StageStatus) -> Iterator[Case]:
    for (name, wishes), stage in product(ASKED.items(), (Stage.PREPARE, Stage.DETECTION, Stage.PACKAGE)):
        before = was.model_copy(update={"job": was.job.format(stage=stage) if was.job else None})
        about = {"project": "p", "run": "run", "stage": stage, "limits": LIMITS, "gpu_resource": GPU}
        yield Case(before, event, StageContext(**about | wishes), f"{stage}, {name}")


every = pytest.mark.parametrize(
    ("was", "event"),
    [
        pytest.param(status, event, id=f"{was} and {event.name}")
        for (was, status), event in product(BEFORE.items(), HAPPENINGS)
    ],
)


@every
def test_whatever_happens_to_a_stage_its_promises_hold(was: StageStatus, event: Happening) -> None:
    for case in cases(event, was):
        before, observed = case.before, case.observed()
        step = case.answer(before, observed)
        if before.state in (SUCCEEDED, FAILED):
            assert step == StageStep(before), f"{case.name}: a terminal state is for ever"
            continue
        after = step.status
        assert after.state in allowed(case), case.name
        _check_jobs(case, step, observed)
        assert after.attempts >= before.attempts and after.restarts >= before.restarts, case.name
        assert after.gpu_seconds >= before.gpu_seconds, f"{case.name}: counted time is never lost"
        assert after.gpu_seconds == before.gpu_seconds or case.context.stage in GPU_STAGES, case.name
        assert (after.state is FAILED) == (after.reason is not None) == bool(after.message), case.name
        assert step.waiting is None or after.state not in (SUCCEEDED, FAILED), case.name


def _check_jobs(case: Case, step: StageStep, observed: Observed) -> None:
    names = {name_of(job): job for job in observed.jobs}
    if step.create is not None:
        assert all(map(is_finished, observed.jobs)) and all(map(is_over, observed.pods)), case.name
        assert case.context.turn and not case.context.stop and not case.context.held, case.name
        assert step.status.attempts == step.create + 1 > case.before.attempts, case.name
    elif step.keep is not None:
        assert is_finished(names[step.keep]) or not is_being_deleted(names[step.keep]), case.name


@every
def test_a_second_look_changes_nothing(was: StageStatus, event: Happening) -> None:
    for case in cases(event, was):
        observed = case.observed()
        first = case.answer(case.before, observed)
        second = case.answer(first.status, replace(observed, jobs=_carried_out(case, first, observed)))
        assert second.status == first.status and second.create is None, case.name
        reasons = [step.waiting.reason if step.waiting else None for step in (first, second)]
        assert reasons[0] == reasons[1], case.name


def _carried_out(case: Case, step: StageStep, observed: Observed) -> tuple[Any, ...]:
    """The Jobs after the step: what nobody keeps is being deleted, what is created is there."""
    stays = (step.keep,)
    jobs = [
        job if name_of(job) in stays or is_finished(job) or is_being_deleted(job) else leaving(dict(job), 0)
        for job in observed.jobs
    ]
    if step.create is not None:
        new = make_job(case.context.stage, step.create, created=0)
        jobs.append(new | {"metadata": new["metadata"] | {"uid": "new"}})
    return tuple(jobs)


def allowed(case: Case) -> frozenset[StageState]:
    """What may follow: the happening's own states, as what is asked of the stage lets them."""
    before, event, context = case.before, case.happening, case.context
    if event.follow <= {SUCCEEDED, FAILED} and (event.follow == {SUCCEEDED} or _is_job_failed(case)):
        return event.follow  # the Job has said its last word
    if context.stop:
        return frozenset({SUSPENDED} if before.attempts or case.observed().jobs else {PENDING})
    if event.name == "runs and says nothing" and context.limits.on_stall is OnStall.RESTART:
        if context.stage is Stage.PACKAGE:
            return frozenset({RUNNING})
        return frozenset({FAILED if before.restarts >= LIMITS.retries else PENDING})
    if not case.observed().jobs and not context.turn:
        return frozenset({before.state})
    states = set(event.follow)
    if before.state in (RUNNING, SUSPENDED):
        states.add(before.state)
    return frozenset(states)


def _is_job_failed(case: Case) -> bool:
    return any(is_finished(job) for job in case.observed().jobs)


def test_a_refusal_for_good_fails_the_stage_and_one_for_now_is_waited_for() -> None:
    context = StageContext("p", "run", Stage.PREPARE, True, False, LIMITS, GPU)
    for permanent, state in ((True, FAILED), (False, PENDING)):
        refused = {"p-run-prepare-0": Refusal(permanent, "no")}
        step = step_stage(StageStatus(), context, Observed(refused=refused), NOW)
        assert step.status.state is state and step.create is None
