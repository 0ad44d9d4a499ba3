"""Who asked the API server for what, from its audit log, and what a Role lets somebody ask for.

Both come in the same words, "verb resource.group/subresource name", so that they can be compared as sets.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What RBAC says where it is asked after a request was let in: an apply that would make an object is asked to
# hold `create`, too, and who lets an object hold up the deletion of its owner must be able to finalize that.
_RIGHTS_LACKED = ("cannot create resource", "you can't set finalizers on")


@dataclass(frozen=True)
class Call:
    """A request for objects of one kind."""

    verb: str
    kind: str
    """Such as `jobs.batch` or `pods/status`."""
    name: str
    refusal: str | None
    """Why the account has no right to it; a refusal for other reasons, such as by a policy, is none."""

    @property
    def words(self) -> str:
        return f"{self.verb} {self.kind}"

    @property
    def words_with_name(self) -> str:
        return f"{self.words} {self.name}"


class AuditLog:
    """The log of an API server that still writes it, with what was moved aside when it grew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def calls(self, user: str) -> set[Call]:
        """What the user asked for."""
        return {call for event in self._events(user) if "objectRef" in event for call in _calls(event)}

    def urls(self, user: str) -> set[str]:
        """What the user asked for that is no object: what is served, and how the server is."""
        return {
            str(event["requestURI"]).partition("?")[0]
            for event in self._events(user)
            if "objectRef" not in event
        }

    def refusals(self, user: str) -> set[str]:
        """What the user asked for and had no right to."""
        return {f"{call.words_with_name}: {call.refusal}" for call in self.calls(user) if call.refusal}

    def calls_in_words_of(self, grants: set[str], user: str) -> set[str]:
        """What the user asked for, each as the grant that allows it: with a name only where that is granted.

        What no grant allows is there, too, with its name.
        """
        return {call.words if call.words in grants else call.words_with_name for call in self.calls(user)}

    def _events(self, user: str) -> Iterator[dict[str, Any]]:
        aside = sorted(self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}"))
        for path in (*aside, self.path):
            for line in path.read_text().splitlines(keepends=True):
                if not line.endswith("\n"):  # it is being written
                    continue
                event = json.loads(line)
                if event["user"]["username"] == user:
                    yield event


def grants_of(role: Mapping[str, Any]) -> set[str]:
    """Everything that the Role allows, call by call."""
    return {
        f"{verb} {_kind(group, *resource.split('/'))} {name}".strip()
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def _calls(event: Mapping[str, Any]) -> Iterator[Call]:
    reference, answer = event["objectRef"], event.get("responseStatus", {})
    kind = _kind(reference.get("apiGroup", ""), reference["resource"], reference.get("subresource", ""))
    name, message = reference.get("name", ""), str(answer.get("message", ""))
    forbidden = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    lacks = forbidden or (answer.get("code") == 403 and any(words in message for words in _RIGHTS_LACKED))
    yield Call(event["verb"], kind, name, message if lacks else None)
    if event["verb"] == "patch" and answer.get("code") == 201:
        yield Call("create", kind, name, None)


def _kind(group: str, resource: str, subresource: str = "") -> str:
    whole = f"{resource}.{group}" if group else resource
    return f"{whole}/{subresource}" if subresource else whole
