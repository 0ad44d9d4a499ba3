"""What should be done about one OcrProject: `reconcile(project, observed, settings, now) -> Decision`.

Pure and level-triggered: it looks at what is, never at what happened, so a lost, late or repeated event
changes nothing, and asking again after the decision was carried out gives the same status and no action.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ocr_contract.spec import Limits, OcrProjectSpec
from ocr_contract.stages import Stage
from ocr_contract.status import ModelStatus, OcrProjectStatus
from ocr_operator.decision import Decision, Observed
from ocr_operator.documents import Document, is_being_deleted, name_of
from ocr_operator.events import events_between
from ocr_operator.lines import Lines, Training
from ocr_operator.lost_nodes import LostPods, find_lost_pods
from ocr_operator.manifests import StageJob, build_job
from ocr_operator.plan import Track
from ocr_operator.project_model import tested_run
from ocr_operator.report import Picture, describe_project, invalid_project
from ocr_operator.run_machine import RunStep
from ocr_operator.settings import Settings
from ocr_operator.stage_machine import deletable


def reconcile(project: Document, observed: Observed, settings: Settings, now: datetime) -> Decision:
    """The operator's next move for the project."""
    if is_being_deleted(project):
        return _leave(project, observed, now)
    before = OcrProjectStatus.model_validate(project.get("status") or {})
    try:
        spec = OcrProjectSpec.model_validate(project["spec"])
        _check_supported(spec)
    except (ValidationError, ValueError) as error:
        after = invalid_project(project, before, _in_plain_words(error), now)
        return Decision(_document(after), events=events_between(before, after, (), ()))
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
        self.project, self.spec, self.before = project, spec, before
        self.observed, self.settings, self.now = observed, settings, now
        self.lines = Lines(name_of(project), spec, before, observed, settings.gpu_resource, now)

    def decide(self) -> Decision:
        training = self.lines.training()
        test = self.lines.test(training)
        runs = [run for run in (training.step, test) if run]
        steps = [step for run in runs for step in run.steps.values()]
        verify = tuple(step.verify for step in steps if step.verify)
        # A run that ends is judged by its last report: the project is read once before.
        unread = training.ends_now and not self.observed.project_verified
        unread = unread or any(step.verify_project for step in steps)
        if verify or unread:
            return Decision({}, verify=verify, verify_project=unread)
        lost = find_lost_pods(self.observed.pods, self.spec.limits.node_lost_seconds, self.now)
        after = self._status(training, test, runs, lost)
        creates = tuple(manifest for run in runs for manifest in self._creates(run, training.model))
        created = tuple(name_of(manifest) for manifest in creates)
        delays = [step.requeue_after for step in steps] + [lost.requeue_after]
        return Decision(
            _document(after),
            force_deletes=lost.force,
            deletes=deletable(self.observed.jobs, frozenset(step.keep for step in steps if step.keep)),
            creates=creates,
            events=events_between(self.before, after, created, lost.force),
            requeue_after=min((delay for delay in delays if delay), default=None),
        )

    def _creates(self, run: RunStep, model: ModelStatus | None) -> list[dict[str, Any]]:
        return [
            build_job(self._stage_job(run.track, stage, step.create, model), self.spec, self.settings)
            for stage, step in run.steps.items()
            if step.create is not None
        ]

    def _stage_job(self, track: Track, stage: Stage, attempt: int, model: ModelStatus | None) -> StageJob:
        train, own_test = self.spec.train, self.spec.test if track.kind == "test" else None
        if own_test:
            assert model is not None, "a test without a model is blocked"
            train = tested_run(model, train)
        assert train is not None, "a training line has a spec"
        return StageJob(
            namespace=self.project["metadata"]["namespace"],
            name=name_of(self.project),
            uid=self.project["metadata"]["uid"],
            project_id=self.lines.project_id,
            run=track.hash,
            stage=stage,
            attempt=attempt,
            train=train,
            test=own_test,
        )

    def _status(
        self, training: Training, test: RunStep | None, runs: list[RunStep], lost: LostPods
    ) -> OcrProjectStatus:
        picture = Picture(
            self.project, self.spec, self.before, runs, training.verdict, training.model, lost, self.now
        )
        return describe_project(picture).model_copy(
            update={
                "train": training.run,
                "test": test.run if test else None,
                "model": training.model,
                "runs": training.records,
            }
        )


def _leave(project: Document, observed: Observed, now: datetime) -> Decision:
    """A deleted project goes with its Jobs; it may still hang on a pod whose node is silent."""
    try:
        limits = OcrProjectSpec.model_validate(project["spec"]).limits
    except ValidationError:
        limits = Limits()
    lost = find_lost_pods(observed.pods, limits.node_lost_seconds, now)
    status = {name: part for name, part in (project.get("status") or {}).items() if name != "trainer"}
    return Decision(status, force_deletes=lost.force, requeue_after=lost.requeue_after)


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
