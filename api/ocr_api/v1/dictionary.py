"""/api/v1: the characters that a run's recogniser knows, and how often each occurs in the run's texts.

characters.json holds both. A run that was prepared before there was such a file has its dictionary alone.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool

from ocr_api import problems
from ocr_api.files import Volume
from ocr_api.v1.dependencies import V1, FacadeOf, ProjectId, RunId, check_run
from ocr_api.v1.documents import ApiModel
from ocr_contract.volume import train_subpath

router = APIRouter(prefix=f"{V1}/projects/{{projectID}}/runs/{{runID}}")

_MAX_BYTES = 16 * 1024 * 1024
"""Every character that Unicode has would take 12 MB."""


class Character(ApiModel):
    character: str = Field(examples=["A"])
    training: int | None = Field(
        default=None, ge=0, description="How often the training's texts hold it", examples=[1234]
    )
    validation: int | None = Field(default=None, ge=0, description="The validation's", examples=[56])
    known: bool = Field(default=True, description="False: the dictionary lacks it, each is read wrongly")


class Dictionary(ApiModel):
    items: list[Character] = Field(
        description="The commonest first; in the dictionary's order and without counts where a run was "
        "prepared before they were kept; none before it was prepared"
    )
    total: int = Field(description="On all pages", examples=[95])
    next: int | None = Field(default=None, description="Send it as `after` for the next page")


class _Counted(ApiModel):
    characters: list[Character]


@router.get("/dictionary", tags=["runs"], responses=problems.describe(404))
async def dictionary(
    facade: FacadeOf,
    project_id: ProjectId,
    run_id: RunId,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    after: Annotated[int, Query(ge=0, le=1_000_000_000, description="`next` of the page before")] = 0,
) -> Dictionary:
    """The recogniser's characters and those of the validation that it can't know, with their frequency."""
    folder = f"{train_subpath(project_id, run_id)}/work/dataset"
    found = await run_in_threadpool(read_characters, facade.volume, folder)
    if found is None:
        check_run(facade, project_id, run_id)
        found = []  # its images have not been prepared yet
    end = after + limit
    return Dictionary(items=found[after:end], total=len(found), next=end if end < len(found) else None)


def read_characters(volume: Volume, folder: str) -> list[Character] | None:
    """All of them; None where there is neither characters.json nor a dictionary."""
    counted = _read(volume, f"{folder}/characters.json")
    if counted is not None:
        try:
            return _Counted.model_validate_json(counted).characters
        except ValidationError:
            pass  # damaged: the dictionary itself is better than nothing
    plain = _read(volume, f"{folder}/dictionary.txt")
    if plain is None:
        return None
    lines = plain.decode(errors="replace").split("\n")
    return [Character(character=line) for line in lines if line]


def _read(volume: Volume, path: str) -> bytes | None:
    with volume.reading(path) as file:
        return None if file is None else file.read(_MAX_BYTES)
