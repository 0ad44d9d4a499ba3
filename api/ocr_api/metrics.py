"""What /metrics tells: requests by route, the cache's age, uploads, the volume.

No label holds a project's name.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from ocr_api.kube import Projects
from ocr_api.space import Space

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)


class Metrics:
    """One registry for each application, so that two in one process don't count for each other."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "ocr_api_request_seconds", "Time from a request's head to its answer's last byte",
            ["method", "route", "status"], buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self.uploaded_bytes = Counter(
            "ocr_api_uploaded_bytes", "Bytes of uploads received", registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(space)

    def watch(self, projects: Projects) -> None:
        """Tell how old the cache is, how much it holds, and what it cost the API server."""
        self._registry.register(_Watched(projects))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        self._seconds.labels(known, route, str(status)).observe(seconds)

    async def page(self) -> bytes:
        await self._space.look()
        return generate_latest(self._registry)


class _Watched:
    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def collect(self) -> Iterator[Metric]:
        if (age := self._projects.age) is not None:
            yield GaugeMetricFamily(
                "ocr_api_watch_age_seconds", "Since the API server last proved that the cache is fresh", age
            )
            yield GaugeMetricFamily(
                "ocr_api_projects", "OcrProjects in the cache", len(self._projects.cache.all())
            )
        yield CounterMetricFamily(
            "ocr_api_server_requests", "Calls to the Kubernetes API server", self._projects.requests
        )
