"""Two trainings of a project side by side: curves over each other, figures, images better or worse."""

from collections.abc import Callable
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ocr_api.dashboard.site import Site
from ocr_api.dashboard.tested import Address
from ocr_api.dashboard.words import Words
from ocr_api.facade import Facade
from ocr_api.results import Sort
from ocr_api.v1.compare import ComparedFigures, Comparison, Pair, compare
from ocr_api.v1.dependencies import ProjectId, seen_project
from ocr_api.v1.documents import run_list
from ocr_contract.volume import train_subpath

_MODELS = ("detection", "recognition")
_SECONDS = ("gpu_seconds", "duration_seconds")
"""Figures that are times: the less, the better."""

Run = Annotated[str | None, Query(max_length=200)]


class Change(NamedTuple):
    """A figure of both runs, as people read it."""

    name: str
    run: str
    other: str
    difference: str
    verdict: str
    """better, worse, same; empty where nothing can be said."""


def add_to(router: APIRouter, site: Site) -> None:
    """`/projects/{projectID}/compare`."""

    @router.get("/projects/{projectID}/compare")
    async def compare_runs(request: Request, project_id: ProjectId, a: Run = None, b: Run = None) -> Response:
        facade: Facade = request.app.state.facade
        listed = run_list(seen_project(facade, project_id).project).items
        runs = list(dict.fromkeys(one.id for one in listed))  # a run may be there in several revisions
        found = await compare(facade, project_id, a, b) if a and b else None
        return site.page(
            request, "compare.html", project_id=project_id, runs=runs, a=a, b=b, found=found,
            changes=changes_of(site.words(request), found.figures) if found else [],
            curves=_curves(facade, project_id, found) if found else {}, image_of=_image_of(project_id),
        )  # fmt: skip


def changes_of(words: Words, figures: ComparedFigures) -> list[Change]:
    """Each figure, its difference with a sign, and whether that is good."""
    pairs: dict[str, Pair] = {name: getattr(figures, name) for name in ComparedFigures.model_fields}
    return [_change(words, name, pair) for name, pair in pairs.items()]


def _change(words: Words, name: str, pair: Pair) -> Change:
    times = name in _SECONDS
    show: Callable[[float], str] = words.duration if times else "{:.3f}".format
    run, other = ("–" if value is None else show(value) for value in (pair.run, pair.other))
    if pair.difference is None:
        return Change(name, run, other, "–", "")
    size = show(abs(pair.difference))
    if size == show(0.0):
        return Change(name, run, other, size, "same")
    sign = "+" if pair.difference > 0 else "−"
    better = (pair.difference < 0) is times
    return Change(name, run, other, f"{sign}{size}", "better" if better else "worse")


def _curves(facade: Facade, project_id: str, found: Comparison) -> dict[str, dict[str, str]]:
    """By model and run: where its curves are, if there are any."""
    there: dict[str, dict[str, str]] = {}
    for model in _MODELS:
        for run in (found.run, found.other):
            if facade.volume.size(f"{train_subpath(project_id, run)}/work/{model}/metrics.jsonl"):
                there.setdefault(model, {})[run] = (
                    f"/api/v1/projects/{quote(project_id, safe='')}/runs/{quote(run, safe='')}/curves/{model}"
                )
    return there


def _image_of(project_id: str) -> Callable[[str, str], str]:
    def address(run: str, file: str) -> str:
        return Address(project_id, run, own=False).image(file, Sort.WORST, "")

    return address
