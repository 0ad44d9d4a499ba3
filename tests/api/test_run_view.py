"""What a run's page says of its stages and offers to do, computed from a project's status alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocr_api.dashboard.run_view import RunView, settings_of, view_of
from ocr_api.v1.documents import run_list
from ocr_contract.project import from_object

START = datetime(2026, 11, 28, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def stage(state: str, start: float | None = None, end: float | None = None, **more: Any) -> dict[str, Any]:
    times = {"startedAt": start, "finishedAt": end}
    return {"state": state, "attempts": 1, **{k: at(v) for k, v in times.items() if v is not None}, **more}


def see(settings: dict[str, Any], status: dict[str, Any], place: int = 0) -> RunView:
    """The page of the run at `place` in the project's list, forty minutes after the start."""
    document = {
        "metadata": {"name": "receipts", "resourceVersion": "1", "creationTimestamp": at(-10)},
        "spec": {"train": {"id": "r1", **settings}},
        "status": status,
    }
    project = from_object(document)
    return view_of(project, run_list(project).items[place], START + timedelta(minutes=40))


def with_stages(**stages: dict[str, Any]) -> dict[str, Any]:
    return {"train": {"id": "r1", "revision": 0, "startedAt": at(0), "stages": stages}}


def test_a_stage_queues_from_the_end_of_what_it_needs_until_it_works() -> None:
    status = with_stages(
        prepare=stage("Succeeded", 2, 10), detection=stage("Succeeded", 15, 20), recognition=stage("Pending")
    )
    prepare, detection, recognition = see({}, status).stages
    assert (prepare.queued_seconds, prepare.worked_seconds) == (120, 480)
    assert (detection.queued_seconds, detection.worked_seconds) == (300, 300)
    assert (recognition.state, recognition.queued_seconds) == ("Queued", 1200)
    assert detection.queued_share == (25.0, 12.5) and detection.worked_share == (37.5, 12.5)


def test_trainings_side_by_side_wait_for_the_images_only() -> None:
    status = with_stages(
        prepare=stage("Succeeded", 0, 10), detection=stage("Running", 11), recognition=stage("Running", 13)
    )
    assert see({"order": "Parallel"}, status).stages[2].queued_seconds == 180
    assert see({}, status).stages[2].queued_seconds is None


@pytest.mark.parametrize(
    ("settings", "status", "offered"),
    [
        ({}, {}, {"stop"}),
        ({}, with_stages(prepare=stage("Running", 1)), {"stop"}),
        ({"suspend": True}, with_stages(prepare=stage("Suspended", 1)), {"resume"}),
        ({}, with_stages(prepare=stage("Failed", 1, 2)), {"retry"}),
        ({}, with_stages(package=stage("Succeeded", 1, 2), test=stage("Running", 3)), {"stop", "download"}),
    ],
    ids=["queued", "running", "stopped", "failed", "packaged"],
)
def test_only_what_makes_sense_is_offered(
    settings: dict[str, Any], status: dict[str, Any], offered: set[str]
) -> None:
    can = see(settings, status).actions
    assert {name for name in ("stop", "resume", "retry", "download", "test") if getattr(can, name)} == offered


def test_a_past_training_can_be_tried_again_at_the_cost_of_the_present_one() -> None:
    model = {"trainId": "older", "path": "train/receipts/older/model/pthModel.zip"}
    status = {"runs": [{"id": "older", "outcome": "Succeeded"}], "model": model}
    can = see({}, status, place=1).actions
    assert (can.stop, can.resume, can.retry, can.download, can.test) == (False, False, True, True, True)
    assert can.stops_for_retry == "r1"


def test_settings_are_told_by_dotted_names_and_what_is_empty_is_not() -> None:
    spec = {
        "train": {
            "id": "r1",
            "suspend": True,
            "dataset": {"textKey": "", "categories": [], "validation": None},
            "runTest": False,
            "detection": {"epochs": 5, "overrides": {}},
        },
        "projectID": "receipts",
    }
    assert settings_of(spec) == [
        ("train.id", "r1"), ("train.runTest", "false"), ("train.detection.epochs", "5"),
    ]  # fmt: skip
