"""Killed at random moments the operator loses nothing and does nothing twice.

make test-kills         a hundred kills during twenty projects
OCR_TEST_KILLS=50       as many kills as one likes; a project for each five of them
OCR_TEST_SEED=...       the moments of a run that failed, which prints it
"""

import os
import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from job_watch import JobWatch
from ocr_cluster.control_plane import ControlPlane
from ocr_contract.names import job_name, run_hash
from ocr_contract.resource import LABEL_PROJECT, LABEL_STAGE
from ocr_contract.stages import Stage
from operator_forks import ShortLives
from operator_world import Operator, World

KILLS = int(os.environ.get("OCR_TEST_KILLS", "25"))
PROJECTS = max(1, KILLS // 5)
SOON = 0.05
"""Seconds within which a status follows its Job."""
STAGES = (Stage.PREPARE, Stage.DETECTION, Stage.RECOGNITION, Stage.PACKAGE, Stage.TEST)


class Kubelet:
    """Starts and ends pods, a few for each life of the operator, so that the last life still has work."""

    def __init__(self, world: World, names: list[str], seed: int) -> None:
        self._world = world
        self._left = list(names)
        self._random = random.Random(seed)
        self._running: list[str] = []
        self.allowed = 0.0
        """How many projects may be made and pods be ended by now."""
        self.done = 0
        self.over = threading.Event()

    def play(self) -> None:
        """Until it is over."""
        while not self.over.is_set():
            if self.done < self.allowed and self._move():
                self.done += 1
            else:
                time.sleep(0.02)

    def _move(self) -> bool:
        if self._left:
            self._world.create(self._left.pop(), train={"id": "r1", "runTest": True}).raise_for_status()
            return True
        pods = self._pending()
        if pods and (not self._running or self._random.random() < 0.5):
            labels = self._random.choice(pods)["metadata"]["labels"]
            self._running.append(self._world.start_pod(labels[LABEL_PROJECT], labels[LABEL_STAGE]))
            return False
        if not self._running:
            return False
        self._world.end_pod(self._running.pop(self._random.randrange(len(self._running))))
        return True

    def _pending(self) -> list[dict[str, Any]]:
        answer = self._world.http.get(self._world.pods_path, params={"labelSelector": LABEL_PROJECT})
        return [pod for pod in answer.json()["items"] if pod["status"].get("phase") == "Pending"]


def die(lives: ShortLives, watch: JobWatch, moments: random.Random, longest: float) -> None:
    """Live and be killed: at any moment, or right after a Job was made, when no status tells of it yet."""
    watch.news.clear()
    lives.start()
    seconds = moments.uniform(0.0, longest)
    if moments.random() < 0.5:
        time.sleep(seconds)
    elif watch.news.wait(longest):
        time.sleep(seconds / longest * SOON)
    lives.kill()


def seconds_to_work(watch: JobWatch, lives: ShortLives) -> float:
    """How long an operator must live on this machine to do something."""
    seconds = 0.25
    while not watch.news.is_set():
        lives.start()
        time.sleep(seconds)
        lives.kill()
        seconds *= 2
        assert seconds < 60, "it never works"
    return seconds


def untold(world: World) -> set[str]:
    """Jobs of which no status tells: what a kill between the two has left."""
    projects = world.http.get(world.projects).json()["items"]
    told = {
        stage.get("job")
        for project in projects
        for stage in project.get("status", {}).get("train", {}).get("stages", {}).values()
    }
    jobs = world.http.get(world.jobs_path, params={"labelSelector": LABEL_PROJECT}).json()["items"]
    return {job["metadata"]["name"] for job in jobs} - told


def test_killed_at_random_moments_it_loses_no_project_and_makes_no_job_twice(
    own_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    seed = int(os.environ.get("OCR_TEST_SEED") or secrets.randbelow(1_000_000))
    moments = random.Random(seed)
    print(f"OCR_TEST_SEED={seed} OCR_TEST_KILLS={KILLS}")
    names = [f"p{number}" for number in range(PROJECTS)]
    kubelet = Kubelet(own_world, names, seed)
    operator = Operator(control_plane.kubeconfig, own_world.namespace, tmp_path / "operator.log")
    work = PROJECTS * (1 + len(STAGES))
    left: set[str] = set()
    with JobWatch(own_world) as watch, ThreadPoolExecutor(1) as pool:
        playing = pool.submit(kubelet.play)
        try:
            kubelet.allowed = 1
            with ShortLives(operator) as lives:
                longest = seconds_to_work(watch, lives)
                for life in range(KILLS):
                    kubelet.allowed = work * (life + 1) / KILLS
                    die(lives, watch, moments, longest)
                    left |= untold(own_world)
                    made = len(watch.seen_so_far())
                    if made < life / 2:  # the machine has become busier
                        longest *= 1.1
            operator.start()
            operator.until_started()
            for name in names:
                own_world.until_condition(name, "Complete")
            assert operator.stop() < 10
        finally:
            kubelet.over.set()
            playing.result()
        seen = watch.seen()
    print(f"lives of up to {longest:.1f} s; {made} of {len(seen)} Jobs were made by those that were killed,")
    print(f"of {len(left)} no status told yet when they were")
    assert made >= PROJECTS, "they lived long enough to work"
    expected = {job_name(name, run_hash("r1", 0), stage, 0) for name in names for stage in STAGES}
    assert set(seen) == expected and all(len(uids) == 1 for uids in seen.values())
    for name in names:
        stages = own_world.status(name)["train"]["stages"]
        assert [stages[stage]["attempts"] for stage in STAGES] == [1] * len(STAGES)
    assert "Traceback" not in operator.log, operator.log
