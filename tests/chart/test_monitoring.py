"""The chart's monitoring: what is rendered, what is refused, and that it fits the real /metrics pages."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from alert_scenes import promtool
from facade_process import Cluster, serve, with_resource
from metrics_page import MetricsPage
from ocr_cluster.control_plane import ControlPlane
from ocr_cluster.ports import PortClaim
from operator_world import Operator, World, eventually, http_client

CHART = Path(__file__).resolve().parents[2] / "charts" / "ocr-operator"
KINDS = {"serviceMonitor": "ServiceMonitor", "podMonitor": "PodMonitor", "rules": "PrometheusRule"}
FROM_SCRAPING = {"namespace", "instance", "pod", "job"}
"""Labels that Prometheus adds to every figure."""


def render(offline: Any, *values: str, kinds: tuple[str, ...] = (), fails: bool = False) -> Any:
    known = (part for kind in kinds for part in ("--api-versions", f"monitoring.coreos.com/v1/{kind}"))
    settings = (part for value in values for part in ("--set", value))
    text = offline.helm("template", "ocr", str(CHART), "-n", "team", *known, *settings, fails=fails)
    return text if fails else [document for document in yaml.safe_load_all(text) if document]


def one(documents: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [d for d in documents if d["kind"] == kind and name in d["metadata"]["name"]]
    return found


@pytest.fixture(scope="session")
def everything(offline: Any) -> list[dict[str, Any]]:
    """The chart with all of its monitoring."""
    parts = (f"monitoring.{part}.enabled=true" for part in (*KINDS, "dashboard"))
    found: list[dict[str, Any]] = render(offline, *parts, kinds=tuple(KINDS.values()))
    return found


def test_nothing_is_there_that_was_not_asked_for(offline: Any) -> None:
    kinds = [d["kind"] for d in render(offline, kinds=tuple(KINDS.values()))]
    assert not set(kinds) & {*KINDS.values(), "ConfigMap"}


@pytest.mark.parametrize(("part", "kind"), KINDS.items())
def test_each_kind_is_refused_by_itself_where_the_cluster_lacks_it(
    offline: Any, part: str, kind: str
) -> None:
    others = tuple(other for other in KINDS.values() if other != kind)
    said = render(offline, f"monitoring.{part}.enabled=true", kinds=others, fails=True)
    assert f"monitoring.{part}.enabled is true, but the cluster has no {kind}" in said
    assert f"CRD {kind.lower()}s.monitoring.coreos.com" in said
    assert f"set monitoring.{part}.enabled=false" in said
    assert f"--api-versions monitoring.coreos.com/v1/{kind}" in said
    documents = render(offline, f"monitoring.{part}.enabled=true", kinds=(kind,))
    assert {d["kind"] for d in documents} & set(KINDS.values()) == {kind}


def test_the_dashboard_needs_no_kind_of_its_own(offline: Any) -> None:
    found = one(render(offline, "monitoring.dashboard.enabled=true"), "ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_monitors_find_what_they_are_to_read(everything: list[dict[str, Any]]) -> None:
    def selected(labels: dict[str, str], monitor: dict[str, Any]) -> bool:
        return monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()

    monitor = one(everything, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    (service,) = [
        d for d in everything if d["kind"] == "Service" and selected(d["metadata"]["labels"], monitor)
    ]
    assert endpoint == {"port": service["spec"]["ports"][0]["name"], "path": "/metrics", "interval": "30s"}

    monitor = one(everything, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    templates = [d["spec"]["template"] for d in everything if d["kind"] == "Deployment"]
    (pod,) = [t for t in templates if selected(t["metadata"]["labels"], monitor)]
    ports = [port["name"] for port in pod["spec"]["containers"][0]["ports"]]
    assert endpoint["port"] in ports and endpoint["path"] == "/metrics"


def test_labels_and_interval_are_the_administrators(offline: Any) -> None:
    values = (
        value
        for part in KINDS
        for value in (f"monitoring.{part}.enabled=true", f"monitoring.{part}.labels.release=kps")
    )
    slower = ("monitoring.serviceMonitor.interval=1m", "monitoring.podMonitor.interval=2m")
    documents = render(offline, *values, *slower, kinds=tuple(KINDS.values()))
    for kind in KINDS.values():
        labels = one(documents, kind)["metadata"]["labels"]
        assert labels["release"] == "kps" and labels["app.kubernetes.io/instance"] == "ocr"
    assert one(documents, "ServiceMonitor")["spec"]["endpoints"][0]["interval"] == "1m"
    assert one(documents, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["interval"] == "2m"


def test_promtool_finds_no_fault_in_the_rules_that_are_installed(
    everything: list[dict[str, Any]], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(one(everything, "PrometheusRule")["spec"]))
    assert "SUCCESS: 8 rules found" in promtool("check", "rules", rules)
    for rule in alerts(everything):
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors and all('namespace="team"' in selector for selector in selectors), rule["alert"]
        assert rule["labels"]["namespace"] == "team"


def test_two_releases_dashboards_do_not_replace_each_other(offline: Any) -> None:
    def made(namespace: str) -> tuple[str, str, str]:
        values = ("-n", namespace, "--set", "monitoring.dashboard.enabled=true")
        documents = yaml.safe_load_all(offline.helm("template", "ocr", str(CHART), *values))
        ((file, text),) = one([d for d in documents if d], "ConfigMap")["data"].items()
        shown = json.loads(text)
        assert len(shown["uid"]) <= 40, "Grafana's own limit"
        return file, shown["uid"], shown["title"]

    assert not set(made("a" * 63)) & set(made("b"))


@pytest.fixture(scope="session")
def dashboard(everything: list[dict[str, Any]]) -> dict[str, Any]:
    (text,) = one(everything, "ConfigMap")["data"].values()
    found: dict[str, Any] = json.loads(text)
    return found


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: dict[str, Any]) -> list[str]:
    """As Grafana sends them."""
    found = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    for variable, value in (("$namespace", "team"), ("$__rate_interval", "2m"), ("$__range", "24h")):
        found = [query.replace(variable, value) for query in found]
    assert not [query for query in found if "$" in query]
    return found


def alerts(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = one(documents, "PrometheusRule")["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_each_panel_has_a_title_a_unit_and_its_queries_are_promql(
    dashboard: dict[str, Any], tmp_path: Path
) -> None:
    for panel in panels(dashboard):
        assert panel["title"] and panel["fieldConfig"]["defaults"]["unit"] and panel["targets"], panel
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            selectors = re.findall(r"\{([^}]*)\}", target["expr"])
            assert all('namespace="$namespace"' in selector for selector in selectors), target["expr"]
    records = [{"record": f"q{number}", "expr": query} for number, query in enumerate(queries(dashboard))]
    assert len(records) > 30
    (tmp_path / "queries.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]})
    )
    promtool("check", "rules", tmp_path / "queries.yaml")


def test_the_dashboard_lets_choose_source_and_namespace_and_overlaps_nowhere(
    dashboard: dict[str, Any],
) -> None:
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["namespace"]["type"] == "query"
    assert variables["namespace"]["current"]["value"] == "team"
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)
    places = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in dashboard["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places) and max(x for x, _ in places) < 24


@dataclass(frozen=True)
class Figures:
    """What the two pages hold: each figure's labels."""

    labels: dict[str, set[str]]

    def check(self, expression: str) -> None:
        """Every figure of the expression is there, with the labels by which it is selected."""
        names = re.findall(r"\b(?:ocr_(?:operator|api)|process)_\w+", expression)
        assert names, expression
        for name in names:
            assert name in self.labels, f"{name} is on neither page"
        for name, selector in re.findall(r"\b((?:ocr_(?:operator|api)|process)_\w+)\{([^}]*)\}", expression):
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert asked <= self.labels[name] | FROM_SCRAPING, f"{name} has no {asked}"
        grouped = {
            label.strip()
            for group in re.findall(r"\bby \(([^)]*)\)", expression)
            for label in group.split(",")
        }
        there = set.union(*(self.labels[name] for name in names)) | FROM_SCRAPING
        assert grouped <= there, f"{grouped} in {expression}"


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    with with_resource(control_plane.kubeconfig) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def figures(
    control_plane: ControlPlane, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Figures]:
    """Of an operator before which a run has failed, told to a platform, and of a facade that was asked."""
    folder, namespace, claim = tmp_path_factory.mktemp("pages"), cluster.make_namespace(), PortClaim(1)
    control_plane.wait_for(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
    port = claim.ports[0]
    operator = Operator(
        control_plane.kubeconfig, namespace, folder / "log",
        OCR_HEALTH_PORT=str(port), OCR_CLOUDEVENTS_URL="http://127.0.0.1:9/",
    )  # fmt: skip
    operator.start()
    (folder / "volume").mkdir()
    try:
        with (
            serve(cluster, namespace, folder / "volume") as facade,
            http_client(control_plane.kubeconfig) as http,
        ):
            world = World(http, namespace)
            world.create("bad", train={"id": "r1"})
            world.run_stage("bad", "prepare", exit_code=65)
            world.until_condition("bad", "Failed")
            eventually(lambda: facade.get("/readyz").status_code == 200, "the facade is ready")
            facade.get("/status")

            def counted() -> MetricsPage | None:
                page = MetricsPage(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
                return page if page.value("runs_total", line="train", outcome="failed") else None

            samples = [*eventually(counted, "the operator tells of the failed run").samples]
            samples += MetricsPage(facade.get("/metrics").text).samples
    finally:
        operator.kill()
        claim.release()
        cluster.delete_namespace(namespace)
    labels: dict[str, set[str]] = {}
    for sample in samples:
        labels.setdefault(sample.name, set()).update(sample.labels)
    yield Figures(labels)


def test_every_figure_of_the_alerts_is_on_the_real_pages(
    everything: list[dict[str, Any]], figures: Figures
) -> None:
    for rule in alerts(everything):
        figures.check(rule["expr"])


def test_every_figure_of_the_dashboard_is_on_the_real_pages_and_it_shows_both(
    dashboard: dict[str, Any], figures: Figures
) -> None:
    for query in queries(dashboard):
        figures.check(query)
    text = " ".join(queries(dashboard))
    assert "ocr_operator_" in text and "ocr_api_" in text
