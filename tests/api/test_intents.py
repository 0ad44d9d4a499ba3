"""What a server-side apply must hold so that nobody's settings are lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ocr_api.errors import Conflict
from ocr_api.intents import edit, owned, start_test, start_train, stop_train

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def live(
    spec: dict[str, Any], facade_owns: dict[str, Any], status: dict[str, Any] | None = None
) -> dict[str, Any]:
    entry = {"manager": "ocr-api", "operation": "Apply", "fieldsV1": {"f:spec": facade_owns}}
    other = {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:resources": {}}}}
    metadata = {
        "name": "p", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [other, entry],
    }  # fmt: skip
    return {"metadata": metadata, "spec": spec, "status": status or {}}


TRAIN = {"id": "r1", "revision": 0, "suspend": False, "detection": {"epochs": 7, "preset": "dbnet_r50"}}
OWNED = {"f:train": {".": {}, "f:id": {}, "f:suspend": {}, "f:detection": {"f:epochs": {}}}}


def test_owned_is_what_the_facade_applied_and_nothing_else() -> None:
    document = live({"train": TRAIN, "resources": {"gpus": 0}}, OWNED)
    assert owned(document) == {"spec": {"train": {"id": "r1", "suspend": False, "detection": {"epochs": 7}}}}
    assert owned(document, "kubectl") == {"spec": {"resources": {"gpus": 0}}}
    assert owned(document, "somebody") == {}


def test_a_stop_keeps_what_the_start_chose() -> None:
    intent = stop_train(live({"train": TRAIN}, OWNED), "p", None)
    assert intent is not None
    assert intent["spec"] == {"train": {"id": "r1", "suspend": True, "detection": {"epochs": 7}}}
    assert intent["metadata"]["resourceVersion"] == "7"


def test_a_test_keeps_the_training_that_the_facade_started() -> None:
    model = {"model": {"trainId": "r1", "path": "x"}}
    intent = start_test(live({"train": TRAIN}, OWNED, model), "p", "t1", {}, NOW)
    assert intent is not None
    assert intent["spec"]["train"]["detection"] == {"epochs": 7}
    assert intent["spec"]["test"] == {"id": "t1", "revision": 0, "suspend": False}


def test_a_new_project_is_created_with_its_platform_id() -> None:
    intent = start_train(None, "p-1a2b3c4d", "p", "r1", {}, NOW)
    assert intent is not None
    assert intent["metadata"]["name"] == "p-1a2b3c4d" and "resourceVersion" not in intent["metadata"]
    assert intent["spec"] == {"projectID": "p", "train": {"id": "r1", "revision": 0, "suspend": False}}


def test_a_run_that_was_left_for_another_goes_on_one_that_ended_counts_on() -> None:
    for outcome, revision in (("Stopped", 3), ("Succeeded", 4), ("Failed", 4)):
        runs = [
            {"id": "r1", "revision": 2, "outcome": "Failed"}, {"id": "r1", "revision": 3, "outcome": outcome},
            {"id": "r9", "revision": 8, "outcome": "Failed"},
        ]  # fmt: skip
        intent = start_train(live({"train": {"id": "r2"}}, {}, {"runs": runs}), "p", "p", "r1", {}, NOW)
        assert intent is not None and intent["spec"]["train"]["revision"] == revision


def test_an_edit_merges_into_what_the_facade_owns_and_names_who_owns_the_rest() -> None:
    document = live({"train": TRAIN, "resources": {"gpus": 0}}, OWNED)
    document["metadata"]["managedFields"][0]["fieldsV1"] = {"f:spec": {"f:resources": {"f:gpus": {}}}}
    intent = edit(document, "p", {"train": {"suspend": True, "detection": {"epochs": None}}})
    assert intent is not None
    assert intent["spec"] == {"train": {"id": "r1", "suspend": True, "detection": {}}}
    assert edit(document, "p", {"train": {"suspend": False}}) is None
    for change in ({"resources": None}, {"resources": {"gpus": None}}):
        with pytest.raises(Conflict, match="was set by 'kubectl'"):
            edit(document, "p", change)
