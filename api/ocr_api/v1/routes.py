"""All of /api/v1 in one router."""

from fastapi import APIRouter

from ocr_api.v1 import compare, dictionary, events, projects, run_files, runs, uploads, watch


def build_router() -> APIRouter:
    router = APIRouter()
    for part in (projects, runs, run_files, dictionary, compare, events, watch, uploads):
        router.include_router(part.router)
    return router
