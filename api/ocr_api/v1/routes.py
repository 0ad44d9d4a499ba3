"""All of /api/v1 in one router."""

from fastapi import APIRouter

from ocr_api.v1 import events, pictures, projects, results, run_files, runs, uploads, watch


def build_router() -> APIRouter:
    router = APIRouter()
    for part in (projects, runs, run_files, results, pictures, events, watch, uploads):
        router.include_router(part.router)
    return router
