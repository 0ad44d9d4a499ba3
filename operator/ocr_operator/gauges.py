"""What /metrics tells of the present: this replica's standing, and how its projects are.

Read at each scrape: such figures cannot go stale, and cost nothing in between. Of projects and of the queue
only the leader tells: nobody works off a standby's queue, and what it remembers may be older than what the
leader writes. No project has a label: there may be any number of them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ocr_contract.status import Phase
from ocr_operator import conditions
from ocr_operator.documents import parse_time, true_condition
from ocr_operator.sight import Sight
from ocr_operator.store import Key, Store
from ocr_operator.telling.delivery import Delivery
from ocr_operator.work_queue import WorkQueue

_REASONS = (
    *("Quota", "Unschedulable", "ImagePull", "Volume", "VolumeOrNetwork", "PodNotCreated", "Container"),
    *("Starting", "Retrying", "NodeLost", "NameTaken"),
    *("NoModel", "ModelInTraining", "ModelOverwritten", "TestRuns", "DuplicateProjectID"),
)
"""For what a run may wait; the cluster's own words for why it took a pod away are any number more."""
_OTHER = "Other"


@dataclass(frozen=True, eq=False)
class Gauges(Collector):
    store: Store
    queue: WorkQueue[Key]
    deliveries: tuple[Delivery, ...]
    sight: Sight
    leads: Callable[[], bool]
    """Whether this replica holds the Lease and knows every object."""
    clock: Callable[[], float] = time.monotonic
    today: Callable[[], datetime] = lambda: datetime.now(UTC)

    def collect(self) -> Iterator[Metric]:
        leads, now = self.leads(), self.clock()
        trouble = self.sight.silence(now) or self.sight.blindness(now)
        working = {"": float(leads and trouble is None)}
        yield _gauge(
            "working", "1: this replica leads and sees; 0: it stands by, starts or is blind.", working
        )
        yield _gauge(
            "api_silence_seconds", "Since the API server last answered.", {"": self.sight.silent_for(now)}
        )
        yield _gauge(
            "watch_lag_seconds",
            "How long the watch of that kind has not shown what the API server told of; 0: it has.",
            self.sight.behind(now),
            "kind",
        )
        queued = {delivery.name: delivery.waiting for delivery in self.deliveries}
        yield _gauge("reports_queued", "Reports that wait to be sent.", queued, "receiver")
        if leads:
            yield from self._work()

    def _work(self) -> Iterator[Metric]:
        yield _gauge("queue_depth", "Projects to be looked at.", {"": len(self.queue)})
        yield _gauge(
            "queue_oldest_wait_seconds",
            "How long the first of them has waited.",
            {"": self.queue.oldest_wait},
        )
        yield _gauge("projects", "OcrProjects by phase.", self._phases(), "phase")
        yield _gauge(
            "projects_with_condition",
            "OcrProjects for which the condition is true.",
            self._conditions(),
            "condition",
        )
        yield _gauge(
            "longest_wait_seconds",
            "How long the run that has waited longest has not moved, by what it waits for now.",
            self._waits(),
            "reason",
        )

    def _phases(self) -> dict[str, int]:
        counts = dict.fromkeys((phase.value for phase in Phase), 0)
        for project in self.store.projects.values():
            phase = (project.get("status") or {}).get("phase")
            counts[phase if phase in counts else Phase.PENDING.value] += 1
        return counts

    def _conditions(self) -> dict[str, int]:
        counts = dict.fromkeys(conditions.ALL, 0)
        for project in self.store.projects.values():
            for condition in (project.get("status") or {}).get("conditions") or ():
                if condition["type"] in counts:
                    counts[condition["type"]] += condition["status"] == "True"
        return counts

    def _waits(self) -> dict[str, float]:
        waits = dict.fromkeys((*_REASONS, _OTHER), 0.0)
        for project in self.store.projects.values():
            waiting = true_condition(project, conditions.WAITING)
            since = parse_time(waiting.get("lastTransitionTime")) if waiting else None
            if waiting and since:
                reason = waiting["reason"] if waiting["reason"] in waits else _OTHER
                waits[reason] = max(waits[reason], (self.today() - since).total_seconds())
        return waits


def _gauge(name: str, text: str, values: Mapping[str, float], label: str = "") -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"ocr_operator_{name}", text, labels=[label] if label else [])
    for key, value in values.items():
        gauge.add_metric([key] if label else [], value)
    return gauge
