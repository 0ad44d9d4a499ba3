"""Turn Kubernetes' OpenAPI documents into the JSON schemas that kubeconform reads, a small file for a kind.

As openapi2jsonschema makes its strict ones, with two differences: what the kinds share lies in one file
beside them, and null is no value. The API server takes a null for an absent field, but in a chart it is a
template that came out empty.
"""

from typing import Any

Schema = dict[str, Any]

SHARED = "_definitions.json"
# What JSON Schema's draft 4, kubeconform's own, understands of it. Descriptions are two thirds of the text.
KEPT = (
    "$ref", "type", "format", "pattern", "enum", "required", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
    "minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not",
)  # fmt: skip
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
OPEN = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")


def of_kubernetes(swagger: Schema) -> dict[str, Schema]:
    """File name -> schema, for every kind of an API server's swagger.json."""
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    definitions[QUANTITY] = {"type": ["string", "number"]}
    files: dict[str, Schema] = {SHARED: {"definitions": definitions}}
    for name, schema in swagger["definitions"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) != 1:  # the others, such as DeleteOptions, are sent to every group and stored in none
            continue
        (kind,) = kinds
        reference = {"$ref": f"{SHARED}#/definitions/{name}"}
        files[file_name(kind["group"], kind["version"], kind["kind"])] = reference
    return files


def of_resource(definition: Schema) -> dict[str, Schema]:
    """File name -> schema, for every version of a CustomResourceDefinition."""
    spec = definition["spec"]
    files = {}
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        # The API server knows these whether or not the definition says so.
        schema["properties"] = {
            "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        } | schema["properties"]  # fmt: skip
        files[file_name(spec["group"], version["name"], spec["names"]["kind"])] = schema
    return files


def file_name(group: str, version: str, kind: str) -> str:
    """As kubeconform's {{.ResourceKind}}{{.KindSuffix}}.json has it: of the group only the first word."""
    words = [kind, *([group.partition(".")[0]] if group else []), version]
    return f"{'-'.join(words).lower()}.json"


def strict(schema: Schema) -> Schema:
    """The schema without what only Kubernetes understands, refusing fields that it doesn't name."""
    made: Schema = {key: schema[key] for key in KEPT if key in schema}
    if "items" in schema:
        made["items"] = strict(schema["items"])
    if "properties" in schema:
        made["properties"] = {name: strict(inner) for name, inner in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    elif "properties" in schema and not any(schema.get(mark) for mark in OPEN):
        made["additionalProperties"] = bool(schema.get("additionalProperties"))
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        made.pop("format", None)
        made["type"] = ["integer", "string"]
    if schema.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    return made
