"""A resource that is older than the programs is found out, field by field, whatever else it holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_contract.resource_schema import UPGRADE, complaint, missing_fields, served_schema

CHART = Path(__file__).resolve().parents[2] / "charts/ocr-operator"
Schema = dict[str, Any]
FREE = {"x-kubernetes-preserve-unknown-fields": True}


def real() -> Schema:
    """The chart's own resource."""
    document = yaml.safe_load((CHART / "files/ocrprojects.yaml").read_text())
    schema: Schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def at(schema: Schema, path: str) -> Schema:
    """The node at the path, `[]` a list's element and `*` a map's."""
    for step in path.replace("[]", ".[]").split("."):
        schema = {"[]": schema.get("items"), "*": schema.get("additionalProperties")}.get(step) or schema[
            "properties"
        ][step]
    return schema


def without(path: str) -> Callable[[Schema], None]:
    """Take the field away."""
    parent, _, name = path.rpartition(".")

    def change(schema: Schema) -> None:
        del (at(schema, parent) if parent else schema)["properties"][name]

    return change


def instead(path: str, node: Schema) -> Callable[[Schema], None]:
    """Have another node in that place."""

    def change(schema: Schema) -> None:
        there = at(schema, path)
        there.clear()
        there.update(node)

    return change


def openapi(schema: Schema) -> dict[str, Any]:
    """As the API server shows it, beside others."""
    ours = [{"group": "ocrproject.dev", "version": "v1alpha1", "kind": "OcrProject"}]
    other = [{"group": "ocrproject.dev", "version": "v1alpha1", "kind": "OcrProjectList"}]
    return {
        "components": {
            "schemas": {
                "ObjectMeta": {},
                "List": {"x-kubernetes-group-version-kind": other},
                "OcrProject": {**schema, "x-kubernetes-group-version-kind": ours},
            }
        }
    }


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        pytest.param([], [], id="the chart's own lacks nothing"),
        pytest.param([without("spec.gates.minHmean")], ["spec.gates.minHmean"], id="a field"),
        pytest.param([without("spec.gates")], ["spec.gates"], id="a part, told once"),
        pytest.param([without("status.runs[].gpuSeconds")], ["status.runs[].gpuSeconds"], id="of a list"),
        pytest.param(
            [without("status.train.stages.*.restarts")], ["status.train.stages.*.restarts"], id="of a map"
        ),
        pytest.param(
            [without("status.trainer.test.endToEndF1")],
            ["status.trainer.test.endToEndF1"],
            id="the trainer's",
        ),
        pytest.param([without("status")], ["status"], id="everything"),
        pytest.param(
            [without("status.model"), without("spec.limits.onStall"), without("spec.train.order")],
            ["spec.train.order", "spec.limits.onStall", "status.model"],
            id="several, in order",
        ),
        pytest.param([instead("spec.gates", {**FREE, "type": "object"})], [], id="a free-form part has all"),
        pytest.param([instead("spec", FREE)], [], id="free-form from the top"),
        pytest.param(
            [instead("spec.train.detection.overrides", {**FREE, "type": "object"})],
            [],
            id="overrides as they once were",
        ),
        pytest.param(
            [instead("status.train.stages", {"type": "object", "additionalProperties": True})],
            [],
            id="a map of anything",
        ),
        pytest.param(
            [instead("status.train.stages", {"type": "object"})],
            ["status.train.stages.*"],
            id="no map at all",
        ),
        pytest.param(
            [instead("spec.gates", {**FREE, "properties": {"minHmean": {"type": "number"}}})],
            [],
            id="free-form beside what it knows",
        ),
        pytest.param(
            [instead("spec.train", {**FREE, "properties": {"dataset": {"type": "object"}}})],
            [
                f"spec.train.dataset.{name}"
                for name in ("path", "annotations", "validation", "textKey", "categories", "characters")
            ],
            id="but what it knows is no freer for it",
        ),
        pytest.param(
            [lambda schema: at(schema, "spec.train")["properties"].update(colour={"type": "string"})],
            [],
            id="a newer one is fine",
        ),
    ],
)
def test_what_a_resource_lacks_is_named(changes: list[Callable[[Schema], None]], missing: list[str]) -> None:
    schema = real()
    for change in changes:
        change(schema)
    assert missing_fields(schema) == missing
    assert (complaint(openapi(schema), "operator") is None) == (not missing)


def test_the_complaint_says_what_is_lacking_and_what_to_do() -> None:
    schema = real()
    without("spec.gates")(schema)
    without("status.runs[].gpuSeconds")(schema)
    assert complaint(openapi(schema), "facade") == (
        "the OcrProject resource of this cluster is older than this facade: it lacks spec.gates,"
        " status.runs[].gpuSeconds. Upgrade it: helm template RELEASE CHART -s templates/crd.yaml"
        " | kubectl apply --server-side --force-conflicts -f -"
    )


def test_of_many_fields_ten_are_named() -> None:
    schema = real()
    instead("status", {"type": "object"})(schema)
    said = str(complaint(openapi(schema), "operator"))
    assert "status.phase, " in said and said.count("status.") == 10
    assert f" and {len(missing_fields(schema)) - 10} more. Upgrade it" in said


@pytest.mark.parametrize("document", [None, {}, {"components": {"schemas": {"ObjectMeta": {}}}}])
def test_a_resource_that_is_not_described_is_not_served_yet(document: dict[str, Any] | None) -> None:
    assert served_schema(document or {}) is None
    assert complaint(document, "operator") == "the API server does not serve OcrProjects yet"


def test_what_to_do_is_what_the_chart_tells_after_an_installation() -> None:
    command = UPGRADE.partition("CHART")[2]
    assert command in (CHART / "templates/NOTES.txt").read_text()
