"""The CRD and the pydantic models say the same: defaults, bounds, fields."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from ocr_contract.resource_schema import model_schema
from ocr_contract.spec import OcrProjectSpec, SpecModel
from ocr_contract.status import OcrProjectStatus

CRD = Path(__file__).resolve().parents[2] / "charts/ocr-operator/files/ocrprojects.yaml"
Schema = dict[str, Any]


def crd_schema(part: str) -> Schema:
    version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
    schema: Schema = version["schema"]["openAPIV3Schema"]["properties"][part]
    return schema


def with_defaults(schema: Schema, value: dict[str, Any]) -> dict[str, Any]:
    """What the API server stores: structural defaulting, object by object."""
    filled = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = child["default"]
        if name in filled and child.get("type") == "object":
            filled[name] = with_defaults(child, filled[name])
    return filled


def leaves(schema: Schema, path: str = "") -> dict[str, Schema]:
    """Every field by its dotted path; what maps and lists hold counts as a field."""
    found = {}
    children = dict(schema.get("properties") or {})
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            children["*"] = schema[key]
    for name, child in children.items():
        where = f"{path}.{name}" if path else name
        found[where] = child
        found |= leaves(child, where)
    return found


CRD_SPEC, MODEL_SPEC = leaves(crd_schema("spec")), leaves(model_schema(OcrProjectSpec))
FREE_FORM = ("scheduling.tolerations.*", "train.detection.overrides", "train.recognition.overrides")
"""Handed on as they are; the CRD knows more of tolerations than the model needs to."""


def test_a_minimal_project_means_the_same_to_api_server_and_model() -> None:
    minimal = {"train": {"id": "r"}, "test": {"id": "t"}}
    by_model = OcrProjectSpec.model_validate(minimal).model_dump(mode="json", exclude_none=True)
    assert with_defaults(crd_schema("spec"), minimal) == by_model


def test_the_model_understands_every_field_of_the_crd_and_the_crd_every_field_of_the_model() -> None:
    known = {path for path in CRD_SPEC if not path.startswith(FREE_FORM)}
    assert known == {path for path in MODEL_SPEC if not path.startswith(FREE_FORM)}


@pytest.mark.parametrize("path", sorted(path for path in MODEL_SPEC if not path.startswith(FREE_FORM)))
@pytest.mark.parametrize("bound", ["minimum", "maximum", "minLength", "maxLength", "pattern", "enum"])
def test_bounds_agree(path: str, bound: str) -> None:
    in_model, in_crd = MODEL_SPEC[path].get(bound), CRD_SPEC[path].get(bound)
    if in_model is not None:
        assert in_crd == in_model
    elif bound in ("minimum", "maximum") and "exclusiveMinimum" not in MODEL_SPEC[path]:
        assert in_crd is None


def test_a_learning_rate_is_above_zero_for_both() -> None:
    for model in ("detection", "recognition"):
        path = f"train.{model}.learningRate"
        assert CRD_SPEC[path]["minimum"] == MODEL_SPEC[path]["exclusiveMinimum"] == 0
        assert CRD_SPEC[path]["exclusiveMinimum"] is True


def test_the_status_has_the_same_fields_for_api_server_and_model() -> None:
    in_crd, in_model = leaves(crd_schema("status")), leaves(model_schema(OcrProjectStatus))
    assert set(in_crd) == set(in_model)


def test_everything_in_the_status_is_bounded() -> None:
    for path, schema in leaves(crd_schema("status")).items():
        if schema["type"] == "string":
            assert "maxLength" in schema or "enum" in schema or schema.get("format") == "date-time", path
        if schema["type"] == "array":
            assert "maxItems" in schema, path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path


def test_unknown_fields_of_a_spec_are_refused_and_those_of_a_status_dropped() -> None:
    with pytest.raises(ValueError, match="colour"):
        OcrProjectSpec.model_validate({"train": {"id": "r", "colour": "red"}})
    assert OcrProjectStatus.model_validate({"colour": "red"}) == OcrProjectStatus()


def test_every_spec_model_is_strict() -> None:
    def below(model: type[BaseModel]) -> set[type[BaseModel]]:
        return {model}.union(*(below(child) for child in model.__subclasses__()))

    assert all(model.model_config.get("extra") == "forbid" for model in below(SpecModel))
