"""/api/v1/projects/{projectID}/events: what the operator told of the project, as the API server keeps it."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from ocr_api import problems
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, seen_project
from ocr_api.v1.documents import ApiModel

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}", tags=["projects"])


class Event(ApiModel):
    type: str = Field(description="Normal or Warning", examples=["Normal"])
    reason: str = Field(examples=["StageStarted"])
    message: str = ""
    count: int = 1
    first_at: datetime | None = None
    last_at: datetime | None = None


class EventList(ApiModel):
    items: list[Event] = Field(description="The latest first")


@router.get("/events", responses=problems.describe(404))
async def list_events(facade: FacadeOf, project_id: ProjectId) -> EventList:
    """The project's Kubernetes events; the API server forgets them after an hour, unless told otherwise."""
    name = seen_project(facade, project_id).project.name
    found = [_event(event) for event in await facade.projects.events(name)]
    found.sort(key=lambda event: event.last_at.timestamp() if event.last_at else 0.0, reverse=True)
    return EventList(items=found)


def _event(event: dict[str, Any]) -> Event:
    series = event.get("series") or {}
    first = event.get("firstTimestamp") or event.get("eventTime")
    return Event(
        type=event.get("type") or "Normal",
        reason=event.get("reason") or "",
        message=event.get("message") or "",
        count=series.get("count") or event.get("count") or 1,
        first_at=first,
        last_at=series.get("lastObservedTime") or event.get("lastTimestamp") or first,
    )
