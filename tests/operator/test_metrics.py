"""The figures for Prometheus: what is counted, and that no number of projects makes more of them."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from metrics_page import MetricsPage
from ocr_operator.metrics import Metrics
from ocr_operator.store import Key, Store
from ocr_operator.telling.delivery import Delivery, Outcome
from ocr_operator.work_queue import WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(CollectorRegistry(), clock)


def page(metrics: Metrics) -> MetricsPage:
    return MetricsPage(generate_latest(metrics.registry).decode())


def project(name: str = "p", run: str = "r1", status: dict[str, Any] | None = None, **stages: Any) -> Any:
    metadata = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"}
    train = {"id": run, "revision": 0, "stages": stages}
    metadata["creationTimestamp"] = "2026-11-25T09:00:00Z"
    return {"metadata": metadata, "spec": {}, "status": status if status is not None else {"train": train}}


RUNNING = {"state": "Running", "attempts": 2, "gpuSeconds": 30.0, "startedAt": "2026-11-25T09:00:00Z"}
DONE = RUNNING | {"state": "Succeeded", "gpuSeconds": 50.5, "finishedAt": "2026-11-25T09:02:00Z"}


def test_a_stages_end_counts_its_seconds_attempts_and_gpu_time_once(metrics: Metrics) -> None:
    metrics.wrote_status(project(), project(detection=RUNNING))
    metrics.wrote_status(project(detection=RUNNING), project(detection=DONE))
    metrics.wrote_status(project(detection=DONE), project(detection=DONE))
    shown = page(metrics)
    assert shown.value("jobs_created_total", stage="detection") == 2
    assert shown.value("gpu_seconds_total", stage="detection") == 50.5
    labels = {"stage": "detection", "outcome": "succeeded"}
    assert shown.value("stage_duration_seconds_sum", **labels) == 120
    assert shown.value("stage_duration_seconds_count", **labels) == 1
    assert shown.value("stage_attempts_sum", **labels) == 2


def test_a_stage_that_never_started_counts_as_ended_after_no_time(metrics: Metrics) -> None:
    failed = {"state": "Failed", "attempts": 1, "finishedAt": "2026-11-25T09:02:00Z"}
    metrics.wrote_status(project(), project(prepare=failed))
    labels = {"stage": "prepare", "outcome": "failed"}
    assert page(metrics).value("stage_duration_seconds_count", **labels) == 1
    assert page(metrics).value("stage_duration_seconds_sum", **labels) == 0


def test_a_finished_run_that_is_named_again_counts_nothing(metrics: Metrics) -> None:
    restored = project(run="r0", detection={"state": "Succeeded"})
    metrics.wrote_status(project(detection=DONE), restored)
    assert page(metrics).values("stage_duration_seconds_count", "stage") == {}


def test_a_new_run_counts_from_nothing(metrics: Metrics) -> None:
    pending = {"state": "Pending", "attempts": 1}
    metrics.wrote_status(project(prepare=DONE), project(run="r2", prepare=pending))
    assert page(metrics).value("jobs_created_total", stage="prepare") == 1


def test_reconciles_are_counted_and_timed(metrics: Metrics) -> None:
    for result, seconds in (("done", 0.02), ("done", 0.2), ("error", 2)):
        metrics.reconciled(result, seconds)
    shown = page(metrics)
    assert shown.values("reconciles_total", "result") == {"done": 2, "error": 1}
    assert shown.value("reconcile_duration_seconds_sum") == pytest.approx(2.22)
    assert shown.value("reconcile_duration_seconds_bucket", le="0.025") == 1


def test_what_waits_is_read_when_it_is_asked_for(metrics: Metrics, clock: Clock) -> None:
    store, queue = Store(), WorkQueue[Key](clock)
    metrics.show(store, queue, [])
    assert page(metrics).value("queue_oldest_wait_seconds") == 0
    queue.add(("ns", "a"))
    clock.now += 3
    queue.add(("ns", "b"))
    metrics.heard("jobs")
    clock.now += 4
    shown = page(metrics)
    assert shown.value("queue_depth") == 2 and shown.value("queue_oldest_wait_seconds") == 7
    assert shown.values("watch_event_age_seconds", "kind") == {"jobs": 4}


def test_a_key_in_work_that_was_added_again_waits_since_then(clock: Clock) -> None:
    queue = WorkQueue[str](clock)

    async def scene() -> None:
        queue.add("a")
        await queue.get()
        assert queue.oldest_wait == 0
        clock.now += 5
        queue.add("a")
        clock.now += 2
        assert queue.oldest_wait == 2

    asyncio.run(scene())


def test_projects_are_counted_by_phase_and_one_without_is_pending(metrics: Metrics) -> None:
    store = Store()
    metrics.show(store, WorkQueue[Key](), [])
    phases = ("Training", "Training", "Failed", "Meditating", None)
    for number, phase in enumerate(phases):
        store.remember_project(project(f"p{number}", status={"phase": phase} if phase else {}))
    counts = page(metrics).values("projects", "phase")
    assert {phase: count for phase, count in counts.items() if count} == {
        "Training": 2,
        "Failed": 1,
        "Pending": 2,
    }
    assert counts["Succeeded"] == 0


def test_reports_are_counted_by_what_became_of_them_from_nothing_on(metrics: Metrics) -> None:
    delivery = Delivery("platform", "http://127.0.0.1:9/", lambda *_: ({}, b""), metrics.reported)
    metrics.show(Store(), WorkQueue[Key](), [delivery])
    for outcome in (Outcome.SENT, Outcome.SENT, Outcome.RETRIED, Outcome.DROPPED):
        metrics.reported("platform", outcome)
    shown = page(metrics)
    assert shown.values("reports_total", "outcome") == {"sent": 2, "failed": 0, "dropped": 1}
    assert shown.value("report_retries_total", receiver="platform") == 1
    assert shown.value("reports_queued", receiver="platform") == 0


def test_a_thousand_projects_make_no_more_figures_than_one(metrics: Metrics) -> None:
    store = Store()
    metrics.show(store, WorkQueue[Key](), [])

    def work_on(name: str) -> int:
        store.remember_project(project(name, status={"phase": "Training"}))
        metrics.wrote_status(project(name), project(name, detection=RUNNING, odd=RUNNING))
        metrics.wrote_status(project(name, detection=RUNNING), project(name, detection=DONE))
        return len(page(metrics).samples)

    few = work_on("p0")
    assert [work_on(f"p{number}") for number in (1, 999)] == [few, few]
    names = {value for sample in page(metrics).samples for value in sample.labels.values()}
    assert not {"p0", "p999", "odd"} & names


def test_each_figure_is_explained(metrics: Metrics) -> None:
    metrics.show(Store(), WorkQueue[Key](), [])
    ours = [family for name, family in page(metrics).families.items() if name.startswith("ocr_operator_")]
    assert len(ours) > 10 and all(family.documentation.endswith(".") for family in ours)
