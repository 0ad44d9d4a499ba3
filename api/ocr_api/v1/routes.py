"""All of /api/v1 in one router."""

from fastapi import APIRouter

from ocr_api.v1 import (
    compare,
    dictionary,
    events,
    pictures,
    projects,
    results,
    run_files,
    runs,
    uploads,
    watch,
)

PARTS = (projects, runs, run_files, dictionary, results, pictures, compare, events, watch, uploads)


def build_router() -> APIRouter:
    router = APIRouter()
    for part in PARTS:
        router.include_router(part.router)
    return router
