"""One stage's next state, from its last one and what its Jobs show. Succeeded and Failed are for ever.

An attempt is one Job. The status remembers how many there were, so that a Job that is absent is told apart
from one that never was: absent and unfinished means another attempt, absent and finished means nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ocr_contract import names
from ocr_contract.spec import Limits, OnStall
from ocr_contract.stages import Stage
from ocr_contract.status import StageState, StageStatus
from ocr_operator.attempt import Attempt, AttemptState, read_attempt
from ocr_operator.decision import Observed
from ocr_operator.documents import (
    Document,
    attempt_of,
    is_being_deleted,
    is_finished,
    jobs_of_stage,
    name_of,
    pods_of_stage,
)
from ocr_operator.gpu_time import count_gpu_seconds
from ocr_operator.pods import is_over
from ocr_operator.stalling import STALLED, listen, tell_given_up, tell_stall
from ocr_operator.waiting import IS_STARTING, NAME_TAKEN, QUOTA, STARTING, Waiting, begun_at

TERMINAL = (StageState.SUCCEEDED, StageState.FAILED)
REFUSED_RETRY_SECONDS = 30.0
REPLACED = Waiting(STARTING, "its Job was deleted; another follows when its pod is gone")


@dataclass(frozen=True)
class StageStep:
    """The stage's next status and what has to be done for it."""

    status: StageStatus
    create: int | None = None
    """Number of the attempt whose Job must be created."""
    keep: str | None = None
    """Name of the Job that goes on."""
    verify: str | None = None
    verify_project: bool = False
    waiting: Waiting | None = None
    stall: str | None = None
    """Runs, but says nothing."""
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
    limits: Limits
    gpu_resource: str
    heartbeat: datetime | None = None
    stall_known: bool = False
    """The status tells of a stall already."""
    held: Waiting | None = None
    """What must end before its next Job may be created."""


def step_stage(before: StageStatus, context: StageContext, observed: Observed, now: datetime) -> StageStep:
    """The stage's next step."""
    if before.state in TERMINAL:
        return StageStep(before)
    return _Look(before, context, observed, now).step()


class _Look:
    """One look at a stage that has not ended: its newest Job, and the pods of all its Jobs."""

    def __init__(self, before: StageStatus, context: StageContext, observed: Observed, now: datetime) -> None:
        self.context, self.limits, self.observed, self.now = context, context.limits, observed, now
        self.pods = pods_of_stage(observed.pods, context.run, context.stage)
        self.was_running = before.state is StageState.RUNNING
        self.known = self._count(before)

    def step(self) -> StageStep:
        jobs = jobs_of_stage(self.observed.jobs, self.context.run, self.context.stage)
        newest = jobs[-1] if jobs else None
        if newest is None or attempt_of(newest) + 1 < self.known.attempts:
            return self._without_job(lingering=newest is not None and not is_finished(newest))
        name = name_of(newest)
        # Adopted, should its creation never have been written down.
        self.known = self.known.model_copy(update={"attempts": attempt_of(newest) + 1, "job": name})
        attempt = read_attempt(newest, self.observed.pods, self.now)
        if attempt.state in (AttemptState.SUCCEEDED, AttemptState.FAILED):
            return self._ended(attempt, name)
        if self.context.stop or attempt.state is AttemptState.STOPPING:
            return self._stopping()
        if attempt.state is AttemptState.RUNNING:
            return self._running(attempt, name)
        assert attempt.waiting is not None, "an attempt that does not run waits for something"
        return self._waiting(attempt, attempt.waiting, newest)

    def _without_job(self, *, lingering: bool) -> StageStep:
        job = self.known.job
        seen_gone = job is None or job in self.observed.verified
        if self.context.stop:
            if not self.known.attempts or self.known.state is StageState.SUSPENDED:
                return StageStep(self.known)
            suspended = StageStep(_as(self._closed(), StageState.SUSPENDED))
            return suspended if seen_gone else StageStep(self.known, verify=job)
        if not self.context.turn or lingering:
            return StageStep(self.known)
        alive = next((pod for pod in self.pods if not is_over(pod)), None)
        hold = self._held_by(alive) if alive else self.context.held
        if hold and (seen_gone or not self.was_running):
            return StageStep(_as(self._closed(), StageState.PENDING), waiting=hold)
        return self._next_attempt() if seen_gone else StageStep(self.known, verify=job)

    def _held_by(self, pod: Document) -> Waiting:
        """Two pods in one folder are one too many, whoever made the first."""
        if self.known.attempts:
            return REPLACED
        pod_is = f"pod {name_of(pod)} was made for a deleted project of this name"
        return Waiting(NAME_TAKEN, f"{pod_is}; it is waited for: delete its Job if nobody needs it")

    def _next_attempt(self) -> StageStep:
        number = self.known.attempts
        job = names.job_name(self.context.project, self.context.run, self.context.stage, number)
        refusal = self.observed.refused.get(job)
        if refusal is None:
            status = _as(self._closed(), StageState.PENDING, attempts=number + 1, job=job)
            return StageStep(status, create=number, keep=job, waiting=IS_STARTING)
        if refusal.permanent:
            return StageStep(self._failed("JobRefused", refusal.message))
        waiting = Waiting(refusal.reason, refusal.message)
        return StageStep(self.known, waiting=waiting, requeue_after=REFUSED_RETRY_SECONDS)

    def _ended(self, attempt: Attempt, job: str) -> StageStep:
        """A last word is taken from the API server itself: its Job, with the pods that explain it."""
        if job not in self.observed.verified:
            return StageStep(self.known, keep=job, verify=job)
        status = _as(
            self.known,
            StageState.SUCCEEDED if attempt.state is AttemptState.SUCCEEDED else StageState.FAILED,
            started_at=self.known.started_at or attempt.started_at,
            finished_at=attempt.finished_at,
            reason=attempt.reason[:64] or None,
            message=attempt.message[:2048] or None,
        )
        return StageStep(status, keep=job)

    def _stopping(self) -> StageStep:
        """Its Job goes, on our account or on somebody else's; the time it used is counted once."""
        state = StageState.SUSPENDED if self.context.stop else StageState.PENDING
        return StageStep(_as(self._closed(), state), waiting=None if self.context.stop else REPLACED)

    def _running(self, attempt: Attempt, job: str) -> StageStep:
        started = self.known.started_at or attempt.started_at or self.now
        status = _as(self.known, StageState.RUNNING, started_at=started)
        stage, seconds = self.context.stage, self.limits.stall_seconds
        silence = listen(stage, self.context.heartbeat, attempt.running_since, seconds, self.now)
        if silence is None or silence.left > 0:
            return StageStep(status, keep=job, requeue_after=silence.left if silence else None)
        restart = self.limits.on_stall is OnStall.RESTART
        sure = self.observed.project_verified and (not restart or job in self.observed.verified)
        if not sure and (restart or not self.context.stall_known):
            # A watch that has gone blind must not make a training look dead.
            return StageStep(status, keep=job, verify=job if restart else None, verify_project=True)
        if restart:
            return self._restart()
        return StageStep(status, keep=job, stall=tell_stall(stage, silence, seconds, job))

    def _restart(self) -> StageStep:
        """The Job is deleted, as on suspend, and the next attempt follows."""
        restarts = self.known.restarts
        if restarts < self.limits.retries:
            status = _as(self._closed(), StageState.PENDING, restarts=restarts + 1)
            return StageStep(status, waiting=REPLACED)
        message = tell_given_up(self.context.stage, self.limits.stall_seconds, restarts)
        return StageStep(self._failed(STALLED, message))

    def _waiting(self, attempt: Attempt, waiting: Waiting, job: Document) -> StageStep:
        if waiting.hopeless:
            return StageStep(self._failed(waiting.reason, waiting.message))
        waits = StageStep(self.known, keep=name_of(job), waiting=waiting, requeue_after=waiting.look_again)
        if self.was_running or attempt.started_at or waiting.reason == QUOTA:
            return waits  # between two tries, or in a queue of any length
        deadline = self.limits.startup_deadline_seconds
        since = begun_at(job) or self.now
        left = (since + timedelta(seconds=deadline) - self.now).total_seconds()
        if left > 0:
            return replace(waits, requeue_after=min(left, waiting.look_again or left))
        return StageStep(self._failed(waiting.reason, f"no pod started in {deadline} s: {waiting.message}"))

    def _failed(self, reason: str, message: str) -> StageStatus:
        failed = {"reason": reason, "message": message[:2048], "finished_at": self.now}
        return _as(self._closed(), StageState.FAILED, **failed)

    def _closed(self) -> StageStatus:
        """With its GPU time up to now, if it was running until now."""
        return self._count(self.known, stopped=self.was_running)

    def _count(self, status: StageStatus, *, stopped: bool = False) -> StageStatus:
        return count_gpu_seconds(status, self.pods, self.context.gpu_resource, self.now, stopped=stopped)


def _as(status: StageStatus, state: StageState, **fields: object) -> StageStatus:
    """The status in another state; reason and message never outlive the state they explained."""
    return status.model_copy(update={"state": state, "reason": None, "message": None, **fields})


def stopped_with_run(step: StageStep, culprit: Stage) -> StageStep:
    """The step of a stage that another stage's failure has ended."""
    if step.status.state in TERMINAL or not step.status.attempts or step.verify:
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
