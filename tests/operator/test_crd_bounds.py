"""Every bound in the resource's schema is kept by the real API server, which names the field and the bound.

The cases are made from the CRD itself: a bound that is added tomorrow has its case tomorrow. What CEL rules
say has its own table in test_crd_rules.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from ocr_contract.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION

CRD = Path(__file__).resolve().parents[2] / "charts/ocr-operator/files/ocrprojects.yaml"
ROOT = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC = ROOT["properties"]["spec"]
VALID: dict[str, Any] = {
    "projectID": "p",
    "train": {"id": "r", "suspend": True, "runTest": True},
    "test": {"id": "t", "suspend": True},
}
WRONG_TYPE = {
    "object": "text", "array": "text", "string": 5, "integer": "five", "number": "five", "boolean": "yes",
}  # fmt: skip


class Case(NamedTuple):
    path: str
    """Dotted; `*` is an element of a list or a map."""
    value: Any
    """None: the field is left out."""
    said: str
    """What the refusal says beside the field's name."""


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field with its dotted path."""
    children = dict(schema.get("properties") or {})
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            children["*"] = schema[key]
    for name, child in children.items():
        where = f"{path}.{name}".lstrip(".")
        yield where, child
        yield from fields(child, where)


def broken(path: str, schema: dict[str, Any]) -> Iterator[Case]:
    """One case for each bound of the field."""
    if "type" in schema:
        yield Case(path, WRONG_TYPE[schema["type"]], f"must be of type {schema['type']}")
    if (low := schema.get("minimum")) is not None:
        above = schema.get("exclusiveMinimum", False)
        said = f"should be greater than {'' if above else 'or equal to '}{low}"
        yield Case(path, low if above else low - 1, said)
    if (high := schema.get("maximum")) is not None:
        yield Case(path, high + 1, f"should be less than or equal to {high}")
    if (shortest := schema.get("minLength")) is not None:
        yield Case(path, "a" * (shortest - 1), f"should be at least {shortest} chars long")
    if (longest := schema.get("maxLength")) is not None:
        yield Case(path, "a" * (longest + 1), f"may not be more than {longest} bytes")
    if pattern := schema.get("pattern"):
        yield Case(path, "No such name!", f"should match '{pattern}'")
    if words := schema.get("enum"):
        yield Case(path, "Nonsense", "supported values: " + ", ".join(f'"{word}"' for word in words))
    if (most := schema.get("maxItems")) is not None:
        yield Case(path, [an_element(schema["items"])] * (most + 1), f"must have at most {most} items")
    if (most := schema.get("maxProperties")) is not None:
        element = an_element(schema["additionalProperties"])
        pairs = {f"k{number}": element for number in range(most + 1)}
        yield Case(path, pairs, f"must have at most {most} items")
    for name in schema.get("required", ()):
        yield Case(f"{path}.{name}", None, "Required value")


def an_element(schema: dict[str, Any]) -> Any:
    """Something that a list or map of these may hold."""
    return {"string": "a", "object": {}}.get(schema.get("type", ""), 1)


def nested(path: list[str], schema: dict[str, Any], value: Any) -> Any:
    """The value at its path, with nothing beside it."""
    if not path:
        return value
    name, *rest = path
    if name != "*":
        return {name: nested(rest, schema["properties"][name], value)}
    if "items" in schema:
        return [nested(rest, schema["items"], value)]
    return {"k": nested(rest, schema["additionalProperties"], value)}


def merged(base: Any, change: Any) -> Any:
    """As a JSON merge patch does it."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    both = base | {name: merged(base.get(name), value) for name, value in change.items()}
    return {name: value for name, value in both.items() if value is not None}


def try_to_create(http: httpx.Client, path: str, value: Any) -> httpx.Response:
    """What the API server says of a valid project with this one value; nothing is stored."""
    spec = merged(VALID, nested(path.split("."), SPEC, value))
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "never"}, "spec": spec}
    address = f"/apis/{GROUP}/{VERSION}/namespaces/default/{PLURAL}"
    return http.post(address, params={"dryRun": "All"}, json=body)


CASES = [case for path, schema in fields(SPEC) for case in broken(path, schema)]
EDGES = [
    (path, schema[bound])
    for path, schema in fields(SPEC)
    for bound in ("minimum", "maximum")
    if bound in schema and not (bound == "minimum" and schema.get("exclusiveMinimum"))
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}: {case.said}")
def test_what_is_out_of_bounds_is_refused_by_field_and_bound(http: httpx.Client, case: Case) -> None:
    answer = try_to_create(http, case.path, case.value)
    assert answer.status_code == 422, answer.text
    said = answer.json()["message"]
    assert f"spec.{case.path.partition('.*')[0]}" in said and case.said in said


@pytest.mark.parametrize(("path", "value"), EDGES, ids=lambda value: str(value))
def test_what_is_just_within_bounds_is_taken(http: httpx.Client, path: str, value: Any) -> None:
    answer = try_to_create(http, path, value)
    assert answer.status_code == 201, answer.text


def test_the_cases_know_every_kind_of_bound() -> None:
    told = {"type", "minimum", "exclusiveMinimum", "maximum", "minLength", "maxLength", "pattern", "enum"}
    told |= {"maxItems", "maxProperties", "required"}
    no_bounds = {
        "description", "default", "properties", "items", "additionalProperties", "format", "nullable",
        "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
    }  # fmt: skip
    assert {key for _, schema in fields(SPEC) for key in schema} <= told | no_bounds


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_says_what_it_means(part: str) -> None:
    schema = ROOT["properties"][part]
    assert [
        path for path, field in fields(schema) if not path.endswith("*") and not field.get("description")
    ] == []
    assert schema["description"]
