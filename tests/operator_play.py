"""A toy cluster for the operator's pure core: it carries decisions out on dictionaries, at once or late.

No API is imitated: there are Jobs with a state, and a status. What the real server, Job controller and
watches do is tested on the real ones.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from ocr_contract.resource import API_VERSION, KIND, LABEL_STAGE
from ocr_operator.decision import Decision, Observed, Refusal
from ocr_operator.reconcile import reconcile
from ocr_operator.settings import Settings

SETTINGS = Settings(namespace="ns", trainer_image="trainer:1", volume_claim="data")
START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod(job: dict[str, Any], now: datetime, **status: Any) -> dict[str, Any]:
    metadata = {
        "name": f"{job['metadata']['name']}-x",
        "creationTimestamp": timestamp(now),
        "labels": job["spec"]["template"]["metadata"]["labels"],
        "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
    }
    return {"metadata": metadata, "spec": job["spec"]["template"]["spec"], "status": status}


def container(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "trainer", "state": state}]


class Play:
    """One project, its Jobs and pods, and what was ever created."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.project: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "p", "namespace": "ns", "uid": "u1", "generation": 1},
            "spec": spec,
        }
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []
        self.events: list[str] = []
        self.refused: dict[str, Refusal] = {}
        self.claimed_by: str | None = None

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.project.get("status", {})
        return found

    def stage(self, stage: str, line: str = "train") -> dict[str, Any]:
        found: dict[str, Any] = self.status[line]["stages"][stage]
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        (found,) = [condition for condition in self.status["conditions"] if condition["type"] == kind]
        return found["status"], found["reason"]

    def edit(self, **spec: Any) -> None:
        self.project["spec"] |= spec
        self.project["metadata"]["generation"] += 1

    def edit_train(self, **train: Any) -> None:
        self.edit(train=self.project["spec"]["train"] | train)

    def decide(self, *, blind: bool = False) -> Decision:
        """The decision, after as many looks as it asks for; blind: the watches have seen no Job yet."""
        verified: frozenset[str] = frozenset()
        read = False
        while True:
            seen = () if blind else tuple(self.jobs.values())
            seen += tuple(job for name, job in self.jobs.items() if blind and name in verified)
            observed = Observed(
                seen, tuple(self.pods.values()), verified, read, dict(self.refused), self.claimed_by
            )
            decision = reconcile(self.project, observed, SETTINGS, self.now)
            if not decision.verify and not decision.verify_project:
                return decision
            assert not set(decision.verify) <= verified or (decision.verify_project and not read), (
                "asks twice"
            )
            verified |= frozenset(decision.verify)
            read |= decision.verify_project

    def carry_out(self, decision: Decision, *, crash_before_status: bool = False) -> None:
        for name in decision.deletes:
            self.jobs[name]["metadata"]["deletionTimestamp"] = timestamp(self.now)
        for manifest in decision.creates:
            self._create(dict(manifest))
        if crash_before_status:
            return
        trainer = self.status.get("trainer")
        self.project["status"] = dict(decision.status) | ({"trainer": trainer} if trainer else {})
        self.events += [event.reason for event in decision.events]

    def step(self, seconds: float = 1) -> Decision:
        """Time passes; one look and what follows from it."""
        self.now += timedelta(seconds=seconds)
        decision = self.decide()
        self.carry_out(decision)
        return decision

    def settle(self) -> None:
        """Steps until nothing changes; deletions complete."""
        for _ in range(20):
            before = self.status, list(self.jobs)
            self.collect()
            decision = self.step(0)
            if (self.status, list(self.jobs)) == before and not decision.creates and not decision.deletes:
                return
        raise AssertionError("does not come to rest")

    def collect(self) -> None:
        """The garbage collector: Jobs that are being deleted are gone, with their pods."""
        for name in [name for name, job in self.jobs.items() if "deletionTimestamp" in job["metadata"]]:
            del self.jobs[name]
            self.pods.pop(name, None)

    def live(self, stage: str) -> str:
        """The stage's one unfinished Job."""
        (name,) = self.unfinished(stage)
        return name

    def unfinished(self, stage: str | None = None) -> list[str]:
        return [
            name
            for name, job in self.jobs.items()
            if "conditions" not in job["status"] and stage in (None, job["metadata"]["labels"][LABEL_STAGE])
        ]

    def run(self, stage: str) -> None:
        """The stage's container starts."""
        self.run_job(self.live(stage))

    def run_job(self, name: str) -> None:
        job = self.jobs[name]
        running = container({"running": {"startedAt": timestamp(self.now)}})
        pod = make_pod(job, self.now, phase="Running", containerStatuses=running)
        self.pods[name] = pod

    def succeed(self, stage: str) -> None:
        self.end_job(self.live(stage), "Complete", "", {"exitCode": 0})

    def fail(self, stage: str, exit_code: int = 1, words: str = "", **terminated: Any) -> None:
        reason = "PodFailurePolicy" if exit_code in (64, 65, 78) else "BackoffLimitExceeded"
        self.end_job(
            self.live(stage), "Failed", reason, {"exitCode": exit_code, "message": words, **terminated}
        )

    def finish(self, *stages: str) -> None:
        for stage in stages:
            self.settle()
            self.succeed(stage)
        self.settle()

    def end_job(self, name: str, kind: str, reason: str, terminated: dict[str, Any]) -> None:
        job = self.jobs[name]
        moment = timestamp(self.now)
        condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": moment}
        job["status"]["conditions"] = [condition]
        started = {"startedAt": moment, "finishedAt": moment}
        if name in self.pods and (
            running := self.pods[name]["status"]["containerStatuses"][0]["state"].get("running")
        ):
            started["startedAt"] = running["startedAt"]
        phase = "Succeeded" if kind == "Complete" else "Failed"
        ended = container({"terminated": started | terminated})
        self.pods[name] = make_pod(job, self.now, phase=phase, containerStatuses=ended)

    def _create(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            return  # the server answers 409, the worker adopts
        manifest["metadata"] |= {"uid": f"job-{len(self.created)}", "creationTimestamp": timestamp(self.now)}
        manifest["status"] = {}
        self.jobs[name] = manifest
        self.created.append(name)
