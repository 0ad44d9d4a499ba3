"""What is worth telling about a change: `reports_between(before, after, now)`, by values alone.

Told are each change of the legacy status word, each finished epoch, and the end. A report that is made again
from the same status, by an operator that was started again, has the same id.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ocr_contract import legacy_view
from ocr_contract.names import run_hash, test_hash
from ocr_contract.project import Project, RunState, from_object
from ocr_contract.status import RunStatus, TestReport, TestRunStatus, TrainingReport
from ocr_operator.documents import Document
from ocr_operator.store import Key, key_of

TOLD_AGAIN = timedelta(hours=1)
"""An end is told again by an operator that starts so soon after it: the one before may have had no time."""


class Happening(StrEnum):
    PROGRESSED = "progressed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """One thing to be told, ready to be sent to anybody."""

    id: str
    project: Key
    run: str
    """The platform's trainID or testID."""
    line: str
    """"train" or "test", as in spec and status."""
    happening: Happening
    occurred: datetime
    """By the status itself: the same whenever the report is made."""
    body: bytes
    """The JSON that `/status` answers."""
    circumstances: Document
    """Phase, stage, progress and conditions, for those who know Kubernetes."""

    @property
    def is_end(self) -> bool:
        return self.happening is not Happening.PROGRESSED


def reports_between(before: Document | None, after: Document, now: datetime) -> tuple[Report, ...]:
    """What happened from one state of the project to the next; None: it is seen for the first time."""
    known = {line.key: line for line in _lines(before)} if before is not None else {}
    return tuple(_report(after, line) for line in _lines(after) if _is_news(known.get(line.key), line, now))


@dataclass(frozen=True)
class _Line:
    """A training or a test, as far as it can be news."""

    key: tuple[str, str, str]
    """The project's uid, the line's kind, its hash."""
    project: Project
    run: str
    happening: Happening
    occurred: datetime
    word: str
    epochs: tuple[int, ...]
    """Epochs finished by each model."""


def _is_news(known: _Line | None, line: _Line, now: datetime) -> bool:
    if known is None:
        return line.happening is Happening.PROGRESSED or line.occurred >= now - TOLD_AGAIN
    finished = any(epoch > old for epoch, old in zip(line.epochs, known.epochs, strict=True))
    return line.word != known.word or finished


def _lines(document: Document) -> Iterator[_Line]:
    uid, project = document["metadata"]["uid"], from_object(document)
    if project.train_id is not None:
        yield _train_line(uid, project, project.train_id)
    if project.test_id is not None:
        yield _test_line(uid, project, project.test_id)


def _train_line(uid: str, project: Project, run: str) -> _Line:
    reports = project.train_reports
    models = (reports.detection, reports.recognition)
    return _Line(
        key=(uid, "train", run_hash(run, project.revision)),
        project=project,
        run=run,
        happening=_happening(project.train_state),
        occurred=_occurred(project, project.train_state, project.run, models),
        word=legacy_view.train_word(project),
        epochs=tuple(_finished_epochs(report) for report in models),
    )


def _test_line(uid: str, project: Project, run: str) -> _Line:
    return _Line(
        key=(uid, "test", test_hash(run, project.test_revision)),
        project=project,
        run=run,
        happening=_happening(project.test_state),
        occurred=_occurred(project, project.test_state, project.test_run, [project.test_reports.test]),
        word=legacy_view.test_word(project),
        epochs=(),
    )


def _happening(state: RunState | None) -> Happening:
    ends = {RunState.SUCCEEDED: Happening.SUCCEEDED, RunState.FAILED: Happening.FAILED}
    return ends.get(state or RunState.ACTIVE, Happening.PROGRESSED)


def _finished_epochs(report: TrainingReport | None) -> int:
    """Epochs that have ended: the current one when all of its images were seen, else those before it."""
    if report is None:
        return 0
    ended = 0 < report.total_images <= report.images_seen
    return report.epoch if ended else max(0, report.epoch - 1)


def _occurred(
    project: Project,
    state: RunState | None,
    run: RunStatus | TestRunStatus | None,
    reports: Sequence[TrainingReport | TestReport | None],
) -> datetime:
    """When the line came to be as it is."""
    if state in (RunState.SUCCEEDED, RunState.FAILED):
        conditions = project.status.conditions
        refusals = (c.last_transition_time for c in conditions if (c.type, c.status) == ("Failed", "True"))
        return (run.finished_at if run else None) or next(refusals, project.created)
    times = [run.started_at if run else None, *(report.updated_at if report else None for report in reports)]
    return max((time for time in times if time is not None), default=project.created)


def _report(document: Document, line: _Line) -> Report:
    answer = legacy_view.train_answer if line.key[1] == "train" else legacy_view.test_answer
    body = answer(line.project).model_dump_json().encode()
    identity = json.dumps([*line.key, line.occurred.isoformat()]).encode() + body
    status = document.get("status") or {}
    return Report(
        id=f"msg_{hashlib.sha256(identity).hexdigest()[:32]}",
        project=key_of(document),
        run=line.run,
        line=line.key[1],
        happening=line.happening,
        occurred=line.occurred,
        body=body,
        circumstances={
            name: status[name] for name in ("phase", "stage", "progress", "conditions") if name in status
        },
    )
