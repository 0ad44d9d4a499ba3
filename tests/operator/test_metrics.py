"""The figures for Prometheus: what is counted, and that no number of projects makes more of them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from metrics_page import MetricsPage
from ocr_contract.stages import Stage
from ocr_operator.gauges import Gauges
from ocr_operator.metrics import Metrics
from ocr_operator.sight import Sight
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


@pytest.fixture
def sight() -> Sight:
    return Sight(blind_seconds=60, silent_seconds=10, now=100.0)


class Shown:
    """The page of a replica that leads, or does not."""

    def __init__(self, metrics: Metrics, clock: Clock, sight: Sight) -> None:
        self.store, self.queue, self.leads = Store(), WorkQueue[Key](clock), True
        today = datetime(2026, 11, 25, 15, tzinfo=UTC)
        gauges = Gauges(self.store, self.queue, (), sight, lambda: self.leads, clock, lambda: today)
        metrics.show(gauges)
        self._metrics = metrics

    @property
    def page(self) -> MetricsPage:
        return page(self._metrics)


@pytest.fixture
def shown(metrics: Metrics, clock: Clock, sight: Sight) -> Shown:
    return Shown(metrics, clock, sight)


def page(metrics: Metrics) -> MetricsPage:
    return MetricsPage(generate_latest(metrics.registry).decode())


def project(name: str = "p", run: str = "r1", status: dict[str, Any] | None = None, **stages: Any) -> Any:
    metadata = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"}
    train = {"id": run, "revision": 0, "stages": stages}
    metadata["creationTimestamp"] = "2026-11-25T09:00:00Z"
    return {"metadata": metadata, "spec": {}, "status": status if status is not None else {"train": train}}


RUNNING = {"state": "Running", "attempts": 2, "gpuSeconds": 30.0, "startedAt": "2026-11-25T09:00:00Z"}
DONE = RUNNING | {"state": "Succeeded", "gpuSeconds": 50.5, "finishedAt": "2026-11-25T09:02:00Z"}


def ended(project: Any) -> Any:
    project["status"]["train"]["finishedAt"] = "2026-11-25T09:02:00Z"
    return project


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
    record = {"id": "r0", "revision": 0, "outcome": "Succeeded"}
    other = project(detection=DONE)
    other["status"]["runs"] = [record]
    restored = ended(project(run="r0", detection={"state": "Succeeded"}))
    metrics.wrote_status(other, restored)
    assert not any(page(metrics).values("stage_duration_seconds_count", "stage").values())
    assert page(metrics).values("runs_total", "outcome") == {"succeeded": 0, "failed": 0}


@pytest.mark.parametrize(("line", "state"), [("train", "Failed"), ("train", "Succeeded"), ("test", "Failed")])
def test_a_runs_end_counts_once(metrics: Metrics, line: str, state: str) -> None:
    status = {"id": "r1", "revision": 0, "stages": {"test": RUNNING}}
    before = project(status={line: status})
    done = status | {"stages": {"test": DONE | {"state": state}}, "finishedAt": "2026-11-25T09:02:00Z"}
    after = project(status={line: done})
    for known in (before, after):
        metrics.wrote_status(known, after)
    assert page(metrics).value("runs_total", line=line, outcome=state.lower()) == 1
    assert sum(s.value for s in page(metrics).samples if s.name == "ocr_operator_runs_total") == 1


def test_a_run_whose_first_job_is_refused_counts_as_failed(metrics: Metrics) -> None:
    refused = {"state": "Failed", "reason": "JobRefused", "finishedAt": "2026-11-25T09:02:00Z"}
    metrics.wrote_status(project(status={}), ended(project(prepare=refused)))
    assert page(metrics).value("runs_total", line="train", outcome="failed") == 1


def test_a_run_that_was_stopped_for_another_counts_when_it_ends_after_all(metrics: Metrics) -> None:
    before = project()
    before["status"]["runs"] = [{"id": "r1", "revision": 0, "outcome": "Stopped"}]
    metrics.wrote_status(before, ended(project(detection=DONE)))
    assert page(metrics).value("runs_total", line="train", outcome="succeeded") == 1


def test_every_counter_stands_at_nothing_before_anything_happens(metrics: Metrics) -> None:
    started = page(metrics)
    assert set(started.values("jobs_created_total", "stage")) == set(Stage)
    assert set(started.values("gpu_seconds_total", "stage")) == set(Stage)
    assert set(started.values("runs_total", "line")) == {"train", "test"}
    labels = {"stage": "detection", "outcome": "failed"}
    assert started.value("stage_duration_seconds_count", **labels) == 0


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


def test_what_waits_is_read_when_it_is_asked_for(metrics: Metrics, shown: Shown, clock: Clock) -> None:
    assert shown.page.value("queue_oldest_wait_seconds") == 0
    shown.queue.add(("ns", "a"))
    clock.now += 3
    shown.queue.add(("ns", "b"))
    metrics.heard("jobs")
    clock.now += 4
    read = shown.page
    assert read.value("queue_depth") == 2 and read.value("queue_oldest_wait_seconds") == 7
    assert read.values("watch_event_age_seconds", "kind") == {"jobs": 4}


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


def test_projects_are_counted_by_phase_and_one_without_is_pending(shown: Shown) -> None:
    phases = ("Training", "Training", "Failed", "Meditating", None)
    for number, phase in enumerate(phases):
        shown.store.remember_project(project(f"p{number}", status={"phase": phase} if phase else {}))
    counts = shown.page.values("projects", "phase")
    assert {phase: count for phase, count in counts.items() if count} == {
        "Training": 2,
        "Failed": 1,
        "Pending": 2,
    }
    assert counts["Succeeded"] == 0


def condition(kind: str, status: str = "True", reason: str = "Because", since: str = "14:00") -> Any:
    moment = f"2026-11-25T{since}:00Z"
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": moment}


def test_projects_are_counted_by_what_is_true_of_them(shown: Shown) -> None:
    found = (
        [condition("ProgressStalled"), condition("Failed", "False")],
        [condition("ProgressStalled"), condition("QualityPassed", "Unknown")],
        [condition("Failed")],
    )
    for number, conditions in enumerate(found):
        shown.store.remember_project(project(f"p{number}", status={"conditions": conditions}))
    counts = shown.page.values("projects_with_condition", "condition")
    assert {kind: count for kind, count in counts.items() if count} == {"ProgressStalled": 2, "Failed": 1}
    assert counts["QualityPassed"] == counts["Waiting"] == 0


def test_the_longest_wait_is_told_by_what_is_waited_for_now(shown: Shown) -> None:
    waits = [("Quota", "09:00"), ("Quota", "11:00"), ("Unschedulable", "14:59"), ("Evaporated", "13:00")]
    for number, (reason, since) in enumerate(waits):
        conditions = [condition("Waiting", reason=reason, since=since)]
        shown.store.remember_project(project(f"p{number}", status={"conditions": conditions}))
    over = [condition("Waiting", "False", "ImagePull")]
    shown.store.remember_project(project("moves", status={"conditions": over}))
    seconds = shown.page.values("longest_wait_seconds", "reason")
    told = {reason: wait for reason, wait in seconds.items() if wait}
    assert told == {"Quota": 6 * 3600, "Unschedulable": 60, "Other": 2 * 3600}
    assert seconds["ImagePull"] == 0


def test_a_standby_tells_neither_of_projects_nor_of_a_queue_that_nobody_works_off(shown: Shown) -> None:
    figures = ("queue_depth", "queue_oldest_wait_seconds", "projects", "projects_with_condition")
    shown.store.remember_project(project())
    shown.queue.add(("ns", "p"))
    names = {f"ocr_operator_{name}" for name in (*figures, "longest_wait_seconds")}
    assert names <= shown.page.families.keys() and shown.page.value("working") == 1
    shown.leads = False
    assert not names & shown.page.families.keys() and shown.page.value("working") == 0


def test_a_leader_that_is_blind_or_deaf_does_not_work(shown: Shown, sight: Sight, clock: Clock) -> None:
    sight.expect("job", 7, clock.now)
    sight.expect("lease", 8, clock.now)
    sight.see("lease", 8)
    for _ in range(31):
        clock.now += 2
        sight.answer(clock.now)
    assert shown.page.value("working") == 0
    assert shown.page.values("watch_lag_seconds", "kind") == {"job": 62, "lease": 0}
    sight.see("job", 7)
    assert shown.page.value("working") == 1
    clock.now += 11
    assert shown.page.value("working") == 0 and shown.page.value("api_silence_seconds") == 11


def test_what_an_api_server_that_is_down_does_not_show_grows_no_older(sight: Sight) -> None:
    sight.expect("job", 7, 100.0)
    sight.answer(105.0)
    assert sight.behind(110.0) == {"job": 10}
    assert sight.behind(400.0) == {"job": 5}


def test_reports_are_counted_by_what_became_of_them_from_nothing_on(metrics: Metrics) -> None:
    delivery = Delivery("platform", "http://127.0.0.1:9/", lambda *_: ({}, b""), metrics.reported)
    sight = Sight(blind_seconds=60, silent_seconds=10, now=0)
    metrics.show(Gauges(Store(), WorkQueue[Key](), (delivery,), sight, lambda: True))
    for outcome in (Outcome.SENT, Outcome.SENT, Outcome.RETRIED, Outcome.DROPPED):
        metrics.reported("platform", outcome)
    shown = page(metrics)
    assert shown.values("reports_total", "outcome") == {"sent": 2, "failed": 0, "dropped": 1}
    assert shown.value("report_retries_total", receiver="platform") == 1
    assert shown.value("reports_queued", receiver="platform") == 0


def test_a_thousand_projects_make_no_more_figures_than_one(metrics: Metrics, shown: Shown) -> None:
    def work_on(name: str) -> int:
        waits = [condition("Waiting", reason=f"Odd-{name}")]
        shown.store.remember_project(project(name, status={"phase": "Training", "conditions": waits}))
        metrics.wrote_status(project(name), project(name, detection=RUNNING, odd=RUNNING))
        metrics.wrote_status(project(name, detection=RUNNING), project(name, detection=DONE))
        return len(page(metrics).samples)

    few = work_on("p0")
    assert [work_on(f"p{number}") for number in (1, 999)] == [few, few]
    names = {value for sample in page(metrics).samples for value in sample.labels.values()}
    assert not {"p0", "p999", "odd"} & names


def test_each_figure_is_explained(metrics: Metrics, shown: Shown) -> None:
    ours = [family for name, family in page(metrics).families.items() if name.startswith("ocr_operator_")]
    assert len(ours) > 10 and all(family.documentation.endswith(".") for family in ours)
