"""When the chart's alerts fire and when they are silent, by Prometheus' own promtool."""

from pathlib import Path

import pytest

from alert_scenes import (
    ALERTS,
    LONG_AGO,
    OURS,
    THEIRS,
    Firing,
    expect,
    healthy,
    promtool,
    rules_of,
    run_scene,
    series,
)

BLIND = Firing("OcrOperatorBlind", "critical")
STALLED = Firing("OcrRunStalled", "warning")
FAILED = Firing("OcrRunFailed", "warning", (("line", "train"),))
BEHIND = Firing("OcrOperatorQueueOld", "warning")
FULL, QUITE_FULL = Firing("OcrVolumeNearlyFull", "warning"), Firing("OcrVolumeNearlyFull", "critical")
SILENT = Firing("OcrVolumeSilent", "critical")
HALF_PAST, LATER = "30m", "90m"

RUNS = {"line": "train", "outcome": "failed"}
TROUBLE = {
    "nobody leads": (series("ocr_operator_working", "1x20 0x220"), [BLIND]),
    "a stage says nothing": (
        series("ocr_operator_projects_with_condition", "0x20 1x220", condition="ProgressStalled"),
        [STALLED],
    ),
    "a run has failed": (series("ocr_operator_runs_total", "7x50 8x190", **RUNS), [FAILED]),
    "projects wait for the operator": (
        series("ocr_operator_queue_oldest_wait_seconds", "0x20 60+30x220"),
        [BEHIND],
    ),
    "little is left of the volume": (series("ocr_api_volume_free_bytes", "200x20 90x220", "api"), [FULL]),
    "next to nothing is left of it": (
        series("ocr_api_volume_free_bytes", "200x20 20x220", "api"),
        [FULL, QUITE_FULL],
    ),
    "the volume does not answer": (
        series("ocr_api_volume_silence_seconds", "0x20 30+30x220", "api")
        | series("ocr_api_volume_free_bytes", "200x20 stale", "api")
        | series("ocr_api_volume_size_bytes", "1000x20 stale", "api"),
        [SILENT],
    ),
    "the queue does not move": (
        series("ocr_operator_longest_wait_seconds", "14000+30x240", reason="Quota"),
        [Firing("OcrRunQueueOld", "warning", (("reason", "Quota"),))],
    ),
}


def test_nothing_fires_where_all_is_well_a_standby_included(tmp_path: Path) -> None:
    expect(tmp_path, healthy(), *((f"{minute}m", []) for minute in (1, 10, 30, 60, 110)))


@pytest.mark.parametrize(("figures", "firing"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_is_told(tmp_path: Path, figures: dict[str, str], firing: list[Firing]) -> None:
    expect(tmp_path, healthy() | figures, ("9m", []), (HALF_PAST, firing))


@pytest.mark.parametrize(("figures", "firing"), TROUBLE.values(), ids=TROUBLE)
def test_another_releases_trouble_is_not_ours(
    tmp_path: Path, figures: dict[str, str], firing: list[Firing]
) -> None:
    theirs = {name.replace(OURS, THEIRS): values for name, values in figures.items()}
    expect(tmp_path, healthy() | healthy(THEIRS) | theirs, (HALF_PAST, []), (LATER, []))


@pytest.mark.parametrize(
    "working",
    [
        {},
        series("ocr_operator_working", "1x20 stale"),
        series("ocr_operator_working", "0x240") | series("ocr_operator_working", "0x240", "b"),
    ],
    ids=["never scraped", "gone", "only standbys"],
)
def test_an_operator_that_nobody_sees_is_told_though_another_releases_works(
    tmp_path: Path, working: dict[str, str]
) -> None:
    ours = {name: values for name, values in healthy().items() if "ocr_operator" not in name}
    expect(tmp_path, ours | healthy(THEIRS) | working, ("17m", [BLIND]))


def test_a_hand_over_and_a_restart_wake_nobody(tmp_path: Path) -> None:
    hand_over = series("ocr_operator_working", "1x20 stale") | series(
        "ocr_operator_working", "0x22 1x218", "b"
    )
    expect(tmp_path, healthy() | hand_over, *((f"{minute}m", []) for minute in (10, 12, 16, 20)))
    restarted = (
        series("ocr_operator_working", "1x20 _x4 0 1x215")
        | series("process_start_time_seconds", "-1000000x20 _x4 700x216")
        | series("ocr_operator_runs_total", "7x20 _x4 0x216", **RUNS)
    )
    expect(tmp_path, healthy() | restarted, *((f"{minute}m", []) for minute in (10, 12, 16, 20)))


def test_what_lasts_for_a_moment_only_is_no_alarm(tmp_path: Path) -> None:
    moment = (
        series("ocr_operator_working", "1x20 0x6 1x200")
        | series("ocr_operator_projects_with_condition", "0x20 1x6 0x200", condition="ProgressStalled")
        | series("ocr_operator_queue_oldest_wait_seconds", "0x20 80x6 0x200")
        | series("ocr_api_volume_silence_seconds", "0x20 90x6 0x200", "api")
        | series("ocr_api_volume_free_bytes", "200x20 10x6 200x200", "api")
    )
    expect(tmp_path, healthy() | moment, *((f"{minute}m", []) for minute in (10, 13, 15, 16, 20)))


def test_a_failed_run_is_told_at_once_and_not_for_ever(tmp_path: Path) -> None:
    figures = healthy() | series("ocr_operator_runs_total", "7x50 8x190", **RUNS)
    expect(tmp_path, figures, ("25m", []), ("26m", [FAILED]), ("39m", [FAILED]), ("45m", []), (LATER, []))


def test_runs_that_failed_while_the_operator_was_away_are_told_when_it_is_back(tmp_path: Path) -> None:
    """It counts them before it is first scraped: Prometheus sees no increase."""
    back = series("ocr_operator_runs_total", "_x40 2x200", "c", **RUNS)
    figures = healthy() | back | series("process_start_time_seconds", "_x40 1190x200", "c")
    expect(tmp_path, figures, ("21m", [FAILED]), ("30m", [FAILED]), ("40m", []))


def test_a_prometheus_that_was_away_raises_no_old_failures(tmp_path: Path) -> None:
    away = series("ocr_operator_runs_total", "7x20 _x80 7x140", **RUNS)
    expect(tmp_path, healthy() | away, ("51m", []), ("55m", []))
    fresh = series("ocr_operator_runs_total", "_x80 7x140", **RUNS)
    figures = healthy() | fresh | series("process_start_time_seconds", LONG_AGO)
    expect(tmp_path, figures, ("41m", []), ("45m", []))


@pytest.mark.parametrize("reason", ["NoModel", "ModelInTraining", "TestRuns", "DuplicateProjectID"])
def test_a_wait_for_another_run_or_a_person_is_no_queue(tmp_path: Path, reason: str) -> None:
    figures = healthy() | series("ocr_operator_longest_wait_seconds", "99999x240", reason=reason)
    expect(tmp_path, figures, (HALF_PAST, []))


def test_alerts_say_what_is_the_matter_and_what_to_do_in_this_namespace(tmp_path: Path) -> None:
    rules = rules_of(OURS, annotated=True)["groups"][0]["rules"]
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert f"`kubectl -n {OURS} " in rule["annotations"]["description"], rule["alert"]
        assert OURS in rule["annotations"]["summary"] and "RELEASE" not in str(rule)
    waits = next(rule for rule in rules if rule["alert"] == "OcrRunQueueOld")
    waits["annotations"].pop("description")
    (tmp_path / "rules.yaml").write_text(str({"groups": [{"name": "one", "rules": [waits]}]}))
    told = {
        "exp_labels": {"namespace": OURS, "severity": "warning", "reason": "Unschedulable"},
        "exp_annotations": {
            "summary": "A run in namespace team has waited for 5h 0m 0s (Unschedulable)",
        },
    }
    figures = series("ocr_operator_longest_wait_seconds", "18000x240", reason="Unschedulable")
    run_scene(tmp_path, figures, [{"eval_time": "30m", "alertname": "OcrRunQueueOld", "exp_alerts": [told]}])


def test_promtool_finds_no_fault_in_the_file_as_it_lies_there() -> None:

    assert "SUCCESS: 8 rules found" in promtool("check", "rules", ALERTS)
