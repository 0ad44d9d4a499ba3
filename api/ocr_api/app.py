"""The FastAPI application: routes, who may call them, health, and what lives as long as it does."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from ocr_api import problems
from ocr_api.access import Access
from ocr_api.dashboard import routes as dashboard_routes
from ocr_api.dashboard.site import Site, is_same_origin
from ocr_api.facade import Facade
from ocr_api.files import Volume
from ocr_api.kube import Projects
from ocr_api.legacy import routes as legacy_routes
from ocr_api.legacy.answers import ErrorAnswer
from ocr_api.metrics import CONTENT_TYPE, Metrics
from ocr_api.openapi import complete_openapi
from ocr_api.pictures import Pictures
from ocr_api.resource_check import ResourceCheck
from ocr_api.results import Results
from ocr_api.settings import Settings
from ocr_api.space import Space
from ocr_api.traffic import MAX_BODY_BYTES, REQUEST_ID, Traffic
from ocr_api.uploads.store import UploadStore
from ocr_api.v1 import routes as v1_routes
from ocr_api.v1.dependencies import V1
from ocr_contract.legacy_answers import Answer

DESCRIPTION = """Trains text detectors and recognisers on a project's annotated images.

**/api/v1** holds projects, runs and tests as documents, and answers errors as problem documents (RFC 9457).

**The legacy paths** take their parameters from the query, a form or a JSON body alike and answer one flat
JSON object: `code` is 0 where all is fine, else the HTTP status; `msg` is a sentence for people; the fields
follow."""


_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STREAMED = re.compile(rf"{V1}/(uploads/[^/]+|projects/[^/]+/(runs|tests)/[^/]+/(dataset|files/.+))")


def build_app(settings: Settings) -> FastAPI:
    """The application; the API server is first asked when it starts."""
    metrics = Metrics(Space(settings.volume_root))
    tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await Projects.connect(settings.namespace, settings.kubeconfig) as projects:
            metrics.watch(projects)
            volume = Volume(settings.volume_root)
            app.state.facade = Facade(
                projects=projects,
                volume=volume,
                uploads=UploadStore(settings.volume_root, settings.max_upload_bytes),
                results=Results(volume),
                pictures=Pictures(volume),
                metrics=metrics,
                background=_keeper(tasks),
            )
            app.state.resource = ResourceCheck(projects)
            app.state.watch = asyncio.create_task(_watch(projects, app.state.resource))
            try:
                yield
            finally:
                app.state.watch.cancel()
                with suppress(asyncio.CancelledError):
                    await app.state.watch
                await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(
        title="OcrProject", version=version("ocrproject"), description=DESCRIPTION, lifespan=lifespan
    )
    problems.install(app)
    access = Access(settings.token_file)
    site = Site(access, time.time)
    allowed = Depends(_gate(access))
    app.include_router(
        legacy_routes.build_router(), dependencies=[] if settings.legacy_without_token else [allowed]
    )
    app.include_router(v1_routes.build_router(), dependencies=[Depends(_gate(access, site))])
    app.include_router(dashboard_routes.build_router(site))
    _add_health(app)
    complete_openapi(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "If-Match", REQUEST_ID, "Tus-Resumable",
                           "Upload-Length", "Upload-Offset", "Upload-Metadata"],
            expose_headers=["ETag", "Location", REQUEST_ID, "Tus-Resumable", "Upload-Length",
                            "Upload-Offset"],
        )  # fmt: skip
    app.add_middleware(
        Traffic,
        metrics=metrics,
        max_body=_body_limit(settings.max_upload_bytes),
        patience=settings.body_seconds,
    )
    return app


def _body_limit(max_upload_bytes: int) -> Callable[[str], int]:
    """Only what is streamed to the volume may be large: other bodies are read into memory."""
    return lambda path: max_upload_bytes if _STREAMED.fullmatch(path) else MAX_BODY_BYTES


def _gate(access: Access, site: Site | None = None) -> Callable[..., None]:
    """site: whose signed-in users may call, too, from its own pages."""
    bearer = HTTPBearer(auto_error=False, description="A token of the facade's settings")

    def allow(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> None:
        if given is None and site is not None and not access.open and site.signed_in(request):
            if request.method not in _SAFE and not is_same_origin(request):
                raise HTTPException(403, "a session changes things from the dashboard's own pages only")
            return
        access.check(given.credentials if given is not None else None)

    return allow


async def _watch(projects: Projects, resource: ResourceCheck) -> None:
    """For ever; a defect in either ends both, which /healthz tells."""
    async with asyncio.TaskGroup() as group:
        group.create_task(projects.run())
        group.create_task(resource.wait())


def _keeper(tasks: "set[asyncio.Task[None]]") -> Callable[[Coroutine[Any, Any, None]], None]:
    """Tasks are held on to until they are done: the event loop alone would let them go."""

    def background(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return background


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
        """Are its answers fresh and whole? 503 before the first list, when the API server was silent for
        30 s, and until the OcrProject resource has every field that this release knows."""
        if reason := request.app.state.resource.not_ready:
            raise HTTPException(503, reason)
        return Answer()

    @app.get("/metrics", tags=["health"], response_class=Response, responses=_METRICS)
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        return Response(await request.app.state.facade.metrics.page(), media_type=CONTENT_TYPE)


_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
