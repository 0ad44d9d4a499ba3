"""An OcrProject read leniently: the few fields that the facade's answers and the operator's reports need.

The cluster may hold resources written by a newer or older release; a field this release doesn't know, or
can't read, must never keep the others from being answered.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import ValidationError

from ocr_contract.names import run_hash, test_hash
from ocr_contract.resource import GROUP
from ocr_contract.status import OcrProjectStatus, RunStatus, StageState, TestRunStatus, TrainerStatus

logger = logging.getLogger(__name__)

ANNOTATION_TRAIN_STARTED = f"{GROUP}/train-started-at"
ANNOTATION_TEST_STARTED = f"{GROUP}/test-started-at"
"""When the facade started it: the platform asks for "the run started last" before the operator knows it."""


class RunState(StrEnum):
    """Where a run or a test stands, as far as starting and stopping it goes."""

    ACTIVE = "active"
    """Queued, starting or running."""
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


PartName = Literal["train", "test"]
"""As spec and status call them."""


@dataclass(frozen=True)
class Part:
    """What a project's training and its test have in common."""

    id: str | None
    """trainID or testID that spec asks for; None: nothing was ever asked for."""
    revision: int
    state: RunState | None
    run: RunStatus | TestRunStatus | None
    """None until the operator has seen it."""
    message: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """`train` and `test` are the raw parts of spec: {} where there is none."""

    name: str
    project_id: str
    resource_version: str
    generation: int
    created: datetime
    annotations: Mapping[str, str]
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    status: OcrProjectStatus

    @property
    def train_id(self) -> str | None:
        return self.train.get("id")

    @property
    def revision(self) -> int:
        return int(self.train.get("revision", 0))

    def epochs(self, model: str) -> int:
        """What spec asks of `detection` or `recognition`; 0 where it can't be read."""
        settings = self.train.get(model)
        epochs = settings.get("epochs") if isinstance(settings, Mapping) else None
        return epochs if isinstance(epochs, int) else 0

    @property
    def test_id(self) -> str | None:
        return self.test.get("id")

    @property
    def test_revision(self) -> int:
        return int(self.test.get("revision") or 0)

    @property
    def train_reports(self) -> TrainerStatus:
        """What the trainer has reported of the run that spec asks for."""
        return self.status.trainer.of_run(run_hash(self.train_id or "", self.revision))

    @property
    def test_reports(self) -> TrainerStatus:
        """The same for the test."""
        return self.status.trainer.of_run(test_hash(self.test_id or "", self.test_revision))

    @property
    def run(self) -> RunStatus | None:
        """What the operator says about the run that spec asks for: None until it has seen it."""
        run = self.status.train
        if run is None or (run.id, run.revision) != (self.train_id, self.revision):
            return None
        return run

    @property
    def test_run(self) -> TestRunStatus | None:
        """The same for the test."""
        test = self.status.test
        if test is None or (test.id, test.revision) != (self.test_id, self.test_revision):
            return None
        return test

    @property
    def train_state(self) -> RunState | None:
        """None: no training was ever asked for."""
        if self.train_id is None:
            return None
        return self._state(self.run, bool(self.train.get("suspend")))

    @property
    def test_state(self) -> RunState | None:
        if self.test_id is None:
            return None
        return self._state(self.test_run, bool(self.test.get("suspend")))

    def _state(self, run: RunStatus | TestRunStatus | None, suspend: bool) -> RunState:
        failed = any(stage.state == StageState.FAILED for stage in run.stages.values()) if run else False
        if failed or (run is None and self._refused is not None):
            return RunState.FAILED
        if run is not None and run.finished_at is not None:
            return RunState.SUCCEEDED
        return RunState.SUSPENDED if suspend else RunState.ACTIVE

    @property
    def _refused(self) -> str | None:
        """The operator's sentence where it refused the spec as it stands now, before any stage."""
        for condition in self.status.conditions:
            current = condition.observed_generation >= self.generation
            if condition.type == "Failed" and condition.status == "True" and current:
                return condition.message or condition.reason
        return None

    @property
    def train_message(self) -> str:
        """Why the run failed or what it waits for, in the operator's words; else empty."""
        return self._message(self.run)

    @property
    def test_message(self) -> str:
        return self._message(self.test_run)

    def _message(self, run: RunStatus | TestRunStatus | None) -> str:
        failed = [s for s in run.stages.values() if s.state == StageState.FAILED] if run else []
        if failed:
            # A stage that was stopped because another one failed explains nothing.
            culprit = min(failed, key=lambda stage: stage.reason == "Stopped")
            return culprit.message or culprit.reason or "the stage failed"
        if run is None and self._refused:
            return self._refused
        waiting = (c.message for c in self.status.conditions if c.type == "Waiting" and c.status == "True")
        return next(waiting, "") if run is None or run.finished_at is None else ""

    def part(self, name: PartName) -> Part:
        """The training or the test that spec asks for."""
        if name == "train":
            return Part(
                self.train_id, self.revision, self.train_state, self.run, self.train_message, self.train
            )
        return Part(
            self.test_id, self.test_revision, self.test_state, self.test_run, self.test_message, self.test
        )

    @property
    def train_started(self) -> datetime | None:
        """When the training was started, for "the run started last"; None: never."""
        if self.train_id is None:
            return None
        return self._started(ANNOTATION_TRAIN_STARTED, self.run)

    @property
    def test_started(self) -> datetime | None:
        if self.test_id is None:
            return None
        return self._started(ANNOTATION_TEST_STARTED, self.test_run)

    @property
    def test_is_last(self) -> bool:
        """Whether the test was started after the training."""
        return self.test_started is not None and (
            self.train_started is None or self.test_started > self.train_started
        )

    def _started(self, annotation: str, run: RunStatus | TestRunStatus | None) -> datetime:
        times = [self.created, _time(self.annotations.get(annotation)), run.started_at if run else None]
        return max(time for time in times if time is not None)


def from_object(document: Mapping[str, Any]) -> Project:
    """The project in an object as the API server sends it."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    return Project(
        name=metadata["name"],
        project_id=spec.get("projectID") or metadata["name"],
        resource_version=metadata.get("resourceVersion", ""),
        generation=metadata.get("generation", 0),
        created=_time(metadata.get("creationTimestamp")) or datetime.min.replace(tzinfo=UTC),
        annotations=metadata.get("annotations") or {},
        train=spec.get("train") or {},
        test=spec.get("test") or {},
        status=_status(metadata["name"], document.get("status") or {}),
    )


def last_started(projects: Iterable[Project]) -> Project | None:
    """The project in which a training or a test was started last; None: nothing was ever started."""
    started = [
        (time, project)
        for project in projects
        for time in (project.train_started, project.test_started)
        if time is not None
    ]
    return max(started, key=lambda pair: pair[0])[1] if started else None


def _status(name: str, status: Mapping[str, Any]) -> OcrProjectStatus:
    try:
        return OcrProjectStatus.model_validate(status)
    except ValidationError as error:
        # A part that can't be read is left out: the rest still answers.
        unreadable = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        logger.warning("Left out unreadable status of %s: %s", name, ", ".join(sorted(unreadable)))
        rest = {key: value for key, value in status.items() if key not in unreadable}
        return OcrProjectStatus.model_validate(rest)


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
