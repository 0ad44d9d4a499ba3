"""The last ten runs, as the status keeps them after their Jobs and reports are gone."""

from collections.abc import Sequence
from datetime import datetime

from ocr_contract import names
from ocr_contract.stages import Stage
from ocr_contract.status import Figures, RunRecord, RunStatus, StageState, StageStatus
from ocr_operator.decision import Observed
from ocr_operator.documents import pods_of_stage
from ocr_operator.gpu_time import count_gpu_seconds
from ocr_operator.plan import Track

MAX_RECORDS = 10
FAILED, SUCCEEDED, STOPPED = "Failed", "Succeeded", "Stopped"


def find_record(records: Sequence[RunRecord], run_id: str, revision: int) -> RunRecord | None:
    """The record of that very run."""
    return next((record for record in records if (record.id, record.revision) == (run_id, revision)), None)


def has_begun(run: RunStatus) -> bool:
    """Whether it has had a Job since it was named; a run that was restored from its record has not."""
    return any(status.attempts for status in run.stages.values())


def restore(track: Track, record: RunRecord) -> RunStatus:
    """A run that ended before stays ended, though another one was named in between."""
    stages: dict[str, StageStatus] = {}
    for stage in track.stages:
        if record.outcome == FAILED and stage == (record.stage or track.stages[0]):
            stages[stage.value] = StageStatus(
                state=StageState.FAILED,
                reason=record.reason,
                message="failed when it ran; raise train.revision",
            )
            break
        stages[stage.value] = StageStatus(state=StageState.SUCCEEDED)
    return RunStatus(
        id=record.id,
        revision=record.revision,
        stages=stages,
        started_at=record.started_at,
        finished_at=record.finished_at,
    )


def close(run: RunStatus, observed: Observed, gpu_resource: str, now: datetime) -> RunStatus:
    """The run with the GPU time of what still works: it is stopped, because another one takes its place."""
    run_hash = names.run_hash(run.id, run.revision)

    def closed(stage: str, status: StageStatus) -> StageStatus:
        pods = pods_of_stage(observed.pods, run_hash, stage)
        stopped = status.state is StageState.RUNNING
        return count_gpu_seconds(status, pods, gpu_resource, now, stopped=stopped)

    return run.model_copy(
        update={"stages": {stage: closed(stage, status) for stage, status in run.stages.items()}}
    )


def record_of(run: RunStatus, figures: Figures, now: datetime, *, replaced: bool) -> RunRecord | None:
    """The run's record: when it has ended, or when another one takes its place."""
    stages = [(stage.value, run.stages[stage.value]) for stage in Stage if stage.value in run.stages]
    failures = [(stage, status) for stage, status in stages if status.state is StageState.FAILED]
    failed = min(failures, key=lambda item: item[1].reason == STOPPED, default=(None, None))[0]
    if failed is not None:
        outcome, stage, reason = FAILED, failed, run.stages[failed].reason
    elif run.finished_at is not None:
        outcome, stage, reason = SUCCEEDED, None, None
    elif replaced and has_begun(run):
        left = (stage for stage, status in stages if status.state is not StageState.SUCCEEDED)
        outcome, stage, reason = STOPPED, next(left, None), "Replaced"
    else:
        return None
    return RunRecord(
        **figures.model_dump(by_alias=False),
        id=run.id,
        revision=run.revision,
        outcome=outcome,
        stage=stage,
        reason=reason,
        started_at=run.started_at,
        finished_at=run.finished_at or now,
        gpu_seconds=sum(status.gpu_seconds for _, status in stages),
    )


def remember(records: Sequence[RunRecord], record: RunRecord | None) -> list[RunRecord]:
    """The records with this one, newest last, ten at most."""
    if record is None:
        return list(records)
    others = [old for old in records if (old.id, old.revision) != (record.id, record.revision)]
    return [*others, record][-MAX_RECORDS:]
