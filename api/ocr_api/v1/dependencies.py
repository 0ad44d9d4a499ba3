"""What the routes of /api/v1 take in: the facade, ids, the version that a change is meant for."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Request
from pydantic import AfterValidator

from ocr_api.cache import Seen
from ocr_api.errors import ChangedMeanwhile, NotFound
from ocr_api.facade import Facade
from ocr_api.problems import API_PREFIX
from ocr_api.v1.documents import etag, run_list
from ocr_contract.volume import check_id

V1 = f"{API_PREFIX}v1"
"""What all its paths begin with; routers carry it themselves, so that figures name routes whole."""


def _facade(request: Request) -> Facade:
    facade: Facade = request.app.state.facade
    return facade


FacadeOf = Annotated[Facade, Depends(_facade)]
ProjectId = Annotated[
    str,
    Path(
        alias="projectID",
        description="The platform's id; metadata.name where spec names none",
        examples=["receipts"],
    ),
    AfterValidator(lambda value: check_id(value, "projectID")),
]
RunId = Annotated[
    str,
    Path(alias="runID", description="trainID", examples=["2026-11-25"]),
    AfterValidator(lambda value: check_id(value, "trainID")),
]
TestId = Annotated[
    str,
    Path(alias="testID", description="testID", examples=["t1"]),
    AfterValidator(lambda value: check_id(value, "testID")),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag that you have read: 412 if spec has changed since"),
]

Live = TypeVar("Live", bound=Mapping[str, Any] | None)


def unchanged(live: Live, if_match: str | None) -> Live:
    """The live object itself, where it is the one that If-Match names; else ChangedMeanwhile."""
    if if_match is None or live is None:
        return live
    wanted = {tag.strip() for tag in if_match.split(",")}
    if "*" not in wanted and etag(live) not in wanted:
        raise ChangedMeanwhile(
            "the project was changed since you have read it: read it again, then change it"
        )
    return live


def seen_project(facade: Facade, project_id: str) -> Seen:
    """The project; NotFound where there is none."""
    seen = facade.projects.cache.find(project_id)
    if seen is None:
        raise NotFound(f"there is no project {project_id!r}")
    return seen


def check_run(facade: Facade, project_id: str, run_id: str) -> None:
    """NotFound where the project has no such training, present or past: else it has only left nothing yet."""
    if all(run.id != run_id for run in run_list(seen_project(facade, project_id).project).items):
        raise NotFound(f"project {project_id!r} has no training {run_id!r}")
