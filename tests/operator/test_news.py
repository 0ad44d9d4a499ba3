"""What is told of a project, and what is not: a line for each kind of change."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocr_contract import names
from ocr_contract.legacy import Word
from ocr_operator.telling.news import Happening, Report, reports_between

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RUN, TEST = names.run_hash("r1", 0), names.test_hash("t1", 0)
Project = dict[str, Any]


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def project(status: dict[str, Any] | None = None, uid: str = "u1", **spec: Any) -> Project:
    metadata = {
        "name": "p",
        "namespace": "ns",
        "uid": uid,
        "generation": 1,
        "creationTimestamp": "2026-11-25T09:00:00Z",
    }
    return {"metadata": metadata, "spec": spec or {"train": {"id": "r1"}}, "status": status or {}}


def trains(model: str = "detection", **report: Any) -> Project:
    """The model reports this."""
    return project({"trainer": {model: {"run": RUN, **report}}})


def ended(state: str, seconds_ago: float) -> Project:
    stage = {"state": state, "message": "out of memory" if state == "Failed" else None}
    train = {"id": "r1", "stages": {"package": stage}, "finishedAt": ago(seconds_ago)}
    return project({"train": train})


def told(before: Project | None, after: Project) -> list[tuple[str, str]]:
    """What happened, and the status word it is told with."""
    return [(str(r.happening), word_of(r).name) for r in reports_between(before, after, NOW)]


def word_of(report: Report) -> Word:
    return Word(json.loads(report.body)["status"])


START = ("progressed", "DETECTOR_TRAINING")
EPOCHS = {"epoch": 2, "totalImages": 10, "totalEpochs": 5}
CASES: dict[str, tuple[Project | None, Project, list[tuple[str, str]]]] = {
    "a training that was just asked for": (None, project(), [START]),
    "a project that asks for nothing": (None, project(resources={}), []),
    "nothing": (project(), project(), []),
    "the phase alone": (project(), project({"phase": "Preparing"}), []),
    "some images more": (trains(**EPOCHS, imagesSeen=3), trains(**EPOCHS, imagesSeen=7), []),
    "an epoch's last image": (trains(**EPOCHS, imagesSeen=7), trains(**EPOCHS, imagesSeen=10), [START]),
    "the first images of the epoch after it": (
        trains(**EPOCHS, imagesSeen=10),
        trains(**EPOCHS | {"epoch": 3}, imagesSeen=1),
        [],
    ),
    "an epoch whose last image was not reported": (
        trains(**EPOCHS, imagesSeen=7),
        trains(**EPOCHS | {"epoch": 3}, imagesSeen=1),
        [START],
    ),
    "an epoch that is trained again": (trains(**EPOCHS | {"epoch": 4}), trains(**EPOCHS), []),
    "a new word": (
        trains(state="DETECTOR_TRAINING", epoch=2),
        trains(state="DETECTOR_VALIDATING", epoch=2),
        [("progressed", "DETECTOR_VALIDATING")],
    ),
    "success": (trains(), ended("Succeeded", 0), [("succeeded", "SUCCEEDED")]),
    "failure": (trains(), ended("Failed", 0), [("failed", "FAILED")]),
    "the same end": (ended("Failed", 5), ended("Failed", 5), []),
    "another run": (ended("Failed", 5), project(train={"id": "r2"}), [START]),
    "the same run, raised": (ended("Failed", 5), project(train={"id": "r1", "revision": 1}), [START]),
    "another project of that name": (trains(), project(uid="u2"), [START]),
    "after a restart, a run that goes on": (
        None,
        trains("recognition", state="RECOGNISER_TRAINED"),
        [("progressed", "RECOGNISER_TRAINED")],
    ),
    "after a restart, a recent end": (None, ended("Succeeded", 3000), [("succeeded", "SUCCEEDED")]),
    "after a restart, an old end": (None, ended("Succeeded", 4000), []),
    "another run's figures": (
        project(),
        project({"trainer": {"detection": {"run": names.run_hash("r0", 0), "epoch": 9}}}),
        [],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_told_is(before: Project | None, after: Project, expected: list[tuple[str, str]]) -> None:
    assert told(before, after) == expected


def test_a_refused_spec_is_told_as_the_failure_that_the_platform_sees() -> None:
    condition = {
        "type": "Failed", "status": "True", "reason": "InvalidSpec", "message": "set resources.nodes to 1",
        "lastTransitionTime": ago(60), "observedGeneration": 1,
    }  # fmt: skip
    (report,) = reports_between(project(), project({"conditions": [condition]}), NOW)
    assert report.is_end and report.occurred == NOW - timedelta(seconds=60)
    assert b"set resources.nodes to 1" in report.body


def test_a_test_is_told_when_it_starts_and_when_it_ends() -> None:
    spec = {"test": {"id": "t1"}}
    (start,) = reports_between(None, project(**spec), NOW)
    done = {"id": "t1", "stages": {"test": {"state": "Succeeded"}}, "finishedAt": ago(1)}
    figures = {"test": {"run": TEST, "imagesDone": 9, "totalImages": 9}}
    (end,) = reports_between(project(**spec), project({"test": done, "trainer": figures}, **spec), NOW)
    assert (start.line, start.run, start.happening) == ("test", "t1", Happening.PROGRESSED)
    assert end.happening == Happening.SUCCEEDED and b'"testImage":9' in end.body


def test_training_and_test_of_one_project_are_told_apart() -> None:
    both = project(train={"id": "r1"}, test={"id": "t1"})
    assert [(report.line, report.run) for report in reports_between(None, both, NOW)] == [
        ("train", "r1"),
        ("test", "t1"),
    ]


def test_the_same_status_makes_the_same_report_however_often_the_operator_starts() -> None:
    end = ended("Succeeded", 60)
    (first,) = reports_between(trains(), end, NOW)
    (again,) = reports_between(None, end | {"spec": end["spec"] | {"resources": {"cpu": "5"}}}, NOW)
    assert first.id == again.id and first.body == again.body


def test_different_things_never_share_an_id() -> None:
    states = [
        project(),
        trains(epoch=2),
        trains(epoch=3),
        ended("Failed", 60),
        ended("Failed", 61),
        ended("Succeeded", 60),
        project(uid="u2"),
        project(train={"id": "r1", "revision": 1}),
        project(test={"id": "r1"}),
    ]
    ids = [report.id for state in states for report in reports_between(None, state, NOW)]
    assert len(set(ids)) == len(states)
