"""/api/v1/projects: the resource itself. Reads come from memory, writes are server-side applies of spec."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import JSONResponse, Response

from ocr_api import intents, problems
from ocr_api.cache import Seen
from ocr_api.errors import BadRequest
from ocr_api.v1.dependencies import V1, FacadeOf, IfMatch, ProjectId, seen_project, unchanged
from ocr_api.v1.documents import ApiModel, ProjectDocument, ProjectList, etag, project_document
from ocr_contract.status import Phase
from ocr_contract.volume import check_id

router = APIRouter(prefix=f"{V1}/projects", tags=["projects"])

_SPEC = {"$ref": "#/components/schemas/OcrProjectSpec"}
_NEW = {"spec": {"projectID": "receipts", "train": {"id": "2026-11-25", "runTest": True}}}
_CHANGE = {"spec": {"resources": {"gpus": 2}, "limits": {"activeDeadlineSeconds": None}}}


class SpecBody(ApiModel):
    spec: Annotated[dict[str, Any], Field(json_schema_extra={"additionalProperties": True})]


@router.get("", responses=problems.describe())
async def list_projects(
    facade: FacadeOf,
    phase: Annotated[list[Phase] | None, Query(description="Of these phases only")] = None,
    q: Annotated[str | None, Query(description="Part of projectID or name", max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[str | None, Query(description="`next` of the page before", max_length=253)] = None,
) -> ProjectList:
    """Projects by name, a page at a time."""
    fitting = [seen for seen in facade.projects.cache.all() if _fits(seen, phase, q)]
    rest = [seen for seen in fitting if after is None or seen.project.name > after]
    page = rest[:limit]
    more = page[-1].project.name if len(rest) > len(page) else None
    documents: list[Any] = [project_document(seen) for seen in page]
    answer = {"items": documents, "total": len(fitting), "next": more}
    return JSONResponse(answer)  # type: ignore[return-value]


@router.post(
    "",
    status_code=201,
    response_model=ProjectDocument,
    responses=problems.describe(400, 409, 413),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _NEW}}}},
)
async def create_project(facade: FacadeOf, body: SpecBody) -> Response:
    """Create a project by its spec, as `kubectl apply` would; with `train` in it the run begins."""
    project_id = body.spec.get("projectID")
    if not isinstance(project_id, str):
        raise BadRequest("spec.projectID is missing: any string that the platform uses")
    try:
        check_id(project_id, "spec.projectID")
    except ValueError as error:
        raise BadRequest(str(error)) from None
    now = datetime.now(UTC)
    seen = await facade.projects.change(
        project_id, lambda live, name: intents.create(live, name, project_id, body.spec, now)
    )
    return _answer(seen, status=201)


@router.get("/{projectID}", response_model=ProjectDocument, responses=problems.describe(404))
async def read_project(facade: FacadeOf, project_id: ProjectId) -> Response:
    """One project with its whole status."""
    return _answer(seen_project(facade, project_id))


@router.patch(
    "/{projectID}",
    response_model=ProjectDocument,
    responses=problems.describe(400, 404, 409, 412, 413),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _CHANGE}}}},
)
async def change_project(
    facade: FacadeOf, project_id: ProjectId, body: SpecBody, if_match: IfMatch = None
) -> Response:
    """Merge the members of `spec` into the project's (RFC 7396); null goes back to the default.

    What `kubectl` or another writer has set can be changed here, and unset only there.
    """
    seen = await facade.projects.change(
        project_id, lambda live, _: intents.edit(unchanged(live, if_match), project_id, body.spec)
    )
    return _answer(seen)


@router.delete("/{projectID}", status_code=204, responses=problems.describe(404, 409, 412))
async def delete_project(facade: FacadeOf, project_id: ProjectId, if_match: IfMatch = None) -> None:
    """Delete the project and its Jobs. What lies on the volume stays."""

    def decide(live: dict[str, Any] | None) -> dict[str, Any]:
        intents.existing(live, project_id)
        assert live is not None
        return unchanged(live, if_match)

    await facade.projects.delete(project_id, decide)


def _fits(seen: Seen, phases: list[Phase] | None, text: str | None) -> bool:
    project = seen.project
    if phases and (project.status.phase or Phase.PENDING) not in phases:
        return False
    return text is None or text.lower() in project.project_id.lower() or text.lower() in project.name


def _answer(seen: Seen, status: int = 200) -> Response:
    headers = {"ETag": etag(seen.document), "Cache-Control": "no-store"}
    return JSONResponse(project_document(seen), status_code=status, headers=headers)
