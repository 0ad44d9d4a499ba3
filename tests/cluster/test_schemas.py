"""Schemas made of OpenAPI refuse what the API server would refuse or drop, and take what it takes."""

from typing import Any

import jsonschema
import pytest

from ocr_cluster import schemas

SWAGGER: dict[str, Any] = {
    "definitions": {
        "apps.Thing": {
            "description": "A thing",
            "type": "object",
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "spec": {"$ref": "#/definitions/apps.ThingSpec", "description": "its spec"},
            },
            "x-kubernetes-group-version-kind": [
                {"group": "apps.example.org", "version": "v1beta1", "kind": "Thing"}
            ],
        },
        "apps.ThingSpec": {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "format": "int32"},
                "port": {"$ref": "#/definitions/IntOrString"},
                "memory": {"$ref": f"#/definitions/{schemas.QUANTITY}"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"$ref": "#/definitions/Free"},
                "description": {"type": "string", "description": "a field that is named as a keyword is"},
            },
        },
        "IntOrString": {"type": "string", "format": "int-or-string"},
        schemas.QUANTITY: {"type": "string"},
        "Free": {"type": "object", "description": "anything"},
        "Options": {
            "type": "object",
            "x-kubernetes-group-version-kind": [
                {"group": "", "version": "v1", "kind": "Options"},
                {"group": "apps", "version": "v1", "kind": "Options"},
            ],
        },
    }
}
RESOURCE: dict[str, Any] = {
    "spec": {
        "group": "example.org",
        "names": {"kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "port": {"x-kubernetes-int-or-string": True},
                                    "size": {"type": "integer", "minimum": 1, "nullable": True},
                                    "rest": {
                                        "type": "object",
                                        "properties": {"known": {"type": "string"}},
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                },
                                "oneOf": [{"required": ["port"]}, {"required": ["size"]}],
                            }
                        },
                    }
                },
            }
        ],
    }
}


def thing_accepts(spec: Any) -> bool:
    files = schemas.of_kubernetes(SWAGGER)
    shared = files[schemas.SHARED] | {"$ref": "#/definitions/apps.Thing"}
    return bool(
        jsonschema.Draft4Validator(shared).is_valid({"apiVersion": "x", "kind": "Thing", "spec": spec})
    )


def widget_accepts(spec: Any, **beside: Any) -> bool:
    (schema,) = schemas.of_resource(RESOURCE).values()
    widget = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}
    return bool(jsonschema.Draft4Validator(schema).is_valid(widget | beside))


def test_each_kind_has_a_file_that_kubeconform_finds() -> None:
    files = schemas.of_kubernetes(SWAGGER)
    assert set(files) == {"_definitions.json", "thing-apps-v1beta1.json"}, "options are no objects"
    assert files["thing-apps-v1beta1.json"] == {"$ref": "_definitions.json#/definitions/apps.Thing"}
    assert schemas.file_name("", "v1", "ConfigMap") == "configmap-v1.json"
    assert schemas.file_name("rbac.authorization.k8s.io", "v1", "Role") == "role-rbac-v1.json"
    assert list(schemas.of_resource(RESOURCE)) == ["widget-example-v1.json"]


@pytest.mark.parametrize(
    "spec",
    [
        {}, {"count": 1}, {"port": 80}, {"port": "http"}, {"memory": "1Gi"}, {"memory": 1.5},
        {"labels": {"any": "label"}}, {"free": {"any": ["thing"]}}, {"description": "text"},
    ],
    ids=str,
)  # fmt: skip
def test_what_kubernetes_takes_passes(spec: dict[str, Any]) -> None:
    assert thing_accepts(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"conut": 1}, {"count": "1"}, {"count": None}, {"port": 1.5}, {"memory": ["1Gi"]},
        {"labels": {"a": 1}}, {"description": 1}, None,
    ],
    ids=str,
)  # fmt: skip
def test_what_kubernetes_refuses_or_drops_does_not(spec: Any) -> None:
    assert not thing_accepts(spec)


def test_a_custom_resource_is_held_to_its_definition() -> None:
    assert widget_accepts({"port": "http"}) and widget_accepts({"size": 2}) and widget_accepts({"size": None})
    assert widget_accepts({"size": 2, "rest": {"known": "a", "unknown": 1}})
    assert not widget_accepts({"size": 0})
    assert not widget_accepts({"size": 2, "port": 80}), "one of them"
    assert not widget_accepts({"size": 2, "prot": 80})
    assert not widget_accepts({"size": 2, "rest": {"known": 1}})
    assert not widget_accepts({"size": 2}, sepc={})
