"""Starting, stopping, resuming, retrying: alike for trainings and tests, which differ in a few parts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ocr_api import intents
from ocr_api.errors import Conflict, NotFound
from ocr_api.facade import Facade
from ocr_api.v1.dependencies import unchanged
from ocr_api.v1.documents import RunDocument, RunList, run_list, test_list
from ocr_contract.project import PartName, Project, RunState

Live = dict[str, Any] | None
Document = dict[str, Any]

_ENDED = (RunState.SUCCEEDED, RunState.FAILED)


@dataclass(frozen=True)
class RunKind:
    """What a training and a test differ in."""

    word: str
    part: PartName
    start: Callable[[Live, str, str, str, Document, datetime], Document | None]
    """(live, name, project_id, id, settings, now) as `intents.start_train` takes them."""
    stop: Callable[[Live, str, str | None], Document | None]
    listed: Callable[[Project], RunList]


TRAINING = RunKind(
    "training",
    "train",
    intents.start_train,
    intents.stop_train,
    run_list,
)
TEST = RunKind(
    "test",
    "test",
    lambda live, _name, *rest: intents.start_test(live, *rest),
    intents.stop_test,
    test_list,
)


@dataclass(frozen=True)
class RunChanges:
    """Changes to one project's runs or tests; each gives the one that it is about."""

    facade: Facade
    kind: RunKind
    project_id: str
    if_match: str | None

    async def start(self, identifier: str, settings: Document) -> tuple[RunDocument, bool]:
        """A new one; with it, whether it had been started already."""
        repeated = False

        def decide(live: Live, name: str) -> Document | None:
            nonlocal repeated
            present, state = self._present(live)
            repeated = present == identifier
            if repeated and state != RunState.ACTIVE:
                raise self._other_verb(identifier, state)
            return self._start(live, name, identifier, settings)

        return await self._changed(decide), repeated

    async def stop(self, identifier: str) -> RunDocument:
        def decide(live: Live, _name: str) -> Document | None:
            self._present(live)
            return self.kind.stop(live, self.project_id, identifier)

        return await self._changed(decide)

    async def resume(self, identifier: str) -> RunDocument:
        def decide(live: Live, name: str) -> Document | None:
            present, state = self._present(live)
            if present != identifier:
                now = f"it is {present!r}" if present is not None else "there is none"
                raise NotFound(f"the present {self.kind.word} is not {identifier!r}: {now}")
            if state in _ENDED:
                raise self._other_verb(identifier, state)
            return self._start(live, name, identifier, {})

        return await self._changed(decide)

    async def retry(self, identifier: str) -> RunDocument:
        def decide(live: Live, name: str) -> Document | None:
            present, state = self._present(live)
            if present != identifier:
                listed_one(self.kind, intents.existing(live, self.project_id), identifier)
            elif state not in _ENDED:
                raise self._other_verb(identifier, state)
            return self._start(live, name, identifier, {})

        return await self._changed(decide)

    def _present(self, live: Live) -> tuple[str | None, RunState | None]:
        project = intents.existing(unchanged(live, self.if_match), self.project_id)
        present = project.part(self.kind.part)
        return present.id, present.state

    def _start(self, live: Live, name: str, identifier: str, settings: Document) -> Document | None:
        return self.kind.start(live, name, self.project_id, identifier, settings, datetime.now(UTC))

    async def _changed(self, decide: Callable[[Live, str], Document | None]) -> RunDocument:
        seen = await self.facade.projects.change(self.project_id, decide)
        return self.kind.listed(seen.project).items[0]

    def _other_verb(self, identifier: str, state: RunState | None) -> Conflict:
        """What to do with one that can't be done what was asked for."""
        title = f"{self.kind.word} {identifier!r}"
        if state == RunState.ACTIVE:
            return Conflict(f"{title} is still running: stop it first")
        if state == RunState.SUSPENDED:
            return Conflict(f"{title} is stopped: resume goes on with it")
        return Conflict(f"{title} has ended ({state}): retry does it again")


def listed_one(kind: RunKind, project: Project, identifier: str) -> RunDocument:
    """The one with that id, present or past; NotFound where the status keeps none."""
    found = next((run for run in kind.listed(project).items if run.id == identifier), None)
    if found is None:
        raise NotFound(
            f"the project's status knows no {kind.word} {identifier!r}; its files may still be on the volume"
        )
    return found
