"""/api/v1: two runs side by side: what each reached and cost, and which images one reads better.

Images are compared where both runs have tested themselves (`runTest`), by the share of the texts right among
all that were there or were found: what was missed and what was made up both count against it.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, BinaryIO, NamedTuple

from fastapi import APIRouter, Path
from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool

from ocr_api import problems
from ocr_api.files import Volume
from ocr_api.results import images_in
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, RunId, seen_project
from ocr_api.v1.documents import ApiModel, RunDocument
from ocr_api.v1.run_changes import TRAINING, listed_one
from ocr_contract.volume import TestFolder, check_id, train_subpath

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}/runs/{{runID}}")

_SHOWN = 100
"""Images, of those that are better and of those that are worse."""
_MOST_IMAGES = 100_000
"""Of a test: 50 MiB while they are compared."""

OtherId = Annotated[
    str,
    Path(alias="otherID", description="trainID of the run to compare with", examples=["2026-11-24"]),
    AfterValidator(lambda value: check_id(value, "trainID")),
]


class Pair(ApiModel):
    """A figure of both runs; null where a run has none."""

    run: float | None = Field(examples=[0.91])
    other: float | None = Field(examples=[0.88])
    difference: float | None = Field(description="The run's less the other's", examples=[0.03])


class ComparedFigures(ApiModel):
    hmean: Pair
    char_precision: Pair
    end_to_end_f1: Pair
    gpu_seconds: Pair
    duration_seconds: Pair = Field(description="From its start to its end; null while it is under way")


class Counts(NamedTuple):
    """What became of an image's texts."""

    right: int
    misread: int
    missed: int
    false: int

    @property
    def share(self) -> float:
        """Of right ones; an image with nothing to read in which nothing was read is all right."""
        return self.right / sum(self) if sum(self) else 1.0


class ImageCounts(ApiModel):
    share: float = Field(description="right / (right + misread + missed + false)", ge=0, le=1)
    right: int
    misread: int
    missed: int
    false: int = Field(description="Found where no text is")


class ComparedImage(ApiModel):
    file: str = Field(examples=["test/017.jpg"])
    run: ImageCounts
    other: ImageCounts
    difference: float = Field(description="The run's share less the other's", examples=[0.25])


class ComparedImages(ApiModel):
    compared: int = Field(description="Images with known texts that both runs have tested", examples=[200])
    improved: int = Field(description="Images that the run reads better", examples=[12])
    worsened: int = Field(description="Images that the run reads worse", examples=[3])
    better: list[ComparedImage] = Field(description="The first hundred, the biggest difference first")
    worse: list[ComparedImage] = Field(description="The first hundred, the biggest difference first")


class Comparison(ApiModel):
    run: str = Field(description="trainID", examples=["2026-11-25"])
    other: str = Field(description="trainID", examples=["2026-11-24"])
    figures: ComparedFigures
    images: ComparedImages | None = Field(description="null unless both runs have tested themselves")


@router.get("/compare/{otherID}", tags=["runs"], responses=problems.describe(404))
async def compare(facade: FacadeOf, project_id: ProjectId, run_id: RunId, other_id: OtherId) -> Comparison:
    """Two trainings of the project, present or past: figures, and images that one reads better."""
    project = seen_project(facade, project_id).project
    run, other = (listed_one(TRAINING, project, one) for one in (run_id, other_id))
    images = None
    # Without the figure a file is of an earlier revision, whose weights are gone.
    if run.end_to_end_f1 is not None and other.end_to_end_f1 is not None:
        folders = (FilePath(train_subpath(project_id, one)) for one in (run_id, other_id))
        paths = [str(TestFolder(folder).lines) for folder in folders]
        images = await run_in_threadpool(compare_images, facade.volume, *paths)
    return Comparison(run=run_id, other=other_id, figures=compare_figures(run, other), images=images)


def compare_figures(run: RunDocument, other: RunDocument) -> ComparedFigures:
    return ComparedFigures(
        hmean=_pair(run.hmean, other.hmean),
        char_precision=_pair(run.char_precision, other.char_precision),
        end_to_end_f1=_pair(run.end_to_end_f1, other.end_to_end_f1),
        gpu_seconds=_pair(run.gpu_seconds, other.gpu_seconds),
        duration_seconds=_pair(_duration(run), _duration(other)),
    )


def compare_images(volume: Volume, run: str, other: str) -> ComparedImages | None:
    """By the files of the runs' tests; None where one is missing."""
    with volume.reading(run) as ours, volume.reading(other) as theirs:
        if ours is None or theirs is None:
            return None
        before = dict(_images(theirs))
        compared, changed = 0, []
        for file, now in _images(ours):
            then = before.pop(file, None)  # what is compared needs no memory
            compared += then is not None
            if then is not None and now.share != then.share:
                changed.append((now.share - then.share, file, now, then))
    better = sorted((image for image in changed if image[0] > 0), key=lambda image: (-image[0], image[1]))
    worse = sorted(image for image in changed if image[0] < 0)
    return ComparedImages(
        compared=compared,
        improved=len(better),
        worsened=len(worse),
        better=[_image(file, now, then) for _, file, now, then in better[:_SHOWN]],
        worse=[_image(file, now, then) for _, file, now, then in worse[:_SHOWN]],
    )


def _images(file: BinaryIO) -> Iterator[tuple[str, Counts]]:
    """Images whose texts are known."""
    for image in islice(images_in(file), _MOST_IMAGES):
        if image.known:
            yield image.file, Counts(image.right, image.misread, image.missed, image.false)


def _image(file: str, now: Counts, then: Counts) -> ComparedImage:
    return ComparedImage(
        file=file,
        run=ImageCounts(share=now.share, **now._asdict()),
        other=ImageCounts(share=then.share, **then._asdict()),
        difference=now.share - then.share,
    )


def _pair(run: float | None, other: float | None) -> Pair:
    difference = None if run is None or other is None else run - other
    return Pair(run=run, other=other, difference=difference)


def _duration(run: RunDocument) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()
