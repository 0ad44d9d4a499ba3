"""What all pages share: the templates, the language, who is signed in, and the headers that bind the browser.

The Content-Security-Policy lets a page load what the facade serves and nothing else, and run no script that
stands in it. Styles may stand in it, because the chart library sets its own.
"""

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ocr_api.access import Access
from ocr_api.dashboard.sessions import COOKIE, is_session
from ocr_api.dashboard.words import LOCALES, Language, Words, preferred

LANGUAGE_COOKIE = "ocr_language"
_YEAR = 365 * 24 * 3600
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Site:
    """Makes pages. `clock`: seconds since the epoch."""

    def __init__(self, access: Access, clock: Callable[[], float]) -> None:
        self.access = access
        self.clock = clock
        self._templates = Environment(
            loader=PackageLoader("ocr_api.dashboard"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters |= {"segment": segment, "figure": figure}
        self._version = version("ocrproject")

    def words(self, request: Request) -> Words:
        """In the language of the address, of the cookie, or of the browser."""
        chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        return Words(preferred(chosen, request.headers.get("accept-language", "")))

    def signed_in(self, request: Request) -> bool:
        """Whether the request may see anything: everybody where there is no token."""
        cookie = request.cookies.get(COOKIE, "")
        return self.access.open or is_session(cookie, self.access.tokens, self.clock())

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """The whole page."""
        words = self.words(request)
        html = self._templates.get_template(template).render(
            t=words, locale=LOCALES[words.language], version=self._version, site=self,
            language_link=_other_language(request, words.language), now=self.clock(),
            can_sign_out=not self.access.open and self.signed_in(request), **values,
        )  # fmt: skip
        page = HTMLResponse(html, status, headers=HEADERS)
        if request.query_params.get("lang") in set(Language):
            page.set_cookie(LANGUAGE_COOKIE, words.language, max_age=_YEAR, httponly=True, samesite="strict")
        return page

    def fragment(self, words: Words, template: str, macro: str, *values: Any) -> str:
        """A part of a page, by the macro that makes it there, too."""
        module = self._templates.get_template(template).module
        return str(getattr(module, macro)(words, *values)).strip()

    def sign_in_first(self, request: Request) -> Response:
        """To the sign-in page, which leads back."""
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303, headers=HEADERS)


def is_same_origin(request: Request) -> bool:
    """Whether a page of the facade itself sent the request, as far as the browser tells."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def local_path(path: str) -> str:
    """Where to go after signing in: a path of this facade, nothing that leads elsewhere."""
    parts = urlsplit(path)
    safe = (
        path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    )
    return path if safe else "/"


def segment(text: str) -> str:
    """An id as a part of a path."""
    return quote(text, safe="")


def figure(value: float | None) -> str:
    """A share as people read it; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def event(name: str, data: Any, number: str = "") -> str:
    """A server-sent event."""
    head = f"id: {number}\n" if number else ""
    return f"event: {name}\n{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _other_language(request: Request, language: Language) -> str:
    other = Language.ZH if language is Language.EN else Language.EN
    return str(request.url.include_query_params(lang=other.value).replace(scheme="", netloc=""))
