"""What /api/v1 answers: projects as the API server holds them; runs and tests, present and past."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ocr_api.cache import Seen
from ocr_contract.project import PartName, Project, RunState
from ocr_contract.spec import OcrProjectSpec
from ocr_contract.status import (
    Figures,
    ModelStatus,
    OcrProjectStatus,
    RunRecord,
    RunStatus,
    StageState,
    StageStatus,
    TestReport,
    TestRunStatus,
)
from ocr_contract.volume import test_subpath, train_subpath


class ApiModel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class ProjectDocument(ApiModel):
    """A project. Its ETag changes with spec, not with progress: send it as If-Match to change it."""

    name: str = Field(description="metadata.name of the OcrProject", examples=["receipts"])
    project_id: str = Field(alias="projectID", examples=["receipts"])
    uid: str = Field(examples=["5f0a9a1e-0c1c-4b36-9c0c-3f4f5a0a7a11"])
    generation: int = Field(description="Raised with each change of spec", examples=[3])
    resource_version: str = Field(description="Raised with each change at all", examples=["1042"])
    created_at: datetime
    deleting: bool = Field(default=False, description="It is being deleted")
    spec: OcrProjectSpec
    status: OcrProjectStatus


class ProjectList(ApiModel):
    items: list[ProjectDocument]
    total: int = Field(description="Projects that fit the filter, on all pages", examples=[1])
    next: str | None = Field(default=None, description="Send it as `after` for the next page")


class RunDocument(Figures):
    """A run or a test, present or past. Past ones hold what the status keeps of them: the last ten."""

    id: str = Field(description="trainID or testID", examples=["2026-11-25"])
    revision: int = 0
    current: bool = Field(description="It is the one that spec asks for")
    state: RunState = Field(description="active: queued or running; suspended: stopped, or left for another")
    stage: str | None = Field(default=None, description="Where it is, failed or was stopped")
    progress: int | None = Field(default=None, description="Percent", ge=0, le=100)
    eta_seconds: int | None = None
    reason: str | None = None
    message: str = Field(default="", description="Why it failed or what it waits for")
    started_at: datetime | None = None
    finished_at: datetime | None = None
    gpu_seconds: float = 0.0
    stages: dict[str, StageStatus] = Field(default={})
    path: str = Field(description="Its folder on the volume", examples=["train/receipts/2026-11-25"])


class RunList(ApiModel):
    items: list[RunDocument] = Field(description="The present one first, then the latest of the past")
    model: ModelStatus | None = Field(default=None, description="The project's model, and which run made it")


def project_document(seen: Seen) -> dict[str, Any]:
    """Spec and status as the API server holds them."""
    metadata = seen.document["metadata"]
    return {
        "name": seen.project.name,
        "projectID": seen.project.project_id,
        "uid": metadata["uid"],
        "generation": seen.project.generation,
        "resourceVersion": seen.project.resource_version,
        "createdAt": metadata["creationTimestamp"],
        "deleting": "deletionTimestamp" in metadata,
        "spec": seen.document.get("spec") or {},
        "status": seen.document.get("status") or {},
    }


def etag(document: Mapping[str, Any]) -> str:
    """Of the live object: which object it is and which spec it has."""
    metadata = document["metadata"]
    return f'"{metadata["uid"]}.{metadata.get("generation", 0)}"'


def run_list(project: Project) -> RunList:
    """The trainings of a project."""
    items: list[RunDocument] = []
    if project.train_id is not None:
        items.append(_current_run(project))
    now = (project.train_id, project.revision)
    past = [record for record in reversed(project.status.runs) if (record.id, record.revision) != now]
    items += [_past_run(project, record) for record in past]
    return RunList(items=items, model=project.status.model)


def test_list(project: Project) -> RunList:
    """The test of a project: the status keeps the present one only."""
    items = [] if project.test_id is None else [_current_test(project)]
    return RunList(items=items, model=project.status.model)


def _current_run(project: Project) -> RunDocument:
    reports = project.train_reports
    figures = Figures(
        hmean=reports.detection.hmean if reports.detection else None,
        char_precision=reports.recognition.char_precision if reports.recognition else None,
        end_to_end_f1=reports.test.end_to_end_f1 if reports.test else None,
    )
    return _current(project, "train", train_subpath, figures)


def _current_test(project: Project) -> RunDocument:
    report = project.test_reports.test or TestReport()
    figures = Figures(
        hmean=report.hmean, char_precision=report.char_precision, end_to_end_f1=report.end_to_end_f1
    )
    return _current(project, "test", test_subpath, figures)


def _current(
    project: Project,
    name: PartName,
    subpath: Callable[[str, str], str],
    figures: Figures,
) -> RunDocument:
    part = project.part(name)
    assert part.id is not None and part.state is not None
    return RunDocument(
        id=part.id,
        revision=part.revision,
        state=part.state,
        message=part.message,
        path=subpath(project.project_id, part.id),
        **dict(figures),
        **_progress(project, part.run),
    )


def _progress(project: Project, run: RunStatus | TestRunStatus | None) -> dict[str, Any]:
    """Where a present run is; the status' own progress is that of the stage at work."""
    if run is None:
        return {"current": True}
    stages = run.stages
    failed = next((name for name, stage in stages.items() if stage.state == StageState.FAILED), None)
    ours = project.status.stage if project.status.stage in stages else None
    ended = run.finished_at is not None
    return {
        "current": True,
        "stage": failed or (None if ended else ours),
        "reason": stages[failed].reason if failed else None,
        "progress": 100 if ended and not failed else project.status.progress if ours or failed else None,
        "eta_seconds": project.status.eta_seconds if ours and not ended else None,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "gpu_seconds": sum(stage.gpu_seconds for stage in stages.values()),
        "stages": stages,
    }


_OUTCOMES = {"Succeeded": RunState.SUCCEEDED, "Failed": RunState.FAILED, "Stopped": RunState.SUSPENDED}


def _past_run(project: Project, record: RunRecord) -> RunDocument:
    return RunDocument(
        id=record.id,
        revision=record.revision,
        current=False,
        state=_OUTCOMES.get(record.outcome, RunState.FAILED),
        stage=record.stage,
        reason=record.reason,
        started_at=record.started_at,
        finished_at=record.finished_at,
        gpu_seconds=record.gpu_seconds,
        hmean=record.hmean,
        char_precision=record.char_precision,
        end_to_end_f1=record.end_to_end_f1,
        path=train_subpath(project.project_id, record.id),
    )
