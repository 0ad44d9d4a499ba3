"""What a test's page shows beside /api/v1's answers: where the test stands, figures, neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from ocr_api.facade import Facade
from ocr_api.results import Sort, TestedImage, find, image_at, position_of
from ocr_api.v1.documents import run_list, test_list
from ocr_contract.project import Project, RunState
from ocr_contract.status import TestReport
from ocr_contract.volume import TestFolder, test_subpath, train_subpath

PER_PAGE = 100
FIGURES = ("precision", "recall", "hmean", "end_to_end_f1", "word_acc", "char_precision")
_THUMBNAIL, _LARGE = 320, 2048
"""Pixels of the longer side."""


@dataclass(frozen=True)
class Address:
    """Of a test: a run's own (runTest), or one of its own."""

    project_id: str
    id: str
    own: bool
    """A test of its own."""

    @property
    def folder(self) -> str:
        return (test_subpath if self.own else train_subpath)(self.project_id, self.id)

    @property
    def lines(self) -> str:
        return str(TestFolder(Path(self.folder)).lines)

    @property
    def page(self) -> str:
        return self._below("/projects") + ("" if self.own else "/test")

    @property
    def live(self) -> str:
        return f"/live{self.page}"

    def grid(self, sort: Sort, q: str, after: int = 0) -> str:
        """The page of images; what is usual isn't said."""
        return self.page + _query(sort=None if sort is Sort.WORST else sort, q=q, after=after)

    def image(self, file: str, sort: Sort, q: str) -> str:
        """The page of one image, which knows its neighbours."""
        return self.page + _query(image=file, sort=None if sort is Sort.WORST else sort, q=q)

    def thumbnail(self, file: str) -> str:
        return self._picture(file, _THUMBNAIL)

    def large(self, file: str) -> str:
        return self._picture(file, _LARGE)

    def _picture(self, file: str, size: int) -> str:
        return f"{self._below('/api/v1/projects')}/pictures/{quote(file)}?size={size}"

    def _below(self, root: str) -> str:
        kind = "tests" if self.own else "runs"
        return f"{root}/{quote(self.project_id, safe='')}/{kind}/{quote(self.id, safe='')}"


def _query(**parameters: str | int | None) -> str:
    given = {name: value for name, value in parameters.items() if value}
    return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True)
class Standing:
    """Where the test stands. One that the status doesn't know any more has results at best."""

    active: bool = False
    failed: bool = False
    message: str = ""
    done: int = 0
    total: int = 0
    eta_seconds: int | None = None
    figures: Mapping[str, float | None] | None = None
    """As reported; None: not yet, or not any more."""

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


def standing_of(project: Project, address: Address) -> Standing:
    """By the project's status."""
    listed = test_list(project) if address.own else run_list(project)
    found = next((one for one in listed.items if one.id == address.id), None)
    if found is None:
        return Standing()
    asked = address.own or bool(project.train.get("runTest"))
    reports = project.test_reports if address.own else project.train_reports
    report = (reports.test if found.current else None) or TestReport()
    figures = {name: getattr(report, name) for name in FIGURES}
    return Standing(
        active=asked and found.current and found.state is RunState.ACTIVE,
        failed=found.state is RunState.FAILED,
        message=found.message,
        done=report.images_done,
        total=report.total_images,
        eta_seconds=report.eta_seconds,
        figures=None if all(value is None for value in figures.values()) else figures,
    )


class _Metrics(BaseModel):
    """testMetrics.json."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    detection: dict[str, float] = {}
    recognition: dict[str, float] = {}
    end_to_end: dict[str, float] = {}


def figures_of(facade: Facade, address: Address, standing: Standing) -> Mapping[str, float | None] | None:
    """Those of the file, which belong to the images that are shown, else those reported.

    None where nothing was measured.
    """
    found = facade.volume.document(str(TestFolder(Path(address.folder)).test_metrics), _Metrics)
    if found is None:
        return standing.figures
    known = found.detection | found.recognition | {"end_to_end_f1": found.end_to_end.get("f1")}
    return {name: known.get(name) for name in FIGURES}


class Neighbours(NamedTuple):
    """Of an image in an order; its own number begins at 0."""

    number: int
    total: int
    previous: TestedImage | None
    next: TestedImage | None

    @property
    def after(self) -> int:
        """Where the page that shows the image begins."""
        return self.number // PER_PAGE * PER_PAGE


def neighbours(facade: Facade, address: Address, file: str, sort: Sort, q: str) -> Neighbours | None:
    """None where the order, or what it is narrowed to, doesn't have the image."""
    with facade.results.reading(address.lines) as found:
        if found is None:
            return None
        index, lines = found
        fitting = find(index, sort, q)
        position = position_of(index, file)
        if position is None or position not in fitting:
            return None
        number = fitting.index(position)
        around = [fitting[n] if 0 <= n < len(fitting) else None for n in (number - 1, number + 1)]
        previous, following = (None if at is None else image_at(lines, index.places[at]) for at in around)
    return Neighbours(number, len(fitting), previous, following)
