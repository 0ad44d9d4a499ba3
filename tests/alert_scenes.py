"""Scenes for the chart's alerts: figures over time, and which alerts fire by Prometheus' own promtool."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ocr_cluster.control_plane import BINARIES

ALERTS = Path(__file__).resolve().parents[1] / "charts/ocr-operator/files/alerts.yaml"
OURS, THEIRS = "team", "other"
LONG_AGO = "-1000000x240"
"""When a process was started that has run for days: scenes begin at second 0 of Unix time."""


def promtool(*arguments: str | Path, fails: bool = False) -> str:
    done = subprocess.run(
        [BINARIES / "promtool", *arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def series(
    name: str, values: str, instance: str = "a", namespace: str = OURS, **labels: str
) -> dict[str, str]:
    """One line of figures, a value every 30 seconds in promtool's notation."""
    labels = {"namespace": namespace, "instance": instance, **labels}
    inside = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    return {f"{name}{{{inside}}}": values}


def healthy(namespace: str = OURS) -> dict[str, str]:
    """Two hours of a leader at work, a standby and a facade."""
    condition, wait = "ocr_operator_projects_with_condition", "ocr_operator_longest_wait_seconds"
    runs, always = "ocr_operator_runs_total", {"namespace": namespace}
    return {
        **series("ocr_operator_working", "1x240", **always),
        **series("ocr_operator_working", "0x240", "b", **always),
        **series("process_start_time_seconds", LONG_AGO, **always),
        **series("process_start_time_seconds", LONG_AGO, "b", **always),
        **series(condition, "0x240", condition="ProgressStalled", **always),
        **series(condition, "3x240", condition="Failed", **always),
        **series(runs, "7x240", line="train", outcome="failed", **always),
        **series(runs, "0x240", "b", line="train", outcome="failed", **always),
        **series(runs, "0+1x240", line="train", outcome="succeeded", **always),
        **series(wait, "600x240", reason="Quota", **always),
        **series("ocr_operator_queue_oldest_wait_seconds", "0.2x240", **always),
        **series("ocr_api_volume_size_bytes", "1000x240", "api", **always),
        **series("ocr_api_volume_free_bytes", "200x240", "api", **always),
        **series("ocr_api_volume_silence_seconds", "0x240", "api", **always),
    }


@dataclass(frozen=True)
class Firing:
    alert: str
    severity: str
    labels: tuple[tuple[str, str], ...] = ()


def rules_of(namespace: str, *, annotated: bool = False) -> dict[str, Any]:
    """The alerts of the release there; promtool would compare each annotation, too."""
    document: dict[str, Any] = yaml.safe_load(ALERTS.read_text().replace("RELEASE_NAMESPACE", namespace))
    for rule in document["groups"][0]["rules"] if not annotated else ():
        del rule["annotations"]
    return document


def expect(folder: Path, figures: dict[str, str], *moments: tuple[str, list[Firing]]) -> None:
    """At each moment, such as 16m, just these alerts are firing."""
    rules = rules_of(OURS)
    names = sorted({rule["alert"] for rule in rules["groups"][0]["rules"]})
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    tests = [
        {
            "eval_time": moment,
            "alertname": name,
            "exp_alerts": [
                {"exp_labels": {"namespace": OURS, "severity": f.severity, **dict(f.labels)}}
                for f in firing
                if f.alert == name
            ],
        }
        for moment, firing in moments
        for name in names
    ]
    run_scene(folder, figures, tests)


def run_scene(folder: Path, figures: dict[str, str], tests: list[dict[str, Any]]) -> None:
    scene = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": [{"series": name, "values": values} for name, values in figures.items()],
                "alert_rule_test": tests,
            }
        ],
    }
    (folder / "scene.yaml").write_text(yaml.safe_dump(scene))
    promtool("test", "rules", folder / "scene.yaml")
