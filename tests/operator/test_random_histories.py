"""Whatever users, Jobs, nodes, watches and crashes do in whatever order: the same promises hold.

The operator sees the world as its watches told it, which may be long ago; what it reads or writes itself it
knows at once. Hypothesis draws the histories and shrinks one that breaks a promise to its few telling steps.
More of them than usual: `HISTORIES=5000 pytest tests/operator/test_random_histories.py`.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ocr_contract.names import run_hash
from ocr_contract.resource import LABEL_RUN, LABEL_STAGE
from ocr_contract.spec import OcrProjectSpec
from ocr_contract.status import OcrProjectStatus
from ocr_operator.plan import tracks
from operator_play import Play, timestamp

CRD = Path(__file__).resolve().parents[2] / "charts/ocr-operator/files/ocrprojects.yaml"
TERMINAL = ("Succeeded", "Failed")
GATES = ({}, {"minHmean": 0.5}, {"maxRegression": 0.1}, {"minEndToEnd": 0.5})
LIMITS = (
    {"startupDeadlineSeconds": 100},
    {"stallSeconds": 40, "onStall": "Restart", "retries": 1},
    {"stallSeconds": 40, "nodeLostSeconds": 60},
)
STAGES = ("dataset", "detection", "recognition", "test")
pick = st.integers(min_value=0, max_value=99)


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The CRD's schema as JSON schema; a field that it does not know would be pruned silently."""
    found = {name: part for name, part in schema.items() if not name.startswith("x-kubernetes")}
    if "properties" in found:
        found["properties"] = {name: closed(part) for name, part in found["properties"].items()}
        found["additionalProperties"] = False
    for part in ("items", "additionalProperties"):
        if isinstance(found.get(part), dict):
            found[part] = closed(found[part])
    return found


VERSION = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
STATUS = jsonschema.Draft202012Validator(closed(VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]))


def move(**draws: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule for something that happens; the operator hears of it and looks, or looks without, or neither."""

    def decorate(happen: Callable[..., None]) -> Any:
        def happens(self: "Histories", then: str, **drawn: Any) -> None:
            happen(self, **drawn)
            if then == "heard":
                self.play.hear()
            if then:
                self.look(seconds=1)

        happens.__name__ = happen.__name__
        return rule(then=st.sampled_from(["heard", "heard", "unheard", ""]), **draws)(happens)

    return decorate


class Histories(RuleBasedStateMachine):
    """A play and the moves that fate has in it."""

    @initialize(
        parallel=st.booleans(),
        run_test=st.booleans(),
        gates=st.sampled_from(GATES),
        limits=st.sampled_from(LIMITS),
    )
    def begin(self, parallel: bool, run_test: bool, gates: dict[str, Any], limits: dict[str, Any]) -> None:
        order = "Parallel" if parallel else "Sequential"
        self.run_test = run_test
        train = {"id": "r0", "order": order, "runTest": run_test}
        self.play = Play(train=train, gates=gates, limits=limits)
        self.play.hear()
        self.names = 0
        self.silent: set[str] = set()
        self.ended: dict[str, str] = {}
        self.checked = 0
        self.valid: dict[str, Any] | None = None

    # What the operator does.

    @rule(seconds=st.sampled_from([0, 1, 30, 70]))
    def look(self, seconds: float) -> None:
        self.play.now += timedelta(seconds=seconds)
        conditions = {item["type"]: item for item in self.play.status.get("conditions", [])}
        decision = self.play.decide()
        behind = self.play.heard is not None and self.play.heard.project is not self.play.project
        self.play.carry_out(decision)
        self._check_conditions(conditions)
        if behind or decision.force_deletes:
            return  # the answers to its own calls told it something new
        events = len(self.play.events)
        after = self.play.status
        again = self.play.decide()
        assert not again.creates and not again.deletes and not again.force_deletes, "a second look acts"
        self.play.carry_out(again)
        assert self.play.status == after and len(self.play.events) == events, "a second look changes"

    @rule()
    def hear(self) -> None:
        self.play.hear()

    @rule()
    def crash(self) -> None:
        """Killed after the calls, before the status was written; the next one lists everything anew."""
        self.play.carry_out(self.play.decide(), crash_before_status=True)
        self.play.hear()

    # What Jobs, pods and nodes do.

    def _any(self, names: list[str], number: int) -> str | None:
        return names[number % len(names)] if names else None

    def _live(self, number: int) -> str | None:
        """A Job that works and that nobody has deleted, none of whose pods is on a silent node."""
        play = self.play
        names = [
            name
            for name in play.unfinished()
            if "deletionTimestamp" not in play.jobs[name]["metadata"]
            and not self.silent.intersection(play.pods_of(name))
        ]
        return self._any(names, number)

    @move(number=pick)
    def a_container_starts(self, number: int) -> None:
        if name := self._live(number):
            self.play.run_job(name)

    @move(number=pick)
    def a_pod_waits(self, number: int) -> None:
        name = self._live(number)
        if name and not self.play.pods_of(name):
            scheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
            self.play.show_pod(name, phase="Pending", conditions=[scheduled])

    @move(number=pick)
    def a_job_succeeds(self, number: int) -> None:
        if name := self._live(number):
            self.play.end_job(name, "Complete", "", {"exitCode": 0})

    @move(number=pick, code=st.sampled_from([1, 65, 137]))
    def a_job_fails(self, number: int, code: int) -> None:
        if name := self._live(number):
            self.play.end_job(name, "Failed", "BackoffLimitExceeded", {"exitCode": code})

    @move(number=pick)
    def a_try_fails(self, number: int) -> None:
        if name := self._live(number):
            self.play.end_pod(name, {"exitCode": 1})

    @move(number=pick, gates=st.sampled_from([0.2, 0.6, 0.9]))
    def a_stage_reports(self, number: int, gates: float) -> None:
        if name := self._live(number):
            labels = self.play.jobs[name]["metadata"]["labels"]
            part = {"prepare": "dataset"}.get(labels[LABEL_STAGE], labels[LABEL_STAGE])
            figures = {"detection": {"hmean": gates}, "test": {"endToEndF1": gates}}.get(part, {})
            if part in STAGES:
                self.play.report(part, labels[LABEL_RUN], **figures)

    @move(number=pick, silent=st.booleans())
    def a_pod_is_evicted(self, number: int, silent: bool) -> None:
        pods = [
            name
            for name, pod in self.play.pods.items()
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]
        if pod := self._any(pods, number):
            self.play.ask_to_end(pod, grace=20)
            self.silent |= {pod} if silent else set()

    @move(number=pick)
    def a_container_hangs(self, number: int) -> None:
        if name := self._live(number):
            self.play.run_job(name)
            self._pass_time(1, 70)

    @move(number=pick)
    def a_node_dies(self, number: int) -> None:
        if name := self._live(number):
            self.play.run_job(name)
            self._pass_time(1)
            if name in self.play.jobs and (pods := self.play.pods_of(name)):
                self.play.ask_to_end(pods[-1], grace=20)
                self.silent.add(pods[-1])
            self._pass_time(70)

    def _pass_time(self, *seconds: float) -> None:
        self.play.hear()
        for passed in seconds:
            self.look(seconds=passed)

    @move()
    def silent_nodes_come_back(self) -> None:
        self.silent.clear()

    @move()
    def what_leaves_is_gone(self) -> None:
        self.play.collect(frozenset(self.silent))

    @move(number=pick, background=st.booleans())
    def somebody_deletes_a_job(self, number: int, background: bool) -> None:
        name = self._live(number)
        if name and background:
            for pod in self.play.pods_of(name):
                self.play.ask_to_end(pod, grace=20)
            del self.play.jobs[name]
        elif name:
            metadata = {"deletionTimestamp": timestamp(self.play.now)}
            self.play.jobs[name] = self.play.jobs[name] | {
                "metadata": self.play.jobs[name]["metadata"] | metadata
            }

    @move()
    def finished_jobs_expire(self) -> None:
        for name in set(self.play.jobs) - set(self.play.unfinished()):
            for pod in self.play.pods_of(name):
                del self.play.pods[pod]
            del self.play.jobs[name]

    # What people do.

    def _edit_line(self, line: str, **fields: Any) -> None:
        if line in self.play.project["spec"]:
            self.play.edit(**{line: self.play.project["spec"][line] | fields})

    @move(line=st.sampled_from(["train", "test"]), suspend=st.booleans())
    def suspend_or_resume(self, line: str, suspend: bool) -> None:
        self._edit_line(line, suspend=suspend)

    @move(line=st.sampled_from(["train", "test"]))
    def raise_revision(self, line: str) -> None:
        before = self.play.project["spec"].get(line, {})
        self._edit_line(line, revision=before.get("revision", 0) + 1)

    @move(run_test=st.booleans())
    def new_run(self, run_test: bool) -> None:
        self.names += 1
        self.play.edit(train={"id": f"r{self.names}", "runTest": run_test})

    @precondition(lambda self: self.names)
    @move(number=pick)
    def name_an_old_run_again(self, number: int) -> None:
        self.play.edit(train={"id": f"r{number % self.names}", "runTest": self.run_test})

    @move(checkpoint=st.sampled_from(["Best", "Last"]))
    def new_test(self, checkpoint: str) -> None:
        self.names += 1
        self.play.edit(test={"id": f"t{self.names}", "checkpoint": checkpoint})

    @move()
    def drop_the_test(self) -> None:
        spec = {name: part for name, part in self.play.project["spec"].items() if name != "test"}
        self.play.project = self.play.project | {"spec": spec}
        self.play.edit()

    @move(gates=st.sampled_from(GATES), limits=st.sampled_from(LIMITS))
    def change_gates_and_limits(self, gates: dict[str, Any], limits: dict[str, Any]) -> None:
        self.play.edit(gates=gates, limits=limits)

    # What must hold.

    def _check_conditions(self, before: dict[str, Any]) -> None:
        """A condition's time moves with its status, and only then."""
        for condition in self.play.status["conditions"]:
            old = before.get(condition["type"])
            moved = old is None or old["lastTransitionTime"] != condition["lastTransitionTime"]
            changed = old is None or old["status"] != condition["status"]
            assert moved <= changed, condition
            assert not changed or condition["lastTransitionTime"] == timestamp(self.play.now), condition

    @invariant()
    def the_status_is_valid(self) -> None:
        if self.play.status is self.valid:
            return
        self.valid = self.play.status
        OcrProjectStatus.model_validate(self.play.status)
        problem = jsonschema.exceptions.best_match(STATUS.iter_errors(self.play.status))
        assert problem is None, problem

    @invariant()
    def no_stage_has_two_live_jobs_or_pods(self) -> None:
        for documents in (
            [self.play.jobs[name] for name in self.play.unfinished()],
            [pod for pod in self.play.pods.values() if pod["status"]["phase"] not in TERMINAL],
        ):
            labels = [document["metadata"]["labels"] for document in documents]
            stages = [(label[LABEL_RUN], label[LABEL_STAGE]) for label in labels]
            assert len(stages) == len(set(stages)), stages

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        stopped = {
            run_hash(record["id"], record["revision"])
            for record in self.play.status.get("runs", [])
            if record["outcome"] == "Stopped"
        }
        for name in self.play.created[self.checked :]:
            head, _ = name.rsplit("-", 1)
            run = name.rsplit("-", 3)[1]
            assert head not in self.ended or run in stopped, f"{name} runs a stage again that had ended"
        self.checked = len(self.play.created)
        self.ended = {
            head: state for head, state in self.ended.items() if head.rsplit("-", 2)[1] not in stopped
        }
        for line in ("train", "test"):
            for status in self.play.status.get(line, {}).get("stages", {}).values():
                if status.get("job") and status["state"] in TERMINAL:
                    head, _ = status["job"].rsplit("-", 1)
                    assert self.ended.setdefault(head, status["state"]) == status["state"], head

    def teardown(self) -> None:
        """Left alone, with every Job succeeding, it comes to an end."""
        if not hasattr(self, "play"):
            return
        play = self.play
        play.heard = None
        self.silent.clear()
        self.suspend_or_resume("", line="train", suspend=False)
        self.suspend_or_resume("", line="test", suspend=False)
        for _ in range(30):
            play.settle()
            self.what_has_ended_stays_as_it_ended()
            if not play.unfinished():
                break
            for name in play.unfinished():
                play.end_job(name, "Complete", "", {"exitCode": 0})
        else:
            raise AssertionError("never ends")
        self._check_the_end()

    def _check_the_end(self) -> None:
        status = self.play.status
        states = {item["type"]: item["status"] for item in status["conditions"]}
        reasons = {item["type"]: item["reason"] for item in status["conditions"]}
        spec = OcrProjectSpec.model_validate(self.play.project["spec"])
        lines = [status[track.kind]["stages"] for track in tracks(spec)]
        failed = any(stage["state"] == "Failed" for line in lines for stage in line.values())
        waits_for_a_model = states["Waiting"] == "True" and reasons["Waiting"] in (
            "NoModel",
            "ModelOverwritten",
        )
        assert states["Failed"] == str(failed)
        assert failed or waits_for_a_model or states["Complete"] == "True", reasons
        assert not waits_for_a_model or "test" in self.play.project["spec"]


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", "40")),
    stateful_step_count=50,
    derandomize="HISTORIES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
