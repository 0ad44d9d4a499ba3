"""What the API server refuses, and in which words. Each case changes one thing in a valid project."""

import zlib
from typing import Any

import pytest

from ocr_contract.spec import OcrProjectSpec
from operator_world import World

ID = "is one folder's name: it must not be '.' or '..' or hold '/' or '\\'"
IMMUTABLE = "a run is immutable: give train.id a new value, or raise train.revision"


def refusal(answer: Any) -> str:
    """The message, if it was refused."""
    assert answer.status_code == 422, answer.text
    return str(answer.json()["message"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        *(({"train": {"id": bad}}, f"train.id {ID}") for bad in (".", "..", "a/b", "../x", "a\\b", "a\0b")),
        ({"test": {"id": ".."}}, f"test.id {ID}"),
        ({"projectID": "a/b"}, f"projectID {ID}"),
        ({"train": {"id": "发" * 67}}, "train.id is too long: 200 bytes at most"),
        ({"train": {"id": ""}}, "should be at least 1 chars long"),
        ({"train": {"revision": 1}}, "spec.train.id: Required value"),
        ({"train": {"id": "r", "revision": -1}}, "greater than or equal to 0"),
        (
            {"train": {"id": "r", "dataset": {"path": "/etc"}}},
            "dataset.path is relative and stays inside its folder",
        ),
        ({"train": {"id": "r", "dataset": {"annotations": "a/../../b"}}}, "dataset.annotations is relative"),
        (
            {"train": {"id": "r", "dataset": {"validation": {"file": ".."}}}},
            "dataset.validation.file is relative",
        ),
        ({"test": {"id": "t", "path": "../other"}}, "test.path is relative"),
        ({"train": {"id": "r", "detection": {"epochs": 0}}}, "greater than or equal to 1"),
        ({"train": {"id": "r", "detection": {"learningRate": 0}}}, "greater than 0"),
        ({"train": {"id": "r", "detection": {"preset": "../x"}}}, "should match"),
        ({"train": {"id": "r", "recognition": {"initFrom": "a/b"}}}, "initFrom names a run of this project"),
        ({"train": {"id": "r", "detection": {"initFrom": "../other/a.pth"}}}, "a .pth file is named by"),
        ({"train": {"id": "r", "detection": {"initFrom": "a.pth"}}}, "a .pth file is named by"),
        ({"train": {"id": "r", "order": "Random"}}, 'supported values: "Sequential", "Parallel"'),
        ({"test": {"id": "t", "checkpoint": "First"}}, 'supported values: "Best", "Last"'),
        ({"resources": {"gpus": 65}}, "less than or equal to 64"),
        ({"resources": {"cpu": "many"}}, "resources.cpu is a quantity above 0, such as 4 or 500m"),
        ({"resources": {"memory": "0"}}, "resources.memory is a quantity above 0, such as 16Gi"),
        ({"resources": {"sharedMemory": "-1Gi"}}, "resources.sharedMemory is a quantity above 0"),
        ({"limits": {"retries": 101}}, "less than or equal to 100"),
    ],
)
def test_a_spec_that_cannot_work_is_refused_in_plain_words(
    world: World, spec: dict[str, Any], message: str
) -> None:
    assert message in refusal(world.create("never", **spec))


@pytest.mark.parametrize("name", ["with.dot", "a" * 64])
def test_a_name_that_makes_no_label_is_refused(world: World, name: str) -> None:
    assert "metadata.name may hold lower-case letters" in refusal(world.create(name))


def test_any_other_id_is_taken(world: World) -> None:
    for number, good in enumerate(["...", "RE_2026", "发票", "with blank", "发" * 66]):
        assert world.create(f"good-{number}", projectID=good, test={"id": good}).status_code == 201


def test_the_api_server_fills_in_the_models_defaults(world: World) -> None:
    minimal = {"train": {"id": "r", "suspend": True}, "test": {"id": "t"}}
    world.create("defaults", **minimal)
    expected = OcrProjectSpec.model_validate(minimal).model_dump(mode="json", exclude_none=True)
    assert world.get("defaults")["spec"] == expected


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": {"path": "images"}},
        {"detection": {"epochs": 7}},
        {"detection": {"overrides": {"optim_wrapper.clip_grad.max_norm": 6}}},
        {"detection": {"overrides": {"model.depth": 50}}},
        {"recognition": {"batchSize": 1}},
        {"runTest": True},
        {"order": "Parallel"},
    ],
)
def test_a_run_is_immutable_but_for_suspend(
    world: World, request: pytest.FixtureRequest, change: Any
) -> None:
    name = f"fixed-{zlib.crc32(request.node.name.encode())}"
    overrides = {"optim_wrapper.clip_grad.max_norm": 5, "train_cfg": {"a": [1, 2.5]}}
    world.create(name, train={"id": "r", "suspend": True, "detection": {"overrides": overrides}})
    assert IMMUTABLE in refusal(world.edit(name, train=change))
    assert world.edit(name, train={"suspend": False}).status_code == 200
    assert world.edit(name, train={"suspend": True}).status_code == 200
    assert world.edit(name, train={"revision": 1, **change}).status_code == 200
    assert world.edit(name, train={"id": "r2", "revision": 0, "runTest": True}).status_code == 200


def test_a_revision_only_goes_up_under_one_id(world: World) -> None:
    world.create("up", train={"id": "r", "revision": 2, "suspend": True})
    message = "train.revision may not go down under the same train.id"
    assert message in refusal(world.edit("up", train={"revision": 1}))
    assert world.edit("up", train={"id": "r2", "revision": 0}).status_code == 200


def test_a_test_is_immutable_but_for_suspend(world: World) -> None:
    world.create("tested", test={"id": "t", "suspend": True})
    message = "a test is immutable: give test.id a new value"
    assert message in refusal(world.edit("tested", test={"checkpoint": "Last"}))
    assert world.edit("tested", test={"suspend": False}).status_code == 200
    assert world.edit("tested", test={"id": "t2", "checkpoint": "Last"}).status_code == 200


@pytest.mark.parametrize(
    ("before", "after"), [({}, "b"), ({"projectID": "a"}, "b"), ({"projectID": "a"}, None)]
)
def test_a_project_keeps_its_id(world: World, before: dict[str, str], after: str | None) -> None:
    name = f"id-{len(before)}-{after}".lower()
    world.create(name, **before)
    assert "projectID is immutable" in refusal(world.edit(name, projectID=after))


def test_resources_scheduling_and_limits_may_change_between_stages(world: World) -> None:
    world.create("tuned", train={"id": "r", "suspend": True})
    change = {"resources": {"gpus": 2}, "scheduling": {"queueName": "q"}, "limits": {"retries": 1}}
    assert world.edit("tuned", **change).status_code == 200
