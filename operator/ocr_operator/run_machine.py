"""A line of stages, a training run or a test of its own: which stage's turn it is, and how the line ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocr_contract.stages import Stage
from ocr_contract.status import RunRecord, RunStatus, StageState, StageStatus, TestRunStatus
from ocr_operator.decision import Observed
from ocr_operator.plan import Track
from ocr_operator.stage_machine import StageContext, StageStep, Waiting, step_stage, stopped_with_run

AnyRun = RunStatus | TestRunStatus
Stages = dict[str, StageStatus]
MAX_RECORDS = 10
SUCCEEDED, FAILED, STOPPED = "Succeeded", "Failed", "Stopped"


@dataclass(frozen=True)
class RunStep:
    """The line's next state, stage by stage."""

    track: Track
    run: AnyRun
    steps: dict[Stage, StageStep]
    blocked: Waiting | None = None
    """What holds the whole line back."""

    @property
    def outcome(self) -> str | None:
        """Succeeded, Failed, or None while it goes on."""
        return outcome_of(self.track, self.run)

    @property
    def failed_stage(self) -> tuple[Stage, StageStatus] | None:
        """The stage that failed by itself, not the one that was stopped with it."""
        failed = [
            (stage, self.run.stages[stage])
            for stage in self.track.stages
            if _state(self.run, stage) is StageState.FAILED
        ]
        return min(failed, key=lambda item: item[1].reason == STOPPED, default=None)

    @property
    def current(self) -> tuple[Stage, ...]:
        """The stages whose turn it is."""
        for group in self.track.groups:
            left = tuple(stage for stage in group if _state(self.run, stage) is not StageState.SUCCEEDED)
            if left:
                return left
        return ()

    @property
    def waiting(self) -> Waiting | None:
        return self.blocked or next((step.waiting for step in self.steps.values() if step.waiting), None)


def outcome_of(track: Track, run: AnyRun) -> str | None:
    """How the line has ended, if it has."""
    states = [_state(run, stage) for stage in track.stages]
    if StageState.FAILED in states:
        return FAILED
    return SUCCEEDED if all(state is StageState.SUCCEEDED for state in states) else None


def advance(
    track: Track,
    before: AnyRun,
    blocked: Waiting | None,
    observed: Observed,
    now: datetime,
    *,
    project: str,
    startup_deadline: float,
    gpu_resource: str,
) -> RunStep:
    """The line's next step; one that has ended stays as it is."""
    if outcome_of(track, before) is not None:
        return RunStep(track, before, {})

    def step(stage: Stage, *, turn: bool, stop: bool) -> StageStep:
        context = StageContext(project, track.hash, stage, turn, stop, startup_deadline, gpu_resource)
        return step_stage(before.stages.get(stage) or StageStatus(), context, observed, now)

    steps: dict[Stage, StageStep] = {}
    turn = blocked is None
    for group in track.groups:
        steps |= {stage: step(stage, turn=turn, stop=track.suspend) for stage in group}
        turn = turn and all(steps[stage].status.state is StageState.SUCCEEDED for stage in group)
    culprit = next((stage for stage in steps if steps[stage].status.state is StageState.FAILED), None)
    if culprit is not None:
        steps = {
            stage: done if stage == culprit else stopped_with_run(step(stage, turn=False, stop=True), culprit)
            for stage, done in steps.items()
        }
    return RunStep(track, _updated(track, before, steps, now), steps, None if track.suspend else blocked)


def _updated(track: Track, before: AnyRun, steps: dict[Stage, StageStep], now: datetime) -> AnyRun:
    stages: Stages = {stage.value: step.status for stage, step in steps.items()}
    begun = before.started_at or (now if any(step.create is not None for step in steps.values()) else None)
    run = before.model_copy(update={"stages": stages, "started_at": begun})
    if outcome_of(track, run) is not None:
        run = run.model_copy(update={"finished_at": now})
    return run


def begin(track: Track, before: AnyRun | None, records: Sequence[RunRecord]) -> AnyRun:
    """The line's status to go on from: its own, a finished run's that is named again, or a new one."""
    if track.kind == "test":
        return (
            before
            if isinstance(before, TestRunStatus)
            and (before.id, before.revision) == (track.id, track.revision)
            else TestRunStatus(id=track.id, revision=track.revision)
        )
    if isinstance(before, RunStatus) and (before.id, before.revision) == (track.id, track.revision):
        return before
    for record in records:
        if (record.id, record.revision) == (track.id, track.revision) and record.outcome != STOPPED:
            return _restored(track, record)
    return RunStatus(id=track.id, revision=track.revision)


def _restored(track: Track, record: RunRecord) -> RunStatus:
    """A run that ended before stays ended, though another one was named in between."""
    stages: Stages = {}
    for stage in track.stages:
        if record.outcome == FAILED and stage == (record.stage or track.stages[0]):
            stages[stage.value] = StageStatus(
                state=StageState.FAILED,
                reason=record.reason,
                message="failed when it ran; raise train.revision",
            )
            break
        stages[stage.value] = StageStatus(state=StageState.SUCCEEDED)
    return RunStatus(id=record.id, revision=record.revision, stages=stages, finished_at=record.finished_at)


def record_of(run: RunStatus, now: datetime, *, replaced: bool) -> RunRecord | None:
    """The run as one of the last ten: when it has ended, or when another one takes its place."""
    stages = [(stage.value, run.stages[stage.value]) for stage in Stage if stage.value in run.stages]
    begun = any(status.attempts for _, status in stages)
    failures = [(stage, status) for stage, status in stages if status.state is StageState.FAILED]
    failed = min(failures, key=lambda item: item[1].reason == STOPPED, default=(None, None))[0]
    if failed is not None:
        outcome, stage, reason = FAILED, failed, run.stages[failed].reason
    elif run.finished_at is not None:
        outcome, stage, reason = SUCCEEDED, None, None
    elif replaced and begun:
        left = (stage for stage, status in stages if status.state is not StageState.SUCCEEDED)
        outcome, stage, reason = STOPPED, next(left, None), "Replaced"
    else:
        return None
    return RunRecord(
        id=run.id,
        revision=run.revision,
        outcome=outcome,
        stage=stage,
        reason=reason,
        finished_at=run.finished_at or now,
    )


def remember(records: Sequence[RunRecord], record: RunRecord | None) -> list[RunRecord]:
    """The records with this one, newest last, ten at most."""
    if record is None:
        return list(records)
    others = [old for old in records if (old.id, old.revision) != (record.id, record.revision)]
    return [*others, record][-MAX_RECORDS:]


def _state(run: AnyRun, stage: Stage) -> StageState:
    status = run.stages.get(stage)
    return status.state if status else StageState.PENDING
