"""Whatever users, Jobs, watches and crashes do in whatever order: the same promises hold.

Histories are drawn from a seed, so a failure names the one that repeats it.
"""

import random
from collections.abc import Callable

import pytest

from ocr_contract.resource import LABEL_RUN, LABEL_STAGE
from ocr_contract.spec import OcrProjectSpec
from ocr_contract.status import OcrProjectStatus
from ocr_operator.plan import tracks
from operator_play import Play

STEPS = 60
TERMINAL = ("Succeeded", "Failed")


class History:
    """A play and the moves that fate has in it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        order = self.random.choice(["Sequential", "Parallel"])
        self.play = Play(train={"id": "r0", "order": order, "runTest": self.random.random() < 0.5})
        self.runs = 0
        self.ended: dict[tuple[str, str], str] = {}
        self.ended_jobs: set[tuple[str, str]] = set()
        self.checked = 0
        self.moves: list[Callable[[], None]] = [
            *[self.look] * 6,
            *[self.start_container] * 4,
            *[self.succeed] * 3,
            self.fail,
            self.suspend,
            self.resume,
            self.resume,
            self.new_run,
            self.raise_revision,
            self.new_test,
            self.delete_a_job,
            self.expire_finished_jobs,
            self.crash,
            *[self.play.collect] * 2,
        ]

    def look(self) -> None:
        self.play.step(self.random.choice([0, 1, 30]))

    def crash(self) -> None:
        """Killed after the calls, before the status was written."""
        self.play.carry_out(self.play.decide(blind=self.random.random() < 0.5), crash_before_status=True)

    def _any_job(self) -> str | None:
        names = [
            n for n in self.play.unfinished() if "deletionTimestamp" not in self.play.jobs[n]["metadata"]
        ]
        return self.random.choice(names) if names else None

    def start_container(self) -> None:
        if name := self._any_job():
            self.play.run_job(name)

    def succeed(self) -> None:
        if name := self._any_job():
            self.play.end_job(name, "Complete", "", {"exitCode": 0})

    def fail(self) -> None:
        if name := self._any_job():
            self.play.end_job(name, "Failed", "BackoffLimitExceeded", {"exitCode": 1})

    def suspend(self) -> None:
        self.play.edit_train(suspend=True)

    def resume(self) -> None:
        self.play.edit_train(suspend=False)

    def new_run(self) -> None:
        self.runs += 1
        self.play.edit_train(id=f"r{self.runs}", revision=0)

    def raise_revision(self) -> None:
        self.play.edit_train(revision=self.play.project["spec"]["train"].get("revision", 0) + 1)

    def new_test(self) -> None:
        self.runs += 1
        self.play.edit(test={"id": f"t{self.runs}"})

    def delete_a_job(self) -> None:
        if name := self._any_job():
            self.play.jobs[name]["metadata"]["deletionTimestamp"] = "2026-11-25T09:00:00Z"

    def expire_finished_jobs(self) -> None:
        for name in set(self.play.jobs) - set(self.play.unfinished()):
            del self.play.jobs[name]
            self.play.pods.pop(name, None)

    def check(self) -> None:
        play = self.play
        for name in play.created[self.checked :]:
            _, run, stage, _ = name.rsplit("-", 3)
            assert (run, stage) not in self.ended_jobs, f"{name} runs a stage again that had ended"
        self.checked = len(play.created)
        live = [
            (
                play.jobs[name]["metadata"]["labels"][LABEL_RUN],
                play.jobs[name]["metadata"]["labels"][LABEL_STAGE],
            )
            for name in play.unfinished()
        ]
        assert len(live) == len(set(live)), "two live Jobs of one stage"
        OcrProjectStatus.model_validate(play.status)
        assert len(play.status.get("runs", [])) <= 10
        for line in ("train", "test"):
            run = play.status.get(line)
            for stage, status in (run or {}).get("stages", {}).items():
                key = (f"{line}/{run['id']}/{run.get('revision', 0)}", stage)
                before = self.ended.get(key)
                assert before in (None, status["state"]), f"{key} was {before} and is {status['state']}"
                if status["state"] in TERMINAL:
                    self.ended[key] = status["state"]
                    if job := status.get("job"):
                        _, hashed, _, _ = job.rsplit("-", 3)
                        self.ended_jobs.add((hashed, stage))

    def to_the_end(self) -> None:
        """Left alone, with every Job succeeding, it comes to an end."""
        self.resume()
        for _ in range(20):
            self.play.settle()
            self.check()
            names = self.play.unfinished()
            if not names:
                return
            for name in names:
                self.play.end_job(name, "Complete", "", {"exitCode": 0})
        raise AssertionError("never ends")


@pytest.mark.parametrize("seed", range(150))
def test_promises_hold_in_every_history(seed: int) -> None:
    history = History(seed)
    for _ in range(STEPS):
        history.random.choice(history.moves)()
        history.check()
    history.to_the_end()
    play = history.play
    states = {item["type"]: item["status"] for item in play.status["conditions"]}
    spec = OcrProjectSpec.model_validate(play.project["spec"])
    lines = [play.status[track.kind]["stages"] for track in tracks(spec)]
    failed = any(stage["state"] == "Failed" for line in lines for stage in line.values())
    waits_for_a_model = states["Waiting"] == "True"
    assert states["Failed"] == str(failed)
    assert failed or waits_for_a_model or states["Complete"] == "True"
