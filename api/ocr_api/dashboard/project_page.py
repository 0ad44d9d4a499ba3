"""A project's page: its trainings, present and past, its test, what the operator says, and where all lies."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ocr_api.cache import Seen
from ocr_api.dashboard.project_stream import stream_of
from ocr_api.dashboard.projects import Row, row_of
from ocr_api.dashboard.run_view import phase_of
from ocr_api.dashboard.site import Site
from ocr_api.facade import Facade
from ocr_api.v1.dependencies import ProjectId, seen_project
from ocr_api.v1.documents import RunDocument, run_list, test_list
from ocr_contract.status import Condition, ModelStatus


@dataclass(frozen=True)
class ProjectView:
    row: Row
    """As the list shows it."""
    name: str
    runs: list[tuple[RunDocument, str]]
    """Each with the phase of its badge."""
    tests: list[tuple[RunDocument, str]]
    model: ModelStatus | None
    conditions: list[Condition]


def project_view(seen: Seen) -> ProjectView:
    """The project as its page shows it."""
    project = seen.project
    return ProjectView(
        row=row_of(project),
        name=project.name,
        runs=[(run, phase_of(run).value) for run in run_list(project).items],
        tests=[(test, phase_of(test).value) for test in test_list(project).items],
        model=project.status.model,
        conditions=project.status.conditions,
    )


def add_to(router: APIRouter, site: Site) -> None:
    """`/projects/{projectID}` and its stream."""

    @router.get("/projects/{projectID}")
    async def project_page(request: Request, project_id: ProjectId) -> Response:
        facade: Facade = request.app.state.facade
        seen = seen_project(facade, project_id)
        return site.page(request, "project.html", project=seen.project, view=project_view(seen))

    @router.get("/live/projects/{projectID}")
    async def live(request: Request, project_id: ProjectId, since: int = 0) -> Response:
        facade: Facade = request.app.state.facade
        words = site.words(request)
        seen_project(facade, project_id)

        def part(seen: Seen) -> dict[str, Any]:
            html = site.fragment(
                words, "project_parts.html", "project_state", project_view(seen), site.clock()
            )
            return {"html": html}

        return stream_of(facade.projects.cache, project_id, since, part)
