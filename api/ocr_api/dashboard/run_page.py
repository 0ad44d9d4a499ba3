"""A run's page: its timeline, which the stream keeps true, and what the run has left on the volume."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ocr_api.cache import Seen
from ocr_api.dashboard.project_stream import stream_of
from ocr_api.dashboard.run_view import RunView, settings_of, view_of
from ocr_api.dashboard.site import Site
from ocr_api.facade import Facade
from ocr_api.v1.dependencies import ProjectId, RunId, seen_project
from ocr_api.v1.run_changes import TRAINING, listed_one

MODELS = ("detection", "recognition")
SEVERITIES = ("error", "repaired", "ignored")


def add_to(router: APIRouter, site: Site) -> None:
    """`/projects/{projectID}/runs/{runID}` and its stream."""

    def view(seen: Seen, run_id: str) -> RunView:
        run = listed_one(TRAINING, seen.project, run_id)
        return view_of(seen.project, run, datetime.fromtimestamp(site.clock(), UTC))

    @router.get("/projects/{projectID}/runs/{runID}")
    async def run_page(request: Request, project_id: ProjectId, run_id: RunId) -> Response:
        facade: Facade = request.app.state.facade
        seen = seen_project(facade, project_id)
        shown = view(seen, run_id)
        return site.page(
            request, "run.html", project=seen.project, view=shown, models=MODELS, severities=SEVERITIES,
            settings=settings_of(seen.document.get("spec") or {}) if shown.run.current else None,
        )  # fmt: skip

    @router.get("/live/projects/{projectID}/runs/{runID}")
    async def live(request: Request, project_id: ProjectId, run_id: RunId, since: int = 0) -> Response:
        facade: Facade = request.app.state.facade
        words = site.words(request)
        seen_project(facade, project_id)

        def part(seen: Seen) -> dict[str, Any]:
            shown = view(seen, run_id)
            html = site.fragment(words, "run_parts.html", "run_state", seen.project, shown)
            return {"html": html, "marks": shown.marks}

        return stream_of(facade.projects.cache, project_id, since, part)
