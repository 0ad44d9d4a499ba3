"""A project's two lines of work, each one step further: the training, and a test of its own.

The training goes first, and all that follows from it for the project: its verdict, the model, the records.
What the test may do depends on them.
"""

from dataclasses import dataclass
from datetime import datetime

from ocr_contract import names
from ocr_contract.resource import LABEL_RUN, LABEL_STAGE
from ocr_contract.spec import OcrProjectSpec
from ocr_contract.stages import Stage
from ocr_contract.status import Figures, ModelStatus, OcrProjectStatus, RunRecord, RunStatus
from ocr_operator import conditions
from ocr_operator.decision import Observed
from ocr_operator.documents import Document, labels_of
from ocr_operator.plan import Track, tracks
from ocr_operator.pods import is_over
from ocr_operator.project_model import hinder_test, is_of, model_path, next_model, verdict_on
from ocr_operator.quality import Verdict, merged, reported_figures
from ocr_operator.records import SUCCEEDED, close, find_record, has_begun, record_of, remember
from ocr_operator.run_machine import AnyRun, RunContext, RunStep, advance, begin
from ocr_operator.stage_machine import unfinished
from ocr_operator.waiting import STARTING, Waiting


@dataclass(frozen=True)
class Training:
    """The training line, and what follows from it for the project."""

    step: RunStep | None
    verdict: Verdict | None
    model: ModelStatus | None
    records: list[RunRecord]

    @property
    def run(self) -> RunStatus | None:
        """The run's next status."""
        run = self.step.run if self.step else None
        assert run is None or isinstance(run, RunStatus), "a training line has a run"
        return run

    @property
    def ends_now(self) -> bool:
        """Whether it was not known until now that the run has succeeded."""
        return self.step is not None and self.step.outcome == SUCCEEDED and not self.step.ended_before


class Lines:
    """The values that both lines' steps need."""

    def __init__(
        self,
        name: str,
        spec: OcrProjectSpec,
        before: OcrProjectStatus,
        observed: Observed,
        gpu_resource: str,
        now: datetime,
    ) -> None:
        self.name, self.spec, self.before = name, spec, before
        self.observed, self.gpu_resource, self.now = observed, gpu_resource, now
        self.project_id = spec.project_id or name
        self.tracks = {track.kind: track for track in tracks(spec)}
        self.unfinished = unfinished(observed.jobs)
        self.conditions = {condition.type: condition for condition in before.conditions}

    def training(self) -> Training:
        """The training's next step and what follows from it."""
        track, model, records = self.tracks.get("train"), self.before.model, self.before.runs
        old = self.before.train
        if old is not None and (track is None or (old.id, old.revision) != (track.id, track.revision)):
            closed = close(old, self.observed, self.gpu_resource, self.now)
            records = remember(records, self._record(closed, replaced=True))
        if track is None:
            return Training(None, None, model, list(records))
        step = self._advance(track, old, self._blocked(), self._other_test(track, None))
        run = step.run
        assert isinstance(run, RunStatus), "a training line has a run"
        figures = self._figures(run)
        known = self.conditions.get(conditions.QUALITY_PASSED)
        verdict = verdict_on(step, self.spec.gates, figures, model, known)
        path = model_path(self.project_id, run.id)
        model = next_model(model, step, verdict, figures, path)
        return Training(step, verdict, model, remember(records, self._record(run, replaced=False)))

    def test(self, training: Training) -> RunStep | None:
        """The next step of a test of its own."""
        track, spec = self.tracks.get("test"), self.spec.test
        if track is None or spec is None:
            return None
        blocked = self._blocked() or hinder_test(
            spec, training.model, training.step, training.verdict, training.records
        )
        return self._advance(track, self.before.test, blocked, self._other_test(track, training.step))

    def _advance(
        self, track: Track, before: AnyRun | None, blocked: Waiting | None, test_held: Waiting | None
    ) -> RunStep:
        stalled = self.conditions.get(conditions.PROGRESS_STALLED)
        context = RunContext(
            project=self.name,
            limits=self.spec.limits,
            gpu_resource=self.gpu_resource,
            reports=self.before.trainer.of_run(track.hash),
            stall_known=stalled is not None and stalled.status == "True",
            blocked=blocked,
            test_held=test_held,
        )
        run = begin(track, before, self.before.runs)
        return advance(track, run, context, self.observed, self.now)

    def _blocked(self) -> Waiting | None:
        """What must change before any line may create Jobs."""
        if self.observed.claimed_by:
            return Waiting(
                "DuplicateProjectID",
                f"projectID {self.project_id!r} is the older OcrProject {self.observed.claimed_by!r}'s: "
                "delete one of the two",
            )
        live = {track.hash for track in self.tracks.values()}
        pods = (pod for pod in self.observed.pods if not is_over(pod))
        if any(_run_of(work) not in live for work in (*self.unfinished, *pods)):
            return Waiting(STARTING, "waits until the Job of the run before is gone")
        return None

    def _other_test(self, track: Track, training: RunStep | None) -> Waiting | None:
        """Run and test share one report of a test: two at once would hide each other's figures."""
        jobs = (job for job in self.unfinished if labels_of(job).get(LABEL_STAGE) == Stage.TEST)
        begins = training.steps.get(Stage.TEST) if training else None
        if any(_run_of(job) != track.hash for job in jobs) or (begins and begins.create is not None):
            return Waiting(
                "TestRuns", f"the test of {track.id!r} waits until the project's other test is done"
            )
        return None

    def _figures(self, run: RunStatus) -> Figures:
        """What was measured of the run, kept from when it was first reported."""
        known: Figures | None = find_record(self.before.runs, run.id, run.revision)
        if known is None and is_of(self.before.model, run):
            known = self.before.model
        reports = self.before.trainer.of_run(names.run_hash(run.id, run.revision))
        return merged(known, reported_figures(reports))

    def _record(self, run: RunStatus, *, replaced: bool) -> RunRecord | None:
        known = find_record(self.before.runs, run.id, run.revision)
        if known is not None and not has_begun(run):
            return known
        return record_of(run, self._figures(run), self.now, replaced=replaced)


def _run_of(work: Document) -> str | None:
    return labels_of(work).get(LABEL_RUN)
