"""OpenAPI for the legacy paths: one model of parameters, shown as query, form and JSON body.

FastAPI would tie a parameter to one of the three; the old platform's calls may use any of them.
"""

from typing import Any

from pydantic import BaseModel

from ocr_api.legacy.answers import ErrorAnswer
from ocr_api.legacy.parameters import Parameters

_ERRORS = {
    400: "a parameter is missing or wrong, or the API server refused the change",
    404: "no such project, run, test or file",
    409: "it can't be done in the state things are in",
    413: "the body is larger than any parameters are",
    503: "the Kubernetes API server can't be reached",
}


def describe_parameters(model: type[Parameters], method: str) -> dict[str, Any]:
    """The operation's `parameters`, and for POST its `requestBody`."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    required = schema.get("required", [])
    query = [
        {
            "name": name,
            "in": "query",
            "required": name in required and method == "GET",
            "description": field.get("description", ""),
            "schema": _bare(field),
        }
        for name, field in schema["properties"].items()
    ]
    if method == "GET":
        return {"parameters": query}
    body = {
        "type": "object",
        "properties": {name: _bare(field) for name, field in schema["properties"].items()},
        "description": "instead of the query; an id may stand in either",
    }
    kinds = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
    return {"parameters": query, "requestBody": {"content": {kind: {"schema": body} for kind in kinds}}}


def describe_answers(answers: list[type[BaseModel]], download: bool) -> dict[int | str, dict[str, Any]]:
    """The operation's `responses`."""
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer, "description": meaning} for status, meaning in _ERRORS.items()
    }
    if download:
        binary: dict[str, dict[str, Any]] = {"*/*": {"schema": {}}}
        errors[200] = {"description": "the file", "content": binary}
        errors[206] = {"description": "the part asked for by Range", "content": binary}
        errors[416] = {"description": "the Range lies beyond the file"}
        return errors
    model: Any = answers[0] if len(answers) == 1 else answers[0] | answers[1]
    return {200: {"model": model, "description": "fine"}, **errors}


def _bare(field: dict[str, Any]) -> dict[str, Any]:
    """The field's schema without null: a parameter is there or not."""
    schema = {key: value for key, value in field.items() if key not in ("title", "default", "anyOf")}
    for choice in field.get("anyOf", []):
        if choice != {"type": "null"}:
            schema |= choice
    if field.get("default") is not None:
        schema["default"] = field["default"]
    return schema
