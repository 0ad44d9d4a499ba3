"""Errors become answers here, once: flat JSON on the old paths, RFC 9457 problem documents under /api/.

The API server's own sentence is passed on as it is: it names the field and the rule.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ocr_api.errors import FacadeError
from ocr_contract.legacy_answers import Answer

logger = logging.getLogger(__name__)

API_PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
_CLOSING = {408, 413}
"""The rest of the body is not read, so the connection can't be used again."""


class FieldProblem(BaseModel):
    field: str = Field(examples=["body.id"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """RFC 9457. `detail` is a sentence for people; `errors` names fields where the call's form is wrong."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "project 'receipts' has no trained model yet",
                    "instance": "/api/v1/projects/receipts/tests",
                    "requestId": "9f0c2c9d1f6e4b0c",
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    request_id: str = Field(serialization_alias="requestId")
    errors: list[FieldProblem] | None = None


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for these statuses and for those that every call may get."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({401, 422, 503, *statuses})
    }


def install(app: FastAPI) -> None:
    """Have every error answered in the form of its path."""
    app.add_exception_handler(FacadeError, _told)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _defect)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, FacadeError)
    return answer(request, error.status, str(error), headers=error.headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"there is no path {request.url.path}; /docs lists those that there are"
    return answer(request, error.status_code, detail, headers=error.headers)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        FieldProblem(
            field=".".join(str(part) for part in problem["loc"]),
            message=str(problem["msg"]).removeprefix("Value error, "),
        )
        for problem in error.errors()
    ]
    detail = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
    return answer(request, 422, detail, errors=problems)


async def _defect(request: Request, error: Exception) -> Response:
    logger.error("Failed to answer %s", request.url.path, exc_info=error)
    return answer(request, 500, "this is a defect of the facade; its log says more")


def answer(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[FieldProblem] | None = None,
) -> Response:
    """The error in the form that the path's callers know."""
    headers = dict(headers or {})
    if status in _CLOSING:
        headers["Connection"] = "close"
    if not request.url.path.startswith(API_PREFIX):
        flat = Answer(code=status, msg=detail).model_dump()
        return JSONResponse(flat, status_code=status, headers=headers)
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        request_id=request.scope.get("request_id", ""),
        errors=errors,
    )
    document = problem.model_dump(by_alias=True, exclude_none=True)
    return JSONResponse(document, status_code=status, headers=headers, media_type=MEDIA_TYPE)
