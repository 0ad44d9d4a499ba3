"""What FastAPI's OpenAPI lacks: models that answers name by reference, and the errors' own media type."""

from typing import Any

from fastapi import FastAPI

from ocr_api.problems import Problem
from ocr_contract.spec import OcrProjectSpec

_REFERENCE = "#/components/schemas/{model}"


def complete_openapi(app: FastAPI) -> None:
    """Have the application's OpenAPI document be whole; made once, when first asked for."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _add_models(document)
            _name_spec(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_models(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for model in (Problem, OcrProjectSpec):
        schema = model.model_json_schema(ref_template=_REFERENCE, by_alias=True, mode="serialization")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _name_spec(document: dict[str, Any]) -> None:
    """A body's `spec` is the resource's, though the API server alone judges it."""
    schemas = document["components"]["schemas"]
    schemas["SpecBody"]["properties"]["spec"] = {"$ref": _REFERENCE.format(model="OcrProjectSpec")}
