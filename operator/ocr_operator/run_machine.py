"""A line of stages, a training run or a test of its own: which stage's turn it is, and how the line ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocr_contract.spec import Limits
from ocr_contract.stages import Stage
from ocr_contract.status import RunRecord, RunStatus, StageState, StageStatus, TestRunStatus, TrainerStatus
from ocr_operator.decision import Observed
from ocr_operator.plan import Track
from ocr_operator.records import FAILED, STOPPED, SUCCEEDED, find_record, restore
from ocr_operator.stage_machine import StageContext, StageStep, step_stage, stopped_with_run
from ocr_operator.stalling import heartbeat
from ocr_operator.waiting import Waiting

AnyRun = RunStatus | TestRunStatus
Stages = dict[str, StageStatus]


@dataclass(frozen=True)
class RunContext:
    """What a line's step needs beside its own last status."""

    project: str
    limits: Limits
    gpu_resource: str
    reports: TrainerStatus
    """What the trainer has reported of this very line."""
    stall_known: bool = False
    blocked: Waiting | None = None
    """What must change before the line may create Jobs."""
    test_held: Waiting | None = None
    """What must end before its test stage may create a Job."""


@dataclass(frozen=True)
class RunStep:
    """The line's next state, stage by stage."""

    track: Track
    run: AnyRun
    steps: dict[Stage, StageStep]
    blocked: Waiting | None = None
    """What holds the whole line back."""
    ended_before: bool = False
    """Whether it had ended at the last look already."""

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
            if state_of(self.run, stage) is StageState.FAILED
        ]
        return min(failed, key=lambda item: item[1].reason == STOPPED, default=None)

    @property
    def current(self) -> tuple[Stage, ...]:
        """The stages whose turn it is."""
        for group in self.track.groups:
            left = tuple(stage for stage in group if state_of(self.run, stage) is not StageState.SUCCEEDED)
            if left:
                return left
        return ()

    @property
    def running(self) -> tuple[Stage, ...]:
        """The stages that work now."""
        return tuple(stage for stage in self.track.stages if state_of(self.run, stage) is StageState.RUNNING)

    @property
    def waiting(self) -> Waiting | None:
        return self.blocked or next((step.waiting for step in self.steps.values() if step.waiting), None)

    @property
    def stalls(self) -> tuple[str, ...]:
        """What is to be said of stages that run and say nothing."""
        return tuple(step.stall for step in self.steps.values() if step.stall)


def outcome_of(track: Track, run: AnyRun) -> str | None:
    """How the line has ended, if it has."""
    states = [state_of(run, stage) for stage in track.stages]
    if StageState.FAILED in states:
        return FAILED
    return SUCCEEDED if all(state is StageState.SUCCEEDED for state in states) else None


def state_of(run: AnyRun, stage: Stage) -> StageState:
    """The stage's state; one that is not mentioned has not begun."""
    status = run.stages.get(stage)
    return status.state if status else StageState.PENDING


def advance(track: Track, before: AnyRun, context: RunContext, observed: Observed, now: datetime) -> RunStep:
    """The line's next step; one that has ended stays as it is."""
    if outcome_of(track, before) is not None:
        return RunStep(track, before, {}, ended_before=True)

    def step(stage: Stage, *, turn: bool, stop: bool) -> StageStep:
        known = before.stages.get(stage) or StageStatus()
        return step_stage(known, _stage_context(track, stage, context, turn, stop), observed, now)

    steps: dict[Stage, StageStep] = {}
    turn = context.blocked is None
    for group in track.groups:
        steps |= {stage: step(stage, turn=turn, stop=track.suspend) for stage in group}
        turn = turn and all(steps[stage].status.state is StageState.SUCCEEDED for stage in group)
    culprit = next((stage for stage in steps if steps[stage].status.state is StageState.FAILED), None)
    if culprit is not None:
        steps = {
            stage: done if stage == culprit else stopped_with_run(step(stage, turn=False, stop=True), culprit)
            for stage, done in steps.items()
        }
    return RunStep(
        track, _updated(track, before, steps, now), steps, None if track.suspend else context.blocked
    )


def _stage_context(track: Track, stage: Stage, context: RunContext, turn: bool, stop: bool) -> StageContext:
    return StageContext(
        project=context.project,
        run=track.hash,
        stage=stage,
        turn=turn,
        stop=stop,
        limits=context.limits,
        gpu_resource=context.gpu_resource,
        heartbeat=heartbeat(stage, context.reports),
        stall_known=context.stall_known,
        held=context.test_held if stage is Stage.TEST else None,
    )


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
    record = find_record(records, track.id, track.revision)
    if record is not None and record.outcome != STOPPED:
        return restore(track, record)
    return RunStatus(id=track.id, revision=track.revision)
