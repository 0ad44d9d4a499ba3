"""One stage's next state, from its last one and what its Jobs show. Succeeded and Failed are for ever.

An attempt is one Job. The status remembers how many there were, so that a Job that is absent is told apart
from one that never was: absent and unfinished means another attempt, absent and finished means nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ocr_contract import names
from ocr_contract.stages import Stage
from ocr_contract.status import StageState, StageStatus
from ocr_operator.attempt import (
    HOPELESS_IMAGE_REASONS,
    STARTING,
    Attempt,
    AttemptState,
    gpu_seconds,
    read_attempt,
)
from ocr_operator.decision import Observed
from ocr_operator.documents import (
    Document,
    attempt_of,
    is_being_deleted,
    is_finished,
    jobs_of_stage,
    name_of,
    parse_time,
)

TERMINAL = (StageState.SUCCEEDED, StageState.FAILED)
REFUSED_RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Waiting:
    """Why nothing moves, in the cluster's own words."""

    reason: str
    message: str


@dataclass(frozen=True)
class StageStep:
    """The stage's next status and what has to be done for it."""

    status: StageStatus
    create: int | None = None
    """Number of the attempt whose Job must be created."""
    keep: str | None = None
    """Name of the Job that goes on."""
    verify: str | None = None
    waiting: Waiting | None = None
    requeue_after: float | None = None


@dataclass(frozen=True)
class StageContext:
    """What a stage's step needs beside its own last status."""

    project: str
    run: str
    stage: Stage
    turn: bool
    """Everything before it has succeeded and nothing holds it back."""
    stop: bool
    """Suspended, or another stage has failed."""
    startup_deadline: float
    gpu_resource: str


def step_stage(before: StageStatus, context: StageContext, observed: Observed, now: datetime) -> StageStep:
    """The stage's next step."""
    if before.state in TERMINAL:
        return StageStep(before)
    jobs = jobs_of_stage(observed.jobs, context.run, context.stage)
    newest = jobs[-1] if jobs else None
    if newest is None or attempt_of(newest) + 1 < before.attempts:
        return _without_job(before, context, observed, lingering=newest)
    known = before.model_copy(
        update={"attempts": attempt_of(newest) + 1, "job": name_of(newest)}
    )  # adopts a Job whose creation was never written down
    attempt = read_attempt(newest, observed.pods)
    spent = before.gpu_seconds + gpu_seconds(newest, observed.pods, context.gpu_resource, now)
    if attempt.state in (AttemptState.SUCCEEDED, AttemptState.FAILED):
        return _ended(known, attempt, name_of(newest), spent, observed)
    if context.stop or attempt.state is AttemptState.STOPPING:
        return _stopping(known, context.stop, spent)
    return _alive(known, newest, attempt, spent, context, now)


def _without_job(
    before: StageStatus, context: StageContext, observed: Observed, lingering: Document | None
) -> StageStep:
    seen_gone = before.job is None or before.job in observed.verified
    if context.stop:
        if not before.attempts or before.state is StageState.SUSPENDED:
            return StageStep(before)
        return (
            StageStep(_as(before, StageState.SUSPENDED))
            if seen_gone
            else StageStep(before, verify=before.job)
        )
    if not context.turn or (lingering is not None and not is_finished(lingering)):
        return StageStep(before)
    if not seen_gone:
        return StageStep(before, verify=before.job)
    number = before.attempts
    job = names.job_name(context.project, context.run, context.stage, number)
    refusal = observed.refused.get(job)
    if refusal is None:
        status = _as(before, StageState.PENDING, attempts=number + 1, job=job)
        return StageStep(status, create=number, keep=job, waiting=Waiting("Starting", STARTING))
    if refusal.permanent:
        failed = _as(before, StageState.FAILED, reason="JobRefused", message=refusal.message[:2048])
        return StageStep(failed)
    return StageStep(before, waiting=Waiting("Quota", refusal.message), requeue_after=REFUSED_RETRY_SECONDS)


def _ended(known: StageStatus, attempt: Attempt, job: str, spent: float, observed: Observed) -> StageStep:
    """A last word is taken from the API server itself: its Job, with the pods that explain it."""
    if job not in observed.verified:
        return StageStep(known, keep=job, verify=job)
    succeeded = attempt.state is AttemptState.SUCCEEDED
    status = _as(
        known,
        StageState.SUCCEEDED if succeeded else StageState.FAILED,
        started_at=known.started_at or attempt.started_at,
        finished_at=attempt.finished_at,
        reason=attempt.reason[:64] or None,
        message=attempt.message[:2048] or None,
        gpu_seconds=spent,
    )
    return StageStep(status, keep=job)


def _stopping(known: StageStatus, stop: bool, spent: float) -> StageStep:
    """Its Job goes, on our account (stop) or on somebody else's; the time it used is counted once."""
    state = StageState.SUSPENDED if stop else StageState.PENDING
    counted = spent if known.state is StageState.RUNNING else known.gpu_seconds
    return StageStep(
        _as(known, state, gpu_seconds=counted),
        waiting=None if stop else Waiting("Starting", "its Job was deleted; another follows when it is gone"),
    )


def _alive(
    known: StageStatus, job: Document, attempt: Attempt, spent: float, context: StageContext, now: datetime
) -> StageStep:
    name = name_of(job)
    if attempt.state is AttemptState.RUNNING:
        started = known.started_at or attempt.started_at or now
        return StageStep(_as(known, StageState.RUNNING, started_at=started), keep=name)
    waiting = Waiting(attempt.reason, attempt.message)
    if known.state is StageState.RUNNING or attempt.started_at or attempt.reason == "Quota":
        return StageStep(known, keep=name, waiting=waiting)  # between two tries, or in a queue of any length
    created = parse_time(job["metadata"].get("creationTimestamp")) or now
    left = (created + timedelta(seconds=context.startup_deadline) - now).total_seconds()
    hopeless = attempt.message.split(":")[0] in HOPELESS_IMAGE_REASONS
    if left > 0 and not hopeless:
        return StageStep(known, keep=name, waiting=waiting, requeue_after=left)
    message = (
        attempt.message
        if hopeless
        else f"no pod started in {context.startup_deadline:.0f} s: {attempt.message}"
    )
    status = _as(known, StageState.FAILED, reason=attempt.reason, message=message[:2048], finished_at=now)
    return StageStep(status.model_copy(update={"gpu_seconds": spent}))


def _as(status: StageStatus, state: StageState, **fields: object) -> StageStatus:
    """The status in another state; reason and message never outlive the state they explained."""
    return status.model_copy(update={"state": state, "reason": None, "message": None, **fields})


def stopped_with_run(step: StageStep, culprit: Stage) -> StageStep:
    """The step of a stage that another stage's failure has ended."""
    if step.status.state in TERMINAL or not step.status.attempts:
        return replace(step, create=None)
    status = _as(
        step.status, StageState.FAILED, reason="Stopped", message=f"stopped because {culprit} failed"
    )
    return StageStep(status)


def unfinished(jobs: tuple[Document, ...]) -> tuple[Document, ...]:
    """Jobs whose pods may still run, terminating ones included."""
    return tuple(job for job in jobs if not is_finished(job))


def deletable(jobs: tuple[Document, ...], keep: frozenset[str]) -> tuple[str, ...]:
    """Unfinished Jobs that nobody wants any more and that nobody has deleted yet."""
    return tuple(
        name_of(job) for job in unfinished(jobs) if name_of(job) not in keep and not is_being_deleted(job)
    )
