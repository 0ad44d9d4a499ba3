"""What a project's status says at one look, in a line for the administrator who waits for it. Pure."""

from collections.abc import Mapping
from typing import Any

from ocr_contract.project import Project, from_object
from ocr_contract.stages import TRAIN_STAGES
from ocr_contract.status import Condition, StageStatus

_TELLING = ("Waiting", "Failed", "Suspended", "ProgressStalled", "NotLearning")
"""Conditions that explain why a project isn't where it should be."""


def read_project(document: Mapping[str, Any]) -> Project:
    """The project in the facade's document."""
    metadata = {"name": document["name"], "generation": document["generation"]}
    return from_object({"metadata": metadata, "spec": document["spec"], "status": document["status"]})


def is_answered(project: Project) -> bool:
    """Whether the operator has looked at the project at all."""
    return project.status.observed_generation is not None


def describe(project: Project) -> str:
    """Phase, stage, progress, and whatever holds it back, in the words of the conditions."""
    status = project.status
    if not is_answered(project):
        return "the operator has not looked at the project yet"
    place = " ".join(part for part in (status.phase, status.stage, _percent(status.progress)) if part)
    told = f"{place}: {status.message}" if status.message else place
    for condition in telling_conditions(project):
        told += f" ({condition.type}: {condition.reason})"
        if condition.message not in (status.message or ""):
            told += f" {condition.message}"
    return told


def telling_conditions(project: Project) -> list[Condition]:
    return [c for c in project.status.conditions if c.type in _TELLING and c.status == "True"]


def describe_stages(project: Project) -> str:
    """How long each stage worked; what is missing in the run's time, its pods took to start."""
    stages = project.run.stages if project.run is not None else {}
    return ", ".join(f"{name} {_seconds(stages[name])}" for name in TRAIN_STAGES if name in stages)


def _percent(progress: int | None) -> str:
    return "" if progress is None else f"{progress} %"


def _seconds(stage: StageStatus) -> str:
    if stage.started_at is None or stage.finished_at is None:
        return "?"
    return f"{(stage.finished_at - stage.started_at).total_seconds():.0f} s"
