"""What should be done about one OcrProject: `reconcile(project, observed, settings, now) -> Decision`.

Pure and level-triggered: it looks at what is, never at what happened, so a lost, late or repeated event
changes nothing, and asking again after the decision was carried out gives the same status and no action.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ocr_contract.resource import LABEL_RUN
from ocr_contract.spec import OcrProjectSpec, Train
from ocr_contract.stages import Stage
from ocr_contract.status import ModelStatus, OcrProjectStatus, RunRecord, RunStatus, StageState, TestRunStatus
from ocr_contract.volume import RunFolder, train_subpath
from ocr_operator import run_machine
from ocr_operator.decision import Decision, Observed
from ocr_operator.documents import Document, labels_of, name_of
from ocr_operator.manifests import StageJob, build_job
from ocr_operator.plan import Track, tracks
from ocr_operator.report import Picture, describe_project, events_between, invalid_project
from ocr_operator.run_machine import RunStep
from ocr_operator.settings import Settings
from ocr_operator.stage_machine import Waiting, deletable, unfinished


def reconcile(project: Document, observed: Observed, settings: Settings, now: datetime) -> Decision:
    """The operator's next move for the project."""
    before = OcrProjectStatus.model_validate(project.get("status") or {})
    try:
        spec = OcrProjectSpec.model_validate(project["spec"])
        _check_supported(spec)
    except (ValidationError, ValueError) as error:
        after = invalid_project(project, before, _in_plain_words(error), now)
        return Decision(_document(after), events=events_between(before, after, ()))
    return _Reconciliation(project, spec, before, observed, settings, now).decide()


class _Reconciliation:
    """The values that every step of one reconcile needs."""

    def __init__(
        self,
        project: Document,
        spec: OcrProjectSpec,
        before: OcrProjectStatus,
        observed: Observed,
        settings: Settings,
        now: datetime,
    ) -> None:
        self.project = project
        self.spec = spec
        self.before = before
        self.observed = observed
        self.settings = settings
        self.now = now
        self.name = name_of(project)
        self.project_id = spec.project_id or self.name
        self.tracks = tracks(spec)

    def decide(self) -> Decision:
        runs = {
            track.kind: run_machine.begin(track, getattr(self.before, track.kind), self.before.runs)
            for track in self.tracks
        }
        steps = [self._advance(track, runs[track.kind]) for track in self.tracks]
        verify = tuple(step.verify for run in steps for step in run.steps.values() if step.verify)
        if verify:
            return Decision({}, verify=verify)
        after = self._status(steps)
        keep = frozenset(step.keep for run in steps for step in run.steps.values() if step.keep)
        creates = tuple(manifest for run in steps for manifest in self._creates(run))
        delays = [step.requeue_after for run in steps for step in run.steps.values() if step.requeue_after]
        return Decision(
            _document(after),
            deletes=deletable(self.observed.jobs, keep),
            creates=creates,
            events=events_between(self.before, after, tuple(name_of(manifest) for manifest in creates)),
            requeue_after=min(delays, default=None),
        )

    def _advance(self, track: Track, run: run_machine.AnyRun) -> RunStep:
        return run_machine.advance(
            track,
            run,
            self._blocked(track),
            self.observed,
            self.now,
            project=self.name,
            startup_deadline=self.spec.limits.startup_deadline_seconds,
            gpu_resource=self.settings.gpu_resource,
        )

    def _blocked(self, track: Track) -> Waiting | None:
        """What must change before the line may create Jobs."""
        if self.observed.claimed_by:
            return Waiting(
                "DuplicateProjectID",
                f"projectID {self.project_id!r} is the older OcrProject {self.observed.claimed_by!r}'s: "
                "delete one of the two",
            )
        live = {track.hash for track in self.tracks}
        if any(labels_of(job).get(LABEL_RUN) not in live for job in unfinished(self.observed.jobs)):
            return Waiting("Starting", "waits until the Job of the run before is gone")
        return self._missing_model(track) if track.kind == "test" else None

    def _missing_model(self, track: Track) -> Waiting | None:
        model, train = self.before.model, self.spec.train
        if model is None:
            then = "it starts when a run is packaged" if train else "train one first: set spec.train"
            return Waiting(
                "NoModel", f"test {track.id!r} needs a model, and this project has none yet; {then}"
            )
        if train is not None and train.id == model.train_id and train.revision != model.revision:
            return Waiting(
                "ModelInTraining", f"run {train.id!r} is trained again; its new model will be tested"
            )
        return None

    def _creates(self, run: RunStep) -> list[dict[str, Any]]:
        return [
            build_job(self._stage_job(run.track, stage, step.create), self.spec, self.settings)
            for stage, step in run.steps.items()
            if step.create is not None
        ]

    def _stage_job(self, track: Track, stage: Stage, attempt: int) -> StageJob:
        own_test = self.spec.test if track.kind == "test" else None
        return StageJob(
            namespace=self.project["metadata"]["namespace"],
            name=self.name,
            uid=self.project["metadata"]["uid"],
            project_id=self.project_id,
            run=track.hash,
            stage=stage,
            attempt=attempt,
            train=self._tested_run() if own_test else self._train(),
            test=own_test,
        )

    def _train(self) -> Train:
        assert self.spec.train is not None, "a training line has a spec"
        return self.spec.train

    def _tested_run(self) -> Train:
        """The run whose model is tested; its settings are known only while the spec still names it."""
        model, train = self.before.model, self.spec.train
        assert model is not None, "a test without a model is blocked"
        if train is not None and (train.id, train.revision) == (model.train_id, model.revision):
            return train
        return Train(id=model.train_id, revision=model.revision)

    def _status(self, steps: Sequence[RunStep]) -> OcrProjectStatus:
        train = next((step.run for step in steps if isinstance(step.run, RunStatus)), None)
        test = next((step.run for step in steps if isinstance(step.run, TestRunStatus)), None)
        model = self._model(train)
        picture = Picture(self.project, self.spec, self.before, steps, model, self.observed, self.now)
        return describe_project(picture).model_copy(
            update={"train": train, "test": test, "model": model, "runs": self._records(train)}
        )

    def _records(self, train: RunStatus | None) -> list[RunRecord]:
        records = self.before.runs
        old = self.before.train
        if old is not None and (train is None or (old.id, old.revision) != (train.id, train.revision)):
            records = run_machine.remember(records, run_machine.record_of(old, self.now, replaced=True))
        if train is not None:
            records = run_machine.remember(records, run_machine.record_of(train, self.now, replaced=False))
        return list(records)

    def _model(self, train: RunStatus | None) -> ModelStatus | None:
        """The last packaged run's; a run that is restored from the records moves nothing."""
        package = train.stages.get(Stage.PACKAGE) if train else None
        if (
            train is None
            or package is None
            or package.state is not StageState.SUCCEEDED
            or not package.attempts
        ):
            return self.before.model
        path = RunFolder(Path(train_subpath(self.project_id, train.id))).model_zip
        return ModelStatus(train_id=train.id, revision=train.revision, path=path.as_posix())


def _check_supported(spec: OcrProjectSpec) -> None:
    if spec.resources.nodes > 1:
        raise ValueError("resources.nodes: this release trains on one node; set it to 1")


def _in_plain_words(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problems = [
        f"spec.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    ]
    return "; ".join(problems)


def _document(status: OcrProjectStatus) -> Mapping[str, Any]:
    """The operator's part of the status as the API server stores it; `trainer` is the trainer's."""
    return status.model_dump(mode="json", exclude_none=True, exclude={"trainer"})
