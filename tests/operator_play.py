"""A toy cluster for the operator's pure core: it carries decisions out on dictionaries, at once or late.

No API is imitated: there are Jobs with a state, and a status. What the real server, Job controller and
watches do is tested on the real ones.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ocr_contract.resource import API_VERSION, KIND, LABEL_STAGE
from ocr_operator.decision import Decision, Observed, Refusal
from ocr_operator.reconcile import reconcile
from ocr_operator.settings import Settings
from ocr_operator.store import without_noise

SETTINGS = Settings(namespace="ns", trainer_image="trainer:1", volume_claim="data")
START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod(job: dict[str, Any], now: datetime, number: int = 0, **status: Any) -> dict[str, Any]:
    name = f"{job['metadata']['name']}-{number}"
    metadata = {
        "name": name,
        "uid": f"{job['metadata']['uid']}-{number}",
        "creationTimestamp": timestamp(now),
        "labels": job["spec"]["template"]["metadata"]["labels"],
        "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
    }
    return {"kind": "Pod", "metadata": metadata, "spec": job["spec"]["template"]["spec"], "status": status}


def container(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "trainer", "state": state}]


def with_metadata(document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return document | {"metadata": document["metadata"] | fields}


@dataclass
class Heard:
    """What the watches have told, and what own calls were answered: it may be behind the truth."""

    project: dict[str, Any]
    jobs: dict[str, dict[str, Any]]
    pods: dict[str, dict[str, Any]]


class Play:
    """One project, its Jobs and pods, and what was ever created. Documents are replaced, never changed."""

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
        self.forced: list[str] = []
        self.events: list[str] = []
        self.refused: dict[str, Refusal] = {}
        self.claimed_by: str | None = None
        self.heard: Heard | None = None
        """None: everything is heard at once."""

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

    def message(self, kind: str) -> str:
        (found,) = [condition for condition in self.status["conditions"] if condition["type"] == kind]
        return str(found["message"])

    def edit(self, **spec: Any) -> None:
        generation = self.project["metadata"]["generation"] + 1
        project = with_metadata(self.project, generation=generation)
        self.project = project | {"spec": self.project["spec"] | spec}

    def edit_train(self, **train: Any) -> None:
        self.edit(train=self.project["spec"]["train"] | train)

    def report(self, part: str, run: str, **fields: Any) -> None:
        """The trainer's own part of the status."""
        trainer = self.status.get("trainer", {})
        told = trainer.get(part, {}) if trainer.get(part, {}).get("run") == run else {"run": run}
        told = told | {"updatedAt": timestamp(self.now)} | fields
        self.project = self.project | {"status": self.status | {"trainer": trainer | {part: told}}}

    def hear(self) -> None:
        """From now on the operator knows what there is now, and hears no more until the next call."""
        self.heard = Heard(self.project, dict(self.jobs), dict(self.pods))

    def decide(self, *, blind: bool = False) -> Decision:
        """The decision, after as many looks as it asks for; blind: the watches have seen no Job yet."""
        verified: frozenset[str] = frozenset()
        read = False
        heard = self.heard or Heard(self.project, dict(self.jobs), dict(self.pods))
        if blind:
            heard.jobs = {}
        while True:
            observed = Observed(
                tuple(map(without_noise, heard.jobs.values())),
                tuple(map(without_noise, heard.pods.values())),
                verified,
                read,
                dict(self.refused),
                self.claimed_by,
            )
            decision = reconcile(heard.project, observed, SETTINGS, self.now)
            if not decision.verify and not decision.verify_project:
                return decision
            news = set(decision.verify) - verified or (decision.verify_project and not read)
            assert news, "asks for what it was told"
            for name in decision.verify:
                heard.jobs.pop(name, None)
                heard.jobs |= {name: self.jobs[name]} if name in self.jobs else {}
                heard.pods = dict(self.pods)
            if decision.verify_project:
                heard.project = self.project
            verified |= frozenset(decision.verify)
            read |= decision.verify_project

    def carry_out(self, decision: Decision, *, crash_before_status: bool = False) -> None:
        for name in decision.force_deletes:
            self.forced.append(name)
            self.pods.pop(name, None)
            if self.heard:
                self.heard.pods.pop(name, None)
        for name in decision.deletes:
            self._delete(name)
        for manifest in decision.creates:
            self._create(dict(manifest))
        if crash_before_status:
            return
        status = dict(decision.status)
        if status == {name: part for name, part in self.status.items() if name != "trainer"}:
            return
        trainer = self.status.get("trainer")
        self.project = self.project | {"status": status | ({"trainer": trainer} if trainer else {})}
        if self.heard:
            self.heard.project = self.project
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

    def collect(self, stuck: frozenset[str] = frozenset()) -> None:
        """What is asked to end has ended, but for pods on silent nodes, and Jobs that wait for these."""
        leaving = [name for name, job in self.jobs.items() if "deletionTimestamp" in job["metadata"]]
        going = {pod for name in leaving for pod in self.pods_of(name)}
        going |= {name for name, pod in self.pods.items() if "deletionTimestamp" in pod["metadata"]}
        for pod in going - stuck:
            del self.pods[pod]
        for name in leaving:
            if not self.pods_of(name):
                del self.jobs[name]

    def pods_of(self, job: str) -> list[str]:
        """Names of the Job's pods, oldest first."""
        uid = self.jobs[job]["metadata"]["uid"]
        return [
            name for name, pod in self.pods.items() if pod["metadata"]["ownerReferences"][0]["uid"] == uid
        ]

    def live(self, stage: str) -> str:
        """The stage's one unfinished Job."""
        (name,) = self.unfinished(stage)
        return name

    def pod(self, stage: str) -> str:
        """The newest pod of the stage's one unfinished Job."""
        return self.pods_of(self.live(stage))[-1]

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
        running = container({"running": {"startedAt": timestamp(self.now)}})
        self.show_pod(name, phase="Running", containerStatuses=running)

    def show_pod(self, job: str, **status: Any) -> str:
        """The status of the Job's pod, of a new one if the last has ended; its name."""
        names = self.pods_of(job)
        over = not names or self.pods[names[-1]]["status"]["phase"] in ("Succeeded", "Failed")
        if over:
            pod = make_pod(self.jobs[job], self.now, len(names), **status)
        else:
            pod = self.pods[names[-1]] | {"status": status}
        self.pods[pod["metadata"]["name"]] = pod
        return str(pod["metadata"]["name"])

    def ask_to_end(self, pod: str, grace: float = 0) -> None:
        """The pod is being deleted."""
        deletion = timestamp(self.now + timedelta(seconds=grace))
        self.pods[pod] = with_metadata(
            self.pods[pod], deletionTimestamp=deletion, deletionGracePeriodSeconds=int(grace)
        )

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
        job, moment = self.jobs[name], timestamp(self.now)
        condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": moment}
        self.jobs[name] = job | {"status": job["status"] | {"conditions": [condition]}}
        self.end_pod(name, terminated)

    def end_pod(self, job: str, terminated: dict[str, Any], **status: Any) -> None:
        """The container of the Job's pod has ended; the Job goes on or not."""
        started = {"startedAt": timestamp(self.now), "finishedAt": timestamp(self.now)}
        names = self.pods_of(job)
        if names and (states := self.pods[names[-1]]["status"].get("containerStatuses")):
            started["startedAt"] = (states[0]["state"].get("running") or started)["startedAt"]
        phase = "Failed" if terminated["exitCode"] else "Succeeded"
        self.show_pod(
            job, phase=phase, containerStatuses=container({"terminated": started | terminated}), **status
        )

    def _delete(self, name: str) -> None:
        for jobs in (self.jobs, self.heard.jobs if self.heard else {}):
            if name in jobs:
                jobs[name] = with_metadata(jobs[name], deletionTimestamp=timestamp(self.now))

    def _create(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name not in self.jobs:  # else the server answers 409, the worker adopts
            uid = f"job-{len(self.created)}"
            manifest = with_metadata(manifest, uid=uid, creationTimestamp=timestamp(self.now))
            self.jobs[name] = manifest | {"status": {}}
            self.created.append(name)
        if self.heard:
            self.heard.jobs[name] = self.jobs[name]
