"""What to apply when somebody starts, stops or edits something: pure, from the live object to an intent.

A server-side apply takes away what the same manager owned before and leaves out now, so an intent is always
"what the facade owns already" plus the change. What engineers wrote with kubectl stays theirs.
An intent of None means that things are already as asked: nothing is written.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ocr_api.errors import Conflict, NotFound
from ocr_contract.project import (
    ANNOTATION_TEST_STARTED,
    ANNOTATION_TRAIN_STARTED,
    Part,
    PartName,
    Project,
    RunState,
    from_object,
)
from ocr_contract.resource import API_FIELD_MANAGER, API_VERSION, KIND

Document = dict[str, Any]

_ENDED = (RunState.SUCCEEDED, RunState.FAILED)


def start_train(
    live: Document | None, name: str, project_id: str, train_id: str, settings: Document, now: datetime
) -> Document | None:
    """A new id is a new run; a stopped run goes on; a finished or failed one starts again (revision + 1).

    settings: the members of spec.train that the caller chose, without id, revision and suspend.
    """
    project = from_object(live) if live is not None else None
    intent = _intent(live, name, project_id)
    present = project.part("train") if project is not None else None
    begins = _start(intent, "train", present, train_id, _next_revision(project, train_id), settings)
    return _stamped(intent, ANNOTATION_TRAIN_STARTED, now) if begins else None


def stop_train(live: Document | None, project_id: str, train_id: str | None) -> Document | None:
    """Suspend the run: its checkpoint stays, and a start goes on from it. None: whatever is trained."""
    return _stop(live, project_id, "train", train_id)


def start_test(
    live: Document | None, project_id: str, test_id: str, settings: Document, now: datetime
) -> Document | None:
    """Test the project's model on the images of test_id; one that has ended is repeated (revision + 1).

    settings: the members of spec.test that the caller chose, without id, revision and suspend.
    """
    project = existing(live, project_id)
    if project.status.model is None:
        raise Conflict(
            f"project {project_id!r} has no trained model yet: a test needs a training that succeeded"
        )
    intent = _intent(live, project.name, project.project_id)
    begins = _start(intent, "test", project.part("test"), test_id, 0, settings)
    return _stamped(intent, ANNOTATION_TEST_STARTED, now) if begins else None


def stop_test(live: Document | None, project_id: str, test_id: str | None) -> Document | None:
    """Suspend the test. None: whatever is tested."""
    return _stop(live, project_id, "test", test_id)


def create(live: Document | None, name: str, project_id: str, spec: Document, now: datetime) -> Document:
    """A project that doesn't exist yet, by its whole spec."""
    if live is not None:
        raise Conflict(f"there is a project {project_id!r} already: change it with PATCH")
    intent = _intent(None, name, project_id)
    intent["spec"] = spec | {"projectID": project_id}
    return _stamped(intent, ANNOTATION_TRAIN_STARTED, now) if "train" in spec else intent


def edit(live: Document | None, project_id: str, changes: Document) -> Document | None:
    """Merge the changes into spec (RFC 7396): null unsets what the facade has set."""
    project = existing(live, project_id)
    assert live is not None
    for path in _unset(changes):
        for manager in _owners(live, path):
            if manager != API_FIELD_MANAGER:
                raise Conflict(f"spec.{'.'.join(path)} was set by {manager!r}: only there it can be unset")
    intent = _intent(live, project.name, project.project_id)
    before = intent["spec"]
    intent["spec"] = _merged(before, changes)
    for part in ("train", "test"):  # the id goes along here as in a stop: the part must be whole
        if intent["spec"].get(part) and "id" in (live["spec"].get(part) or {}):
            intent["spec"][part].setdefault("id", live["spec"][part]["id"])
    if intent["spec"] == before and _holds(live["spec"], before):
        return None
    return intent


def _start(
    intent: Document,
    part: PartName,
    present: Part | None,
    identifier: str,
    new_revision: int,
    settings: Document,
) -> bool:
    """Have the intent ask for that run or test; False where that is asked for already.

    new_revision: of one that spec does not ask for at present.
    """
    if present is None or present.id != identifier:
        asked = {"id": identifier, "revision": new_revision} | settings
    else:
        again = {"revision": present.revision + 1} if present.state in _ENDED else {}
        asked = _merged(intent["spec"].get(part, {}), {"id": identifier} | again | settings)
    asked["suspend"] = False
    intent["spec"][part] = asked
    return present is None or not _holds(present.spec, {"revision": present.revision} | asked)


def _stop(live: Document | None, project_id: str, part: PartName, identifier: str | None) -> Document | None:
    project = existing(live, project_id)
    present = project.part(part)
    if present.id is None:
        raise NotFound(f"project {project_id!r} has no {'training' if part == 'train' else 'test'}")
    if identifier not in (None, present.id):
        raise NotFound(f"project {project_id!r} {part}s {present.id!r}, not {identifier!r}")
    if present.state != RunState.ACTIVE:
        return None
    intent = _intent(live, project.name, project.project_id)
    # The id goes along: the part must be whole even for the manager that owns nothing of it yet.
    intent["spec"][part] = _merged(intent["spec"].get(part, {}), {"id": present.id, "suspend": True})
    return intent


def existing(live: Document | None, project_id: str) -> Project:
    """The project in the live object; NotFound where there is none."""
    if live is None:
        raise NotFound(f"there is no project {project_id!r}")
    return from_object(live)


def owned(live: Mapping[str, Any], manager: str = API_FIELD_MANAGER) -> Document:
    """The part of the object that the manager applied before, without metadata's identity."""
    for entry in live["metadata"].get("managedFields", ()):
        if (entry["manager"], entry["operation"]) == (manager, "Apply") and not entry.get("subresource"):
            return _picked(live, entry["fieldsV1"])
    return {}


def _owners(live: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Who has set the member of spec at this path."""
    for entry in live["metadata"].get("managedFields", ()):
        fields = entry.get("fieldsV1", {})
        for name in ("spec", *path):
            fields = fields.get(f"f:{name}")
            if fields is None:
                break
        else:
            yield entry["manager"]


def _unset(changes: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in changes.items():
        if value is None:
            yield (*path, name)
        elif isinstance(value, Mapping):
            yield from _unset(value, (*path, name))


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


def _next_revision(project: Project | None, train_id: str) -> int:
    """0 for an id never seen. One that was left for another run goes on; one that ended goes on counting."""
    records = [record for record in project.status.runs if record.id == train_id] if project else []
    if not records:
        return 0
    last = max(records, key=lambda record: record.revision)
    return last.revision if last.outcome == "Stopped" else last.revision + 1


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Document:
    """JSON merge patch (RFC 7396)."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
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


def _stamped(intent: Document, annotation: str, now: datetime) -> Document:
    """The intent with the moment in an annotation: "the run started last" is known before it begins."""
    stamp = now.isoformat(timespec="milliseconds")
    intent["metadata"].setdefault("annotations", {})[annotation] = stamp
    return intent
