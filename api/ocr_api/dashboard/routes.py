"""The dashboard's addresses: who may open them, signing in and out, the files that pages load."""

from collections.abc import Callable, Coroutine
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response

from ocr_api.dashboard import compare_page, list_page, project_page, run_page, test_page
from ocr_api.dashboard.sessions import COOKIE, SECONDS, make_session
from ocr_api.dashboard.site import HEADERS, Site, is_same_origin, local_path
from ocr_api.errors import FacadeError

_STATIC = Path(str(files("ocr_api.dashboard") / "static"))
_CHARTS = "plotly.min.js"
_TITLES = {404: "not-found-title", 503: "unavailable-title"}


def build_router(site: Site) -> APIRouter:
    """All pages."""
    router = APIRouter(include_in_schema=False)
    pages = APIRouter(include_in_schema=False, route_class=_page_route(site))
    list_page.add_to(pages, site)
    project_page.add_to(pages, site)
    run_page.add_to(pages, site)
    test_page.add_to(pages, site)
    compare_page.add_to(pages, site)
    router.include_router(pages)
    _add_sign_in(router, site)
    _add_static(router)
    return router


def _page_route(site: Site) -> type[APIRoute]:
    """Routes that ask to sign in first, and tell errors as pages."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    if not site.signed_in(request):
                        return site.sign_in_first(request)
                    return await handler(request)
                except FacadeError as error:
                    title = site.words(request)(_TITLES.get(error.status, "error-title"))
                    return site.page(
                        request, "error.html", status=error.status, title=title, message=str(error)
                    )

            return handle

    return PageRoute


def _add_sign_in(router: APIRouter, site: Site) -> None:
    @router.get("/sign-in")
    async def sign_in_page(request: Request, next: str = "/") -> Response:
        if site.signed_in(request):
            return RedirectResponse(local_path(next), 303, headers=HEADERS)
        return site.page(request, "sign_in.html", next=local_path(next), wrong=False)

    @router.post("/sign-in")
    async def sign_in(
        request: Request, token: Annotated[str, Form(max_length=4096)], next: Annotated[str, Form()] = "/"
    ) -> Response:
        given = token.strip()
        try:
            site.access.check(given)
        except FacadeError as error:
            if error.status != 401:
                raise
            return site.page(request, "sign_in.html", status=401, next=local_path(next), wrong=True)
        answer = RedirectResponse(local_path(next), 303, headers=HEADERS)
        if not site.access.open:
            session = make_session(given.encode(), site.clock())
            secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
            answer.set_cookie(
                COOKIE, session, max_age=SECONDS, httponly=True, samesite="strict", secure=secure
            )
        return answer

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        if not is_same_origin(request):
            raise HTTPException(403, "only a page of the dashboard itself signs out")
        answer = RedirectResponse("/", 303, headers=HEADERS)
        answer.delete_cookie(COOKIE)
        return answer


def _add_static(router: APIRouter) -> None:
    known = {path.name: path for path in _STATIC.iterdir() if path.suffix in (".css", ".js", ".svg")}
    library = Path(str(distribution("plotly").locate_file(f"plotly/package_data/{_CHARTS}")))

    # The version stands in the address, so that a browser asks once for each release.
    @router.get("/static/{version}/{name}")
    async def static(name: str) -> Response:
        path = library if name == _CHARTS else known.get(PurePosixPath(name).name)
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})
