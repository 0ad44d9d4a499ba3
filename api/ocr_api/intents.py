"""What to apply when the platform starts or stops something: pure, from the live object to an intent.

A server-side apply takes away what the same manager owned before and leaves out now, so an intent is always
"what the facade owns already" plus the change. What engineers wrote with kubectl stays theirs.
An intent of None means that things are already as asked: nothing is written.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ocr_api.errors import Conflict, NotFound
from ocr_api.parameters import StartTest, StartTrain, StopTest, StopTrain
from ocr_contract.project import (
    ANNOTATION_TEST_STARTED,
    ANNOTATION_TRAIN_STARTED,
    Project,
    RunState,
    from_object,
)
from ocr_contract.resource import API_FIELD_MANAGER, API_VERSION, KIND

Document = dict[str, Any]


def start_train(live: Document | None, name: str, asked: StartTrain, now: datetime) -> Document | None:
    """A new id is a new run; a stopped run goes on; a finished or failed one starts again (revision + 1)."""
    project = from_object(live) if live is not None else None
    intent = _intent(live, name, asked.project_id)
    settings = asked.settings()
    if project is None or project.train_id != asked.train_id:
        train = {"id": asked.train_id, "revision": _next_revision(project, asked.train_id)} | settings
    elif project.train_state in (RunState.SUCCEEDED, RunState.FAILED):
        revised = {"id": asked.train_id, "revision": project.revision + 1}
        train = _merged(intent["spec"].get("train", {}), revised | settings)
    else:
        train = _merged(intent["spec"].get("train", {}), {"id": asked.train_id} | settings)
    train["suspend"] = False
    intent["spec"]["train"] = train
    if project is not None and _holds(project.train, {"revision": project.revision} | train):
        return None
    intent["metadata"].setdefault("annotations", {})[ANNOTATION_TRAIN_STARTED] = _stamp(now)
    return intent


def stop_train(live: Document | None, asked: StopTrain) -> Document | None:
    """Suspend the run: its checkpoint stays, and a start goes on from it."""
    project = _existing(live, asked.project_id)
    if project.train_id is None:
        raise NotFound(f"project {asked.project_id!r} has no training")
    if asked.train_id not in (None, project.train_id):
        raise NotFound(f"project {asked.project_id!r} trains {project.train_id!r}, not {asked.train_id!r}")
    if project.train_state != RunState.ACTIVE:
        return None
    return _suspended(live, project, "train", project.train_id)


def start_test(live: Document | None, asked: StartTest, now: datetime) -> Document | None:
    """Test the project's model on the images of testID."""
    project = _existing(live, asked.project_id)
    if project.status.model is None:
        raise Conflict(
            f"project {asked.project_id!r} has no trained model yet: a test needs a training that succeeded"
        )
    intent = _intent(live, project.name, project.project_id)
    test = {"id": asked.test_id, "suspend": False}
    if _holds(project.test, test):
        if project.test_state == RunState.FAILED:
            why = project.test_message or "its log says why"
            raise Conflict(f"test {asked.test_id!r} failed: {why}; start one with a new testID")
        return None
    intent["spec"]["test"] = test
    intent["metadata"].setdefault("annotations", {})[ANNOTATION_TEST_STARTED] = _stamp(now)
    return intent


def stop_test(live: Document | None, asked: StopTest) -> Document | None:
    """Suspend the test."""
    project = _existing(live, asked.project_id)
    if project.test_id is None:
        raise NotFound(f"project {asked.project_id!r} has no test")
    if asked.test_id not in (None, project.test_id):
        raise NotFound(f"project {asked.project_id!r} tests {project.test_id!r}, not {asked.test_id!r}")
    if project.test_state != RunState.ACTIVE:
        return None
    return _suspended(live, project, "test", project.test_id)


def owned(live: Mapping[str, Any], manager: str = API_FIELD_MANAGER) -> Document:
    """The part of the object that the manager applied before, without metadata's identity."""
    for entry in live["metadata"].get("managedFields", ()):
        if (entry["manager"], entry["operation"]) == (manager, "Apply") and not entry.get("subresource"):
            return _picked(live, entry["fieldsV1"])
    return {}


def _picked(value: Mapping[str, Any], fields: Mapping[str, Any]) -> Document:
    """The members named in a fieldsV1 document; a leaf ({}) takes the whole member."""
    names = {key[2:]: inner for key, inner in fields.items() if key.startswith("f:") and key[2:] in value}
    return {
        name: _picked(value[name], inner)
        if _members(inner) and isinstance(value[name], Mapping)
        else value[name]
        for name, inner in names.items()
    }


def _members(fields: Mapping[str, Any]) -> bool:
    return any(key.startswith("f:") for key in fields)


def _intent(live: Document | None, name: str, project_id: str) -> Document:
    mine = owned(live) if live is not None else {}
    metadata: Document = {"name": name}
    if live is not None:
        # Decided on this version: another writer in between makes the API server refuse, and we decide anew.
        metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
    if annotations := mine.get("metadata", {}).get("annotations"):
        metadata["annotations"] = dict(annotations)
    spec = {"projectID": project_id} if live is None else {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": spec | mine.get("spec", {}),
    }


def _suspended(live: Document | None, project: Project, part: str, identifier: str) -> Document:
    intent = _intent(live, project.name, project.project_id)
    # The id goes along: the part must be whole even for the manager that owns nothing of it yet.
    intent["spec"][part] = _merged(intent["spec"].get(part, {}), {"id": identifier, "suspend": True})
    return intent


def _existing(live: Document | None, project_id: str) -> Project:
    if live is None:
        raise NotFound(f"there is no project {project_id!r}")
    return from_object(live)


def _next_revision(project: Project | None, train_id: str) -> int:
    """0 for an id never seen. One that was left for another run goes on; one that ended goes on counting."""
    records = [record for record in project.status.runs if record.id == train_id] if project else []
    if not records:
        return 0
    last = max(records, key=lambda record: record.revision)
    return last.revision if last.outcome == "Stopped" else last.revision + 1


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Document:
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def _holds(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether every wanted member is in the live document already; `suspend` is false where it is absent."""
    for key, value in wanted.items():
        there = live.get(key, False if key == "suspend" else None)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            if not _holds(there, value):
                return False
        elif there != value:
            return False
    return True


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")
