"""What the pages of a project and of a run show of a training: plain values, made of what the cache holds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocr_api.v1.documents import RunDocument
from ocr_contract.project import Project, RunState
from ocr_contract.spec import Order
from ocr_contract.stages import Stage
from ocr_contract.status import Phase, StageState, StageStatus, TrainingReport

_PHASES = {
    Stage.PREPARE: Phase.PREPARING,
    Stage.DETECTION: Phase.TRAINING,
    Stage.RECOGNITION: Phase.TRAINING,
    Stage.PACKAGE: Phase.PACKAGING,
    Stage.TEST: Phase.TESTING,
}
_ENDS = {
    RunState.SUCCEEDED: Phase.SUCCEEDED,
    RunState.FAILED: Phase.FAILED,
    RunState.SUSPENDED: Phase.SUSPENDED,
}
_SETTINGS = ("train", "resources", "scheduling", "limits", "gates")
_NO_SETTINGS = ("train.revision", "train.suspend")
"""They change while the page is open; its timeline tells of them."""


@dataclass(frozen=True)
class StageRow:
    """A line of the timeline. Shares are of the time from the run's start to its end, or to now."""

    name: str
    state: str
    """A StageState, or `Queued`: its Job is there and doesn't work yet."""
    queued_seconds: float | None
    started: datetime | None
    worked_seconds: float | None
    attempts: int
    restarts: int
    gpu_seconds: float
    message: str
    queued_share: tuple[float, float]
    """(where it begins, how long it is), percent."""
    worked_share: tuple[float, float]


@dataclass(frozen=True)
class Actions:
    """What makes sense now."""

    stop: bool
    resume: bool
    retry: bool
    download: bool
    test: bool
    stops_for_retry: str | None
    """The present training that would be stopped for this one."""


@dataclass(frozen=True)
class RunView:
    run: RunDocument
    phase: str
    message: str
    stages: list[StageRow]
    actions: Actions
    model_of: str | None
    """The run whose model a test would use."""
    marks: dict[str, str]
    """Change when curves, findings or dictionary have to be fetched again."""


def view_of(project: Project, run: RunDocument, now: datetime) -> RunView:
    """One training of the project."""
    reports = project.train_reports if run.current else None
    model = project.status.model
    return RunView(
        run=run,
        phase=phase_of(run).value,
        message=run.message or run.reason or "",
        stages=_timeline(run, project.train.get("order") == Order.PARALLEL, now),
        actions=_actions(project, run),
        model_of=model.train_id if model else None,
        marks={
            "detection": _mark(run, Stage.DETECTION, reports.detection if reports else None),
            "recognition": _mark(run, Stage.RECOGNITION, reports.recognition if reports else None),
            "dataset": _mark(run, Stage.PREPARE, None),
        },
    )


def phase_of(run: RunDocument) -> Phase:
    """What a badge says of it."""
    if run.state != RunState.ACTIVE:
        return _ENDS[run.state]
    working = (Stage(name) for name, stage in run.stages.items() if stage.state == StageState.RUNNING)
    return next((_PHASES[name] for name in working), Phase.PENDING)


def settings_of(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What spec says of a training, nested keys dotted: `train.detection.epochs`; not what is empty."""
    pairs = (pair for part in _SETTINGS if part in spec for pair in _flat(part, spec[part]))
    return [(name, value) for name, value in pairs if name not in _NO_SETTINGS]


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif value not in ("", None, []):
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _actions(project: Project, run: RunDocument) -> Actions:
    present_works = not run.current and project.train_state == RunState.ACTIVE
    package = run.stages.get(Stage.PACKAGE)
    packaged = package is not None and package.state == StageState.SUCCEEDED
    return Actions(
        stop=run.current and run.state == RunState.ACTIVE,
        resume=run.current and run.state == RunState.SUSPENDED,
        retry=not run.current or run.state in (RunState.SUCCEEDED, RunState.FAILED),
        download=packaged or run.state == RunState.SUCCEEDED,
        test=project.status.model is not None,
        stops_for_retry=project.train_id if present_works else None,
    )


def _mark(run: RunDocument, stage: Stage, report: TrainingReport | None) -> str:
    known = run.stages.get(stage, StageStatus())
    learned = f"{report.epoch}/{report.percent}" if report else ""
    return f"{run.revision}/{known.state}/{known.attempts}/{learned}"


def _timeline(run: RunDocument, parallel: bool, now: datetime) -> list[StageRow]:
    if run.started_at is None:
        return [_row(name, run.stages[name], None, None, now) for name in _ordered(run)]
    ended = run.finished_at or max([now, *(s.finished_at for s in run.stages.values() if s.finished_at)])
    frame = (run.started_at, ended)
    return [_row(name, run.stages[name], _due(name, run, parallel), frame, now) for name in _ordered(run)]


def _ordered(run: RunDocument) -> list[str]:
    return [stage for stage in Stage if stage in run.stages]


def _due(name: str, run: RunDocument, parallel: bool) -> datetime | None:
    """From when on nothing of its own run held the stage up; None: something still does."""
    place = list(Stage).index(Stage(name))
    before = list(Stage)[:place]
    if parallel and name == Stage.RECOGNITION:
        before.remove(Stage.DETECTION)
    ends = [run.stages[other].finished_at for other in before if other in run.stages]
    known = [end for end in ends if end is not None]
    return max([*known, run.started_at], default=None) if len(known) == len(ends) and run.started_at else None


def _row(
    name: str,
    stage: StageStatus,
    due: datetime | None,
    frame: tuple[datetime, datetime] | None,
    now: datetime,
) -> StageRow:
    queued = stage.state == StageState.PENDING and stage.attempts > 0
    over = stage.finished_at or (now if stage.state == StageState.RUNNING else None)
    waited_until = stage.started_at or (now if queued else None)
    return StageRow(
        name=name,
        state="Queued" if queued else stage.state.value,
        queued_seconds=_seconds(due, waited_until),
        started=stage.started_at,
        worked_seconds=_seconds(stage.started_at, over),
        attempts=stage.attempts,
        restarts=stage.restarts,
        gpu_seconds=stage.gpu_seconds,
        message=stage.message or stage.reason or "",
        queued_share=_share(due, waited_until, frame),
        worked_share=_share(stage.started_at, over, frame),
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())


def _share(
    start: datetime | None, end: datetime | None, frame: tuple[datetime, datetime] | None
) -> tuple[float, float]:
    if start is None or end is None or frame is None or end <= start:
        return 0.0, 0.0
    first, last = frame
    whole = max(1.0, (last - first).total_seconds())
    left = min(100.0, max(0.0, 100 * (start - first).total_seconds() / whole))
    return round(left, 2), round(min(100.0 - left, 100 * (end - start).total_seconds() / whole), 2)
