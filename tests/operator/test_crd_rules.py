"""What the resource's CEL rules refuse on the real API server, and in which words.

Each case changes one thing in a valid project. That every rule has a case is a test, too. Nothing here is
stored for longer than a test, and no operator looks at it.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from ocr_contract.resource import API_VERSION, KIND
from ocr_contract.spec import OcrProjectSpec
from operator_world import World

CRD = Path(__file__).resolve().parents[2] / "charts/ocr-operator/files/ocrprojects.yaml"
Spec = dict[str, Any]

FOLDER = "is one folder's name: it must not be '.' or '..' or hold '/' or '\\'"
NO_FOLDER = (".", "..", "a/b", "../x", "a\\b", "a\0b")
TOO_LONG = "is too long: 200 bytes at most"
INSIDE = "is relative and stays inside its folder"
OUTSIDE = ("/etc", "..", "../other", "a/../../b")
QUANTITY = "is a quantity above 0, such as"
RUN_NAME = (
    "initFrom names a run of this project, which must not be '.' or '..' or hold '/' or '\\', or a .pth file"
)
PTH_FILE = (
    "initFrom: a .pth file is named by its folder and name, relative to the volume's root and without '..'"
)
IMMUTABLE = (
    "a run is immutable: give train.id a new value, or raise train.revision to train it again from the start"
)


class Case(NamedTuple):
    path: str
    """The field that the rule stands at."""
    words: str
    """How the rule's message begins."""
    after: Spec
    before: Spec | None = None
    """None: `after` is refused from the beginning; else as a change to this."""


def train(**fields: Any) -> Spec:
    return {"train": {"id": "r", "suspend": True, **fields}}


def a_test(**fields: Any) -> Spec:
    return {"test": {"id": "t", "suspend": True, **fields}}


def _cases() -> Iterator[Case]:
    for bad in NO_FOLDER:
        yield Case("projectID", f"projectID {FOLDER}", {"projectID": bad})
        yield Case("train.id", f"train.id {FOLDER}", train(id=bad))
        yield Case("test.id", f"test.id {FOLDER}", a_test(id=bad))
    yield Case("projectID", f"projectID {TOO_LONG}", {"projectID": "发" * 67})
    yield Case("train.id", f"train.id {TOO_LONG}", train(id="发" * 67))
    yield Case("test.id", f"test.id {TOO_LONG}", a_test(id="发" * 67))
    for bad in OUTSIDE:
        file = {"validation": {"file": bad}}
        yield Case("train.dataset.path", f"dataset.path {INSIDE}", train(dataset={"path": bad}))
        yield Case(
            "train.dataset.annotations", f"dataset.annotations {INSIDE}", train(dataset={"annotations": bad})
        )
        yield Case("train.dataset.validation.file", f"dataset.validation.file {INSIDE}", train(dataset=file))
        yield Case("test.path", f"test.path {INSIDE}", a_test(path=bad))
    for model in ("detection", "recognition"):
        path = f"train.{model}.initFrom"
        for bad in NO_FOLDER[:5]:
            yield Case(path, RUN_NAME, train(**{model: {"initFrom": bad}}))
        for bad in ("a.pth", "/models/a.pth", "../other/a.pth", "models/../../a.pth"):
            yield Case(path, PTH_FILE, train(**{model: {"initFrom": bad}}))
    for resource in ("cpu", "memory", "sharedMemory"):
        for bad in ("many", "0", "-1Gi", ""):
            yield Case(
                f"resources.{resource}", f"resources.{resource} {QUANTITY}", {"resources": {resource: bad}}
            )
    yield from _changes()


def _changes() -> Iterator[Case]:
    kept = "projectID is immutable: create another OcrProject for another project"
    yield Case("", kept, {"projectID": "b"}, {})
    yield Case("", kept, {"projectID": "b"}, {"projectID": "a"})
    yield Case("", kept, {"projectID": None}, {"projectID": "a"})
    measured = "gates.minEndToEnd is measured on the run's test images: set train.runTest"
    gate = {"gates": {"minEndToEnd": 0.5}}
    yield Case("", measured, train() | gate)
    yield Case("", measured, gate, train())
    for change in (
        {"dataset": {"path": "images"}},
        {"dataset": {"characters": "€"}},
        {"dataset": {"categories": ["b", "a"]}},
        {"detection": {"epochs": 7}},
        {"detection": {"learningRate": None}},
        {"recognition": {"batchSize": 1}},
        {"recognition": {"initFrom": "r0"}},
        {"runTest": True},
        {"order": "Parallel"},
    ):
        before = train(dataset={"categories": ["a", "b"]}, detection={"learningRate": 0.5})
        yield Case("train", IMMUTABLE, {"train": change}, before)
    yield Case(
        "train",
        "train.revision may not go down under the same train.id",
        {"train": {"revision": 1}},
        train(revision=2),
    )
    tested = (
        "a test is immutable: give test.id a new value, or raise test.revision to test again from the start"
    )
    for change in ({"checkpoint": "Last"}, {"path": "more"}):
        yield Case("test", tested, {"test": change}, a_test())
    yield Case(
        "test",
        "test.revision may not go down under the same test.id",
        {"test": {"revision": 0}},
        a_test(revision=1),
    )


CASES = list(_cases())


def rules(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every CEL rule of the schema with the dotted path of its field."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule
    children = dict(schema.get("properties") or {})
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            children["*"] = schema[key]
    for name, child in children.items():
        yield from rules(child, f"{path}.{name}".lstrip("."))


@pytest.fixture
def world(http: httpx.Client) -> World:
    """Where no operator looks."""
    return World(http, "default")


@pytest.fixture
def name(world: World) -> Iterator[str]:
    """A project's, which is gone after the test."""
    fresh = f"rules-{uuid.uuid4().hex[:8]}"
    yield fresh
    world.http.delete(f"{world.projects}/{fresh}")


def refusal(answer: httpx.Response) -> str:
    """The message, if it was refused."""
    assert answer.status_code == 422, answer.text
    return str(answer.json()["message"])


def try_to_create(world: World, name: str, **spec: Any) -> httpx.Response:
    """As `create`, with nothing stored."""
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
    return world.http.post(world.projects, params={"dryRun": "All"}, json=body)


def test_every_rule_has_a_case_and_a_message_of_its_own() -> None:
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found = list(rules(schema["properties"]["spec"]))
    assert [rule["message"] for path, rule in rules(schema) if path == ""] == [NAME]
    assert len(found) > 15
    for path, rule in found:
        assert any(case.path == path and rule["message"].startswith(case.words) for case in CASES), rule


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: ascii(f"{case.path or 'spec'}: {case.after} {case.words[:20]}")
)
def test_what_breaks_a_rule_is_refused_in_the_rules_words(world: World, name: str, case: Case) -> None:
    if case.before is None:
        said = refusal(try_to_create(world, name, **case.after))
    else:
        assert world.create(name, **case.before).status_code == 201
        said = refusal(world.edit(name, **case.after))
    assert f"spec.{case.path}".rstrip(".") in said and case.words in said


NAME = (
    "metadata.name may hold lower-case letters, digits and '-' only, 63 characters at most; "
    "projectID may be any name"
)


@pytest.mark.parametrize("bad", ["with.dot", "a" * 64])
def test_a_name_that_makes_no_label_is_refused(world: World, bad: str) -> None:
    assert NAME in refusal(try_to_create(world, bad))


@pytest.mark.parametrize("good", ["...", "RE_2026", "发票", "with blank", "发" * 66])
def test_any_other_id_is_taken(world: World, good: str) -> None:
    assert try_to_create(world, "good", projectID=good, test={"id": good}).status_code == 201


@pytest.mark.parametrize("good", ["r0", "发票", "models/receipts.pth", "models/2026/a.pth"])
def test_a_training_starts_from_a_run_or_a_file(world: World, good: str) -> None:
    assert try_to_create(world, "good", **train(detection={"initFrom": good})).status_code == 201


def test_the_api_server_fills_in_the_models_defaults(world: World, name: str) -> None:
    minimal = {"train": {"id": "r", "suspend": True}, "test": {"id": "t"}}
    world.create(name, **minimal)
    expected = OcrProjectSpec.model_validate(minimal).model_dump(mode="json", exclude_none=True)
    assert world.get(name)["spec"] == expected


def test_a_gate_on_a_test_needs_the_runs_own_test(world: World) -> None:
    gate = {"gates": {"minEndToEnd": 0.5}}
    assert try_to_create(world, "good", **train(runTest=True), **gate).status_code == 201
    assert try_to_create(world, "good", **gate).status_code == 201, "no run, nothing to measure"


def test_a_run_may_be_suspended_raised_and_replaced(world: World, name: str) -> None:
    world.create(name, **train(detection={"overrides": {"train_cfg": {"a": [1, 2.5]}}}))
    assert world.edit(name, train={"suspend": False}).status_code == 200
    assert world.edit(name, train={"suspend": True}).status_code == 200
    assert world.edit(name, train={"revision": 1, "runTest": True}).status_code == 200
    assert world.edit(name, train={"id": "r2", "revision": 0, "order": "Parallel"}).status_code == 200
    assert world.edit(name, train=None).status_code == 200


def test_a_test_may_be_suspended_raised_and_replaced(world: World, name: str) -> None:
    world.create(name, **a_test())
    assert world.edit(name, test={"suspend": False}).status_code == 200
    assert world.edit(name, test={"revision": 1, "checkpoint": "Last"}).status_code == 200
    assert world.edit(name, test={"id": "t2", "revision": 0, "checkpoint": "Best"}).status_code == 200


def test_resources_scheduling_limits_and_gates_may_change_between_stages(world: World, name: str) -> None:
    world.create(name, **train())
    change = {
        "resources": {"gpus": 2},
        "scheduling": {"queueName": "q"},
        "limits": {"retries": 1, "onStall": "Restart"},
        "gates": {"minHmean": 0.8},
    }
    assert world.edit(name, **change).status_code == 200


LEFT, RIGHT = "model.neck.depth", "optim_wrapper.clip_grad"
"""Two keys of mmengine's, as they are used."""


def put_overrides(world: World, name: str, overrides: Spec, model: str = "detection") -> httpx.Response:
    """Replace all of them, as `kubectl apply` and the facade do; a merge would keep what is not named."""
    project = world.get(name)
    project["spec"]["train"][model]["overrides"] = overrides
    return world.http.put(f"{world.projects}/{name}", json=project)


@pytest.mark.parametrize("model", ["detection", "recognition"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({LEFT: 1}, {RIGHT: 1}),  # another key, the same number of keys
        ({LEFT: 1, "same": 0}, {RIGHT: 1, "same": 0}),
        ({LEFT: None}, {RIGHT: None}),
        ({LEFT: 1}, {LEFT: 2}),
        ({LEFT: 1}, {LEFT: 1.5}),
        ({LEFT: 1}, {LEFT: "1"}),
        ({LEFT: 1}, {LEFT: True}),
        ({LEFT: 1}, {LEFT: None}),
        ({LEFT: None}, {LEFT: 0}),
        ({LEFT: None}, {}),
        ({LEFT: {}}, {LEFT: []}),
        ({LEFT: {}}, {LEFT: None}),
        ({LEFT: [1, 2]}, {LEFT: [2, 1]}),
        ({LEFT: [1, 2]}, {LEFT: [1, 2, 3]}),
        ({LEFT: [{"type": "A"}]}, {LEFT: [{"kind": "A"}]}),
        ({LEFT: {"max_norm": 5}}, {LEFT: {"min_norm": 5}}),
        ({LEFT: {"max_norm": 5}}, {LEFT: {"max_norm": 6}}),
        ({LEFT: {"a": {"b": [1, {"c": 2}]}}}, {LEFT: {"a": {"b": [1, {"d": 2}]}}}),
        ({LEFT: {"a": 1}}, {f"{LEFT}.a": 1}),
        ({}, {LEFT: 1}),
        ({LEFT: 1}, {}),
    ],
    ids=repr,
)
def test_a_runs_overrides_are_immutable(
    world: World, name: str, model: str, before: Spec, after: Spec
) -> None:
    assert world.create(name, **train(**{model: {"overrides": before}})).status_code == 201
    assert world.get(name)["spec"]["train"][model]["overrides"] == before, "stored as they were given"
    assert IMMUTABLE in refusal(put_overrides(world, name, after, model))


def test_overrides_that_are_sent_again_change_nothing(world: World, name: str) -> None:
    overrides = {
        LEFT: {"a": [1, 2.5, {"b": None}], "c": {}}, RIGHT: None, "number": 5.0, "text": "5", "yes": True,
        "list": [], "发": ["票"],
    }  # fmt: skip
    assert world.create(name, **train(detection={"overrides": overrides})).status_code == 201
    backwards = dict(reversed(overrides.items()))
    assert put_overrides(world, name, backwards | {"number": 5}).status_code == 200
    assert world.edit(name, train={"suspend": False}).status_code == 200
    assert put_overrides(world, name, backwards | {"number": 5}).status_code == 200


def test_as_many_overrides_as_are_allowed_are_compared(world: World, name: str) -> None:
    """Whatever the API server budgets for a rule, a full map of long lists stays within it."""
    overrides = {f"key.{number}": list(range(100)) for number in range(64)}
    models = {model: {"overrides": overrides} for model in ("detection", "recognition")}
    assert world.create(name, **train(**models)).status_code == 201
    assert world.edit(name, train={"suspend": False}).status_code == 200
    swapped = {("swapped" if key == "key.63" else key): value for key, value in overrides.items()}
    assert IMMUTABLE in refusal(put_overrides(world, name, swapped))
