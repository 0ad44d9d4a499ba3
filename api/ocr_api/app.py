"""The FastAPI application: routes, health, errors, and the watch that lives as long as it does."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ocr_api import legacy_routes
from ocr_api.answers import ErrorAnswer
from ocr_api.errors import FacadeError
from ocr_api.files import Volume
from ocr_api.kube import Projects
from ocr_api.settings import Settings
from ocr_contract.legacy_answers import Answer

logger = logging.getLogger(__name__)

DESCRIPTION = """Trains text detectors and recognisers on a project's annotated images.

Every path takes its parameters from the query, a form or a JSON body alike and answers one flat JSON object:
`code` is 0 where all is fine, else the HTTP status; `msg` is a sentence for people; the fields follow."""


def build_app(settings: Settings) -> FastAPI:
    """The application; the API server is first asked when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await Projects.connect(settings.namespace, settings.kubeconfig) as projects:
            app.state.facade = legacy_routes.Facade(projects, Volume(settings.volume_root))
            app.state.watch = asyncio.create_task(projects.run())
            try:
                yield
            finally:
                app.state.watch.cancel()
                with suppress(asyncio.CancelledError):
                    await app.state.watch

    app = FastAPI(
        title="OcrProject", version=version("ocrproject"), description=DESCRIPTION, lifespan=lifespan
    )
    app.include_router(legacy_routes.build_router())
    app.add_exception_handler(FacadeError, _facade_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _defect)
    _add_health(app)
    return app


def _add_health(app: FastAPI) -> None:
    unwell: dict[int | str, dict[str, Any]] = {
        503: {"model": ErrorAnswer, "description": "not now; msg says why"}
    }

    @app.get("/healthz", tags=["health"], responses=unwell)
    async def healthz(request: Request) -> Answer:
        """Is the process worth keeping? 503 when its watch has died."""
        if request.app.state.watch.done():
            raise HTTPException(503, "the watch on OcrProjects has ended")
        return Answer()

    @app.get("/readyz", tags=["health"], responses=unwell)
    async def readyz(request: Request) -> Answer:
        """Are its answers fresh? 503 before the first list and when the API server was silent for 30 s."""
        if reason := request.app.state.facade.projects.not_ready:
            raise HTTPException(503, reason)
        return Answer()


async def _facade_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FacadeError)
    return _flat(error.status, str(error))


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _flat(error.status_code, str(error.detail))


async def _defect(request: Request, error: Exception) -> JSONResponse:
    logger.error("Failed to answer %s", request.url.path, exc_info=error)
    return _flat(500, "this is a defect of the facade; its log says more")


def _flat(status: int, message: str) -> JSONResponse:
    return JSONResponse(Answer(code=status, msg=message).model_dump(), status_code=status)
