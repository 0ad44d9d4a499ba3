"""What the operator does, as numbers for Prometheus. No project has a label: there may be any number of them.

Jobs, GPU seconds, stages and runs are counted when the status that speaks of them is written, by what it says
more than the one before: a Job that was adopted after a crash counts once, an operator that starts counts
nothing that it finds, and of several replicas only the one that works counts. Counters stand at 0 from the
start: Prometheus sees no increase in a figure that wasn't there before.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.aiohttp import make_aiohttp_handler

from ocr_contract.stages import Stage
from ocr_contract.status import StageState
from ocr_operator.documents import Document, parse_time
from ocr_operator.gauges import Gauges
from ocr_operator.records import STOPPED
from ocr_operator.telling.delivery import Outcome

_RECONCILE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE_BUCKETS = (10, 30, 60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 72 * 3600)
_ATTEMPT_BUCKETS = (1, 2, 3, 5, 10)
_ENDS = {StageState.SUCCEEDED.value: "succeeded", StageState.FAILED.value: "failed"}
_LINES = ("train", "test")


class Metrics:
    """All figures, in the registry that is given."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry
        self._clock = clock
        self._heard: dict[str, float] = {}
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"ocr_operator_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"ocr_operator_{name}", text, labels, registry=registry, buckets=buckets)

        self._reconciles = counter("reconciles_total", "Reconciles by result: done, error, defect.", "result")
        self._reconcile_seconds = histogram(
            "reconcile_duration_seconds", "How long a reconcile took.", _RECONCILE_BUCKETS
        )
        self._jobs = counter("jobs_created_total", "Jobs created, one for each attempt at a stage.", "stage")
        self._gpu_seconds = counter(
            "gpu_seconds_total", "GPUs times the seconds for which stages held them.", "stage"
        )
        self._stage_seconds = histogram(
            "stage_duration_seconds",
            "From a stage's first pod to its end; 0 where none ever started.",
            _STAGE_BUCKETS,
            "stage",
            "outcome",
        )
        self._attempts = histogram(
            "stage_attempts", "Jobs that a stage needed.", _ATTEMPT_BUCKETS, "stage", "outcome"
        )
        self._reports = counter("reports_total", "Reports by what became of them.", "receiver", "outcome")
        self._retries = counter("report_retries_total", "Reports to be sent once more.", "receiver")
        self._runs = counter("runs_total", "Runs and tests that have ended.", "line", "outcome")
        self._ages = Gauge(
            "ocr_operator_watch_event_age_seconds", "Since the last watch event.", ["kind"], registry=registry
        )
        self._begin()

    def _begin(self) -> None:
        for outcome in _ENDS.values():
            for line in _LINES:
                self._runs.labels(line, outcome)
            for stage in Stage:
                self._stage_seconds.labels(stage, outcome)
                self._attempts.labels(stage, outcome)
        for stage in Stage:
            self._jobs.labels(stage)
            self._gpu_seconds.labels(stage)

    def route(self) -> web.RouteDef:
        """The page."""
        return web.get("/metrics", make_aiohttp_handler(self.registry))

    def reconciled(self, result: str, seconds: float) -> None:
        """A worker has looked at a project."""
        self._reconciles.labels(result).inc()
        self._reconcile_seconds.observe(seconds)

    def heard(self, kind: str) -> None:
        """The watch of that kind has brought an event."""
        if kind not in self._heard:
            self._ages.labels(kind).set_function(lambda: self._clock() - self._heard[kind])
        self._heard[kind] = self._clock()

    def reported(self, receiver: str, outcome: Outcome) -> None:
        """A delivery says what became of a report."""
        if outcome is Outcome.RETRIED:
            self._retries.labels(receiver).inc()
        else:
            self._reports.labels(receiver, outcome).inc()

    def wrote_status(self, before: Document, after: Document) -> None:
        """A worker has written a project's status."""
        for line in _LINES:
            known, run = _run(before, line, like=after), _run(after, line, like=after)
            stages_known, stages = known.get("stages") or {}, run.get("stages") or {}
            for name, stage in stages.items():
                if name in set(Stage):
                    self._count_stage(name, stages_known.get(name) or {}, stage)
            if run.get("finishedAt") and not known.get("finishedAt") and not _is_recorded(before, line, run):
                failed = any(stage.get("state") == StageState.FAILED for stage in stages.values())
                self._runs.labels(line, "failed" if failed else "succeeded").inc()

    def _count_stage(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        def risen(field: str) -> float:
            return max(0.0, float(after.get(field) or 0) - float(before.get(field) or 0))

        self._jobs.labels(name).inc(risen("attempts"))
        self._gpu_seconds.labels(name).inc(risen("gpuSeconds"))
        outcome = _ENDS.get(str(after.get("state")))
        if outcome is None or before.get("state") == after["state"] or not after.get("attempts"):
            return
        started, finished = parse_time(after.get("startedAt")), parse_time(after.get("finishedAt"))
        seconds = (finished - started).total_seconds() if started and finished else 0.0
        self._stage_seconds.labels(name, outcome).observe(max(0.0, seconds))
        self._attempts.labels(name, outcome).observe(int(after["attempts"]))

    def show(self, gauges: Gauges) -> None:
        """Let the page tell, too, what these read when it is asked for."""
        for delivery in gauges.deliveries:
            self._retries.labels(delivery.name)
            for outcome in (Outcome.SENT, Outcome.FAILED, Outcome.DROPPED):
                self._reports.labels(delivery.name, outcome)
        self.registry.register(gauges)


def _run(project: Document, line: str, like: Document) -> Mapping[str, Any]:
    """The line's run, if it is the one that `like` speaks of."""

    def run(document: Document) -> Mapping[str, Any]:
        return (document.get("status") or {}).get(line) or {}

    ours, theirs = run(project), run(like)
    same = (ours.get("id"), ours.get("revision")) == (theirs.get("id"), theirs.get("revision"))
    return ours if same else {}


def _is_recorded(project: Document, line: str, run: Mapping[str, Any]) -> bool:
    """Whether the run had ended long ago and was only named again. Older statuses know no revisions."""
    records = (project.get("status") or {}).get("runs") or ()
    ended = {_named(record) for record in records if record.get("outcome") != STOPPED}
    return line == "train" and _named(run) in ended


def _named(run: Mapping[str, Any]) -> tuple[str, int]:
    return str(run.get("id")), int(run.get("revision") or 0)
