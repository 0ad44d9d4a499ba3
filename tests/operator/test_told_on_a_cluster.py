"""What the platform, Prometheus and a reader of logs learn of real runs on a real API server."""

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from facade_process import Cluster, serve
from kubernetes import client
from metrics_page import MetricsPage
from ocr_cluster.control_plane import ControlPlane
from ocr_cluster.ports import PortClaim
from ocr_contract.legacy import Word
from ocr_contract.names import run_hash
from operator_world import Operator, World, eventually
from report_receiver import KEY, SECRET, Receiver

RUN = run_hash("r1", 0)
TRAIN = {"id": "r1", "detection": {"epochs": 2}, "recognition": {"epochs": 1}}


@pytest.fixture
def port() -> Iterator[int]:
    claim = PortClaim(1)
    yield claim.ports[0]
    claim.release()


@pytest.fixture
def telling_operator(
    control_plane: ControlPlane,
    own_world: World,
    platform: Receiver,
    others: Receiver,
    port: int,
    tmp_path: Path,
) -> Iterator[Operator]:
    """An operator that tells two receivers, logs JSON and shows its figures on `port`."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    operator = Operator(
        control_plane.kubeconfig,
        own_world.namespace,
        tmp_path / "operator.log",
        OCR_STATUS_REPORT_URL=f"{platform.url}?token=letmein",
        OCR_STATUS_REPORT_SECRET_FILE=str(secret),
        OCR_CLOUDEVENTS_URL=others.url,
        OCR_LOG_FORMAT="json",
        OCR_HEALTH_PORT=str(port),
    )
    operator.start()
    operator.until_started()
    yield operator
    operator.kill()
    assert "Traceback" not in operator.log, operator.log
    assert all(isinstance(json.loads(line), dict) for line in operator.log.splitlines())
    assert SECRET not in operator.log and "letmein" not in operator.log


@pytest.fixture
def facade(control_plane: ControlPlane, own_world: World, tmp_path: Path) -> Iterator[httpx.Client]:
    """The facade that the platform would ask instead."""
    volume = tmp_path / "volume"
    volume.mkdir()
    cluster = Cluster(control_plane.kubeconfig, client.ApiClient())
    with serve(cluster, own_world.namespace, volume) as http:
        eventually(lambda: http.get("/readyz").status_code == 200, "the facade is ready")
        yield http


class Trainer:
    """What the pod of one model reports."""

    def __init__(self, world: World, name: str, stage: str) -> None:
        self._world, self._name, self._stage = world, name, stage
        self._fields: dict[str, Any] = {"run": RUN, "totalImages": 4}

    def reports(self, **fields: Any) -> None:
        self._fields |= fields
        self._world.report(self._name, self._stage, **self._fields)


def restart(operator: Operator) -> None:
    """By a kill: no time for anything."""
    operator.kill()
    lives = operator.log.count("Started in namespace")
    operator.start()
    eventually(lambda: operator.log.count("Started in namespace") > lives, "the operator starts")


def test_the_platform_hears_each_word_epoch_and_end_across_restarts_as_it_would_hear_by_asking(
    own_world: World, telling_operator: Operator, platform: Receiver, others: Receiver, facade: httpx.Client
) -> None:
    def asked() -> dict[str, Any]:
        answer: dict[str, Any] = facade.get("/status", params={"projectID": "Receipts"}).json()
        return answer

    def until_told(word: Word, **fields: Any) -> None:
        """It is what /status answers, but for the sentence: what a pod waits for is no news."""

        def holds() -> bool:
            newest = platform.accepted[-1].json if platform.accepted else {}
            expected = newest | fields | {"status": word}
            return newest == expected and newest | {"msg": ""} == asked() | {"msg": ""}

        eventually(holds, f"{word.name} is told")

    def train(stage: str, words: tuple[Word, ...], epochs: int) -> None:
        trainer = Trainer(own_world, "receipts", stage)
        pod = own_world.start_pod("receipts", stage)
        own_world.until_stage("receipts", stage, "Running")
        training, trained, validating, validated = words
        for epoch in range(1, epochs + 1):
            state = {"state": training.name, "totalEpochs": epochs, "loss": 1 / epoch}
            trainer.reports(epoch=epoch, imagesSeen=2, **state)
            trainer.reports(epoch=epoch, imagesSeen=4, **state)
            until_told(training, **{f"{stage[:3]}_epoch": epoch})
        for word in (trained, validating):
            trainer.reports(state=word.name)
            until_told(word)
        restart(telling_operator)
        figures = {"hmean": 0.9} if stage == "detection" else {"charPrecision": 0.8}
        trainer.reports(state=validated.name, **figures)
        until_told(validated)
        own_world.end_pod(pod)
        own_world.until_stage("receipts", stage, "Succeeded")

    own_world.create("receipts", projectID="Receipts", train=TRAIN)
    until_told(Word.DETECTOR_TRAINING)
    own_world.run_stage("receipts", "prepare")
    words = list(Word)
    train("detection", tuple(words[0:4]), epochs=2)
    fails_once(platform)
    train("recognition", tuple(words[4:8]), epochs=1)
    own_world.run_stage("receipts", "package")
    own_world.until_condition("receipts", "Complete")
    until_told(Word.SUCCEEDED)
    assert platform.accepted[-1].json == asked()
    end = platform.accepted[-1].id
    restart(telling_operator)
    eventually(lambda: [r.id for r in platform.accepted].count(end) >= 2, "the end is told again")

    heard = platform.once
    assert all(received.is_signed_with(KEY) for received in platform.all)
    assert [word for word, _ in itertools.groupby(r.json["status"] for r in heard)] == words[:9]
    assert [epoch for epoch, _ in itertools.groupby(r.json["det_epoch"] for r in heard)] == [0, 1, 2]
    assert heard[-1].json["hmean"] == 0.9 and heard[-1].json["char_precision"] == 0.8
    eventually(lambda: end in [r.json["id"] for r in others.accepted], "others hear of the end, too")
    assert {r.json["type"].rpartition(".")[2] for r in others.accepted} == {"progressed", "succeeded"}
    refusals = [line for line in lines(telling_operator) if "could not be sent" in line["message"]]
    assert refusals and all(line["run"] == "r1" for line in refusals)


def fails_once(platform: Receiver) -> None:
    answers = iter([500])
    platform.answers = lambda _: next(answers, 204)


def lines(operator: Operator) -> list[dict[str, Any]]:
    return [json.loads(line) for line in operator.log.splitlines()]


def test_figures_and_logs_tell_of_a_run_while_a_receiver_keeps_everybody_else_waiting(
    own_world: World, telling_operator: Operator, platform: Receiver, port: int
) -> None:
    def page() -> MetricsPage:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        return MetricsPage(answer.text)

    release = threading.Event()
    platform.answers = lambda _: (release.wait(60), 204)[1]
    own_world.create("bad", train={"id": "r0"})
    own_world.run_stage("bad", "prepare", exit_code=65)
    own_world.create("p", train=TRAIN)
    for stage in ("prepare", "detection", "recognition", "package"):
        own_world.run_stage("p", stage)
        own_world.until_stage("p", stage, "Succeeded")
    own_world.until_condition("p", "Complete")
    own_world.until_condition("bad", "Failed")
    assert platform.all and not platform.accepted, "the receiver has not answered yet"

    def counted() -> MetricsPage | None:
        shown = page()
        return shown if shown.values("projects", "phase")["Succeeded"] else None

    shown = eventually(counted, "the page knows of the end")
    assert shown.values("projects", "phase")["Failed"] == 1
    assert shown.values("jobs_created_total", "stage") == {
        "prepare": 2,
        "detection": 1,
        "recognition": 1,
        "package": 1,
        "test": 0,
    }
    assert shown.value("runs_total", line="train", outcome="failed") == 1
    assert shown.value("runs_total", line="train", outcome="succeeded") == 1
    assert shown.value("projects_with_condition", condition="Failed") == 1
    assert shown.value("working") == 1
    assert shown.value("gpu_seconds_total", stage="detection") >= 10
    assert shown.value("gpu_seconds_total", stage="prepare") == 0
    ended = {
        (s.labels["stage"], s.labels["outcome"])
        for s in shown.samples
        if "stage_attempts_sum" in s.name and s.value
    }
    assert ended == {
        ("prepare", "failed"),
        *((stage, "succeeded") for stage in ("prepare", "detection", "recognition", "package")),
    }
    assert shown.values("reconciles_total", "result")["done"] >= 10
    assert "defect" not in shown.values("reconciles_total", "result")
    assert {"project", "job", "pod"} <= shown.values("watch_event_age_seconds", "kind").keys()
    assert max(shown.values("watch_event_age_seconds", "kind").values()) < 60
    assert shown.value("queue_depth") == 0 and shown.value("queue_oldest_wait_seconds") == 0
    assert shown.value("reports_queued", receiver="status_report") > 0
    assert shown.value("reports_total", receiver="cloudevents", outcome="sent") >= 4
    release.set()
    eventually(lambda: not page().value("reports_queued", receiver="status_report"), "the reports are sent")
    assert {Word.SUCCEEDED.value, Word.FAILED.value} <= set(platform.words())

    (created,) = [line for line in lines(telling_operator) if f"-{RUN}-detection-0" in line["message"]]
    assert (created["project"], created["run"], created["stage"]) == (
        f"{own_world.namespace}/p",
        "r1",
        "detection",
    )
