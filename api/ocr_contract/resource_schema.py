"""Whether the OcrProject resource that a cluster serves has the fields that this release knows.

Helm leaves another release's resource alone, and people forget to upgrade one by hand. The API server then
drops what an older resource has no place for, or refuses the whole write: a gate that somebody set is lost in
silence, and a status is told no more. Programs ask at their start, and say what to do.

The schema comes from the API server's OpenAPI document, which every account may read; the resource's own
definition is for those with rights in the whole cluster. A newer resource has more fields, which is fine.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from ocr_contract.resource import API_VERSION, GROUP, KIND, VERSION
from ocr_contract.spec import OcrProjectSpec
from ocr_contract.status import OcrProjectStatus

Schema = Mapping[str, Any]

OPENAPI_PATH: Final = f"/openapi/v3/apis/{API_VERSION}"
"""The document has 100 kB and follows a change of the resource within half a second."""
UPGRADE: Final = (
    "helm template RELEASE CHART -s templates/crd.yaml | kubectl apply --server-side --force-conflicts -f -"
)
NAMED: Final = 10
"""Missing fields that are told by name."""


def served_schema(openapi: Mapping[str, Any]) -> Schema | None:
    """The resource's schema in the document at OPENAPI_PATH; None: not there (yet)."""
    ours = {"group": GROUP, "version": VERSION, "kind": KIND}
    schemas: Mapping[str, Schema] = openapi.get("components", {}).get("schemas", {})
    found = (
        schema for schema in schemas.values() if ours in schema.get("x-kubernetes-group-version-kind", ())
    )
    return next(found, None)


def missing_fields(served: Schema) -> list[str]:
    """What spec or status of this release have and the served schema has not, in the models' order.

    `[]` is an element of a list and `*` one of a map; of a part that is missing as a whole only the part.
    """
    return list(_missing({"properties": _wanted()}, served, ""))


def complaint(openapi: Mapping[str, Any] | None, program: str) -> str | None:
    """What to say when the resource is not there or older than the program; None: it has everything."""
    served = served_schema(openapi or {})
    if served is None:
        return "the API server does not serve OcrProjects yet"
    missing = missing_fields(served)
    if not missing:
        return None
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return (
        f"the OcrProject resource of this cluster is older than this {program}: it lacks"
        f" {', '.join(missing[:NAMED])}{more}. Upgrade it: {UPGRADE}"
    )


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema with every reference replaced by what it names."""
    document = model.model_json_schema(by_alias=True)
    definitions = document.get("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve({**definitions[node["$ref"].rsplit("/", 1)[1]], **_without(node, "$ref")})
        if "anyOf" in node:  # optional: what it is when it is there
            (kind,) = [option for option in node["anyOf"] if option != {"type": "null"}]
            return resolve({**_without(node, "anyOf"), **kind})
        return {key: resolve(item) for key, item in node.items() if key != "$defs"}

    schema: dict[str, Any] = resolve(document)
    return schema


def _wanted() -> dict[str, Schema]:
    return {"spec": model_schema(OcrProjectSpec), "status": model_schema(OcrProjectStatus)}


def _missing(wanted: Schema, served: Schema, path: str) -> Iterator[str]:
    for name, child in _children(wanted):
        where = f"{path}[]" if name == "[]" else f"{path}.{name}".lstrip(".")
        there = _served_child(served, name)
        if there is None:
            yield where
        else:
            yield from _missing(child, there, where)


def _children(wanted: Schema) -> Iterator[tuple[str, Schema]]:
    """By name, `[]` or `*`; maps and lists of anything ask for nothing."""
    yield from wanted.get("properties", {}).items()
    for key, name in (("items", "[]"), ("additionalProperties", "*")):
        if isinstance(wanted.get(key), Mapping):
            yield name, wanted[key]


def _served_child(served: Schema, name: str) -> Schema | None:
    """None: the API server would drop it."""
    free: Schema = {"x-kubernetes-preserve-unknown-fields": True}
    if name in served.get("properties", {}):
        child: Schema = served["properties"][name]
        return child
    key = "items" if name == "[]" else "additionalProperties"
    if isinstance(served.get(key), Mapping):
        inner: Schema = served[key]
        return inner
    return free if served.get(key) or served.get("x-kubernetes-preserve-unknown-fields") else None


def _without(node: Schema, key: str) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != key}
