"""What the operator knows of its objects: the newest version seen of each, from watches and from own calls.

A watch may be behind what an own write has already answered; versions are compared, so that an old event
never hides a newer object. Since Kubernetes 1.35 resource versions are numbers that may be compared.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ocr_contract.resource import LABEL_PROJECT
from ocr_operator.documents import Document, labels_of, name_of, owner_uid

Key = tuple[str, str]
"""Namespace and name of an OcrProject."""

LONGEST_SHARED = 24
"""Characters: words, numbers and timestamps recur; names and uids are longer."""


@dataclass
class Store:
    projects: dict[Key, Document] = field(default_factory=dict)
    jobs: defaultdict[Key, dict[str, Document]] = field(default_factory=lambda: defaultdict(dict))
    pods: defaultdict[Key, dict[str, Document]] = field(default_factory=lambda: defaultdict(dict))
    on_change: list[Callable[[Document | None, Document], None]] = field(default_factory=list)
    """Called when a project changes, with what was known of it and what is; they must return at once."""
    _by_project_id: defaultdict[tuple[str, str], set[Key]] = field(default_factory=lambda: defaultdict(set))

    def remember_project(self, project: Document) -> Key:
        key = key_of(project)
        known = self.projects.get(key)
        if not _is_newer(project, known):
            return key
        self.projects[key] = project
        self._by_project_id[_claim(project)].add(key)
        if known is None or _version(known) != _version(project):
            for tell in self.on_change:
                tell(known, project)
        return key

    def forget_project(self, project: Document) -> list[Key]:
        """The keys that the deletion concerns: its own, and projects that may now have its projectID."""
        key = key_of(project)
        known = self.projects.get(key)
        if known is None or known["metadata"]["uid"] != project["metadata"]["uid"]:
            return []  # made again under the same name before we heard of the deletion
        del self.projects[key]
        claimants = self._by_project_id[_claim(known)]
        claimants.discard(key)
        others = list(claimants)
        if not claimants:
            del self._by_project_id[_claim(known)]
        return [key, *others]

    def remember_job(self, job: Document) -> Key:
        return _remember(self.jobs, job)

    def forget_job(self, job: Document) -> Key:
        return _forget(self.jobs, job)

    def remember_pod(self, pod: Document) -> Key:
        return _remember(self.pods, pod)

    def forget_pod(self, pod: Document) -> Key:
        return _forget(self.pods, pod)

    def jobs_of(self, project: Document) -> tuple[Document, ...]:
        """The Jobs that this very project owns, not a namesake's that was deleted."""
        uid = project["metadata"]["uid"]
        return tuple(job for job in self.jobs.get(key_of(project), {}).values() if owner_uid(job) == uid)

    def pods_of(self, project: Document) -> tuple[Document, ...]:
        return tuple(self.pods.get(key_of(project), {}).values())

    def older_claimant(self, project: Document) -> str | None:
        """Name of the oldest other project with the same projectID, if it is older than this one."""
        keys = self._by_project_id.get(_claim(project), set())
        oldest = min((self.projects[key] for key in keys), key=_age, default=project)
        return name_of(oldest) if _age(oldest) < _age(project) else None


def key_of(project: Document) -> Key:
    return project["metadata"]["namespace"], name_of(project)


def owner_key(document: Document) -> Key:
    """The key of the project to which a Job or a pod belongs."""
    return document["metadata"]["namespace"], labels_of(document)[LABEL_PROJECT]


def _remember(kind: defaultdict[Key, dict[str, Document]], document: Document) -> Key:
    key = owner_key(document)
    if _is_newer(document, kind[key].get(name_of(document))):
        kind[key][name_of(document)] = document
    return key


def _forget(kind: defaultdict[Key, dict[str, Document]], document: Document) -> Key:
    key = owner_key(document)
    known = kind[key].get(name_of(document))
    if known is not None and known["metadata"]["uid"] == document["metadata"]["uid"]:
        del kind[key][name_of(document)]
    if not kind[key]:
        del kind[key]
    return key


def _is_newer(document: Document, known: Document | None) -> bool:
    if known is None or known["metadata"]["uid"] != document["metadata"]["uid"]:
        return True
    return int(document["metadata"]["resourceVersion"]) >= int(known["metadata"]["resourceVersion"])


def _version(document: Document) -> tuple[str, str]:
    return document["metadata"]["uid"], document["metadata"]["resourceVersion"]


def _claim(project: Document) -> tuple[str, str]:
    namespace, name = key_of(project)
    return namespace, str((project.get("spec") or {}).get("projectID") or name)


def _age(project: Document) -> tuple[str, str]:
    return str(project["metadata"]["creationTimestamp"]), name_of(project)


def without_noise(document: Document) -> Document:
    """What is ever asked of the object, in a quarter of the memory: thousands are remembered.

    Left out are what field managers need and what a Job and its pod only tell the kubelet. Parsing makes
    new strings of the same field names in each document, so that they take more room than the values.
    """
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    slim = {**document, "metadata": metadata}
    if document.get("kind") == "Job":
        slim["spec"] = {key: value for key, value in document["spec"].items() if key != "template"}
    elif document.get("kind") == "Pod":
        slim["spec"] = _asked_of_a_pod(document["spec"])
    found: Document = _sharing_strings(slim)
    return found


def _asked_of_a_pod(spec: Document) -> dict[str, Any]:
    containers = [
        {key: container[key] for key in ("name", "resources") if key in container}
        for container in spec["containers"]
    ]
    return {"containers": containers} | {key: spec[key] for key in ("nodeName",) if key in spec}


def _sharing_strings(value: Any) -> Any:
    """The same JSON value, in which what is likely to be in other documents, too, is there once for all."""
    if isinstance(value, dict):
        return {sys.intern(key): _sharing_strings(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_sharing_strings(part) for part in value]
    if isinstance(value, str) and len(value) <= LONGEST_SHARED:
        return sys.intern(value)
    return value
