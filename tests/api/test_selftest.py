"""`ocr-api selftest` as an administrator reads it: what it says, how it ends, and that it leaves nothing.

A real facade, API server and volume; operator and trainer are played, for here is no node.
"""

import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facade_process import Cluster, Facade, eventually, serve
from ocr_api.selftest.dataset import ANNOTATIONS, IMAGES
from ocr_cluster.ports import PortClaim
from ocr_contract.names import run_hash

TOKEN = "t" * 16
EARLY, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:07Z"
SETTLED = {"observedGeneration": 1, "progress": 0}
STAGES = ("prepare", "detection", "recognition", "package")


class Selftest:
    """A running self-test."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self._log = process, log

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def project_id(self) -> str:
        eventually(lambda: "tries the facade" in self.said, "it does not begin")
        return next(word for word in self.said.split() if word.startswith("selftest-"))

    def until(self, text: str) -> None:
        eventually(lambda: text in self.said, f"{text!r} is not said")

    def end(self) -> int:
        return self.process.wait(timeout=60)

    def failure(self) -> str:
        """The only sentence that says what failed."""
        assert self.end() == 1, self.said
        (line,) = [line for line in self.said.splitlines() if "FAILED:" in line]
        assert "PASSED" not in self.said and "Traceback" not in self.said
        return line.partition("FAILED: ")[2]


@pytest.fixture
def begin(facade: Facade, tmp_path: Path) -> Iterator[Callable[..., Selftest]]:
    """Starts `ocr-api selftest` with these arguments, on the facade's volume unless told otherwise."""
    started: list[Selftest] = []

    def start(*arguments: str, url: str = "", volume: Path | None = facade.volume) -> Selftest:
        command = ["--url", url or str(facade.http.base_url), *arguments]
        command += [] if volume is None else ["--volume", str(volume)]
        log = tmp_path / f"selftest-{len(started)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ocr_api", "selftest", *command],
                stdout=output, stderr=output, text=True,
                env=os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""},
            )  # fmt: skip
        started.append(Selftest(process, log))
        return started[-1]

    yield start
    for selftest in started:
        selftest.process.kill()
        selftest.process.wait()


def nothing_is_left(facade: Facade, project_id: str) -> bool:
    """No file as soon as the self-test has ended, and no project once the facade's watch says so."""
    uploads = facade.volume / "uploads"
    files = (facade.volume / "train" / project_id).exists() or any(uploads.glob("*"))
    the_project_goes(facade, project_id)
    return not files


def the_project_goes(facade: Facade, project_id: str) -> None:
    """The facade learns from its watch that a deleted project is gone."""
    eventually(lambda: facade.get(f"/api/v1/projects/{project_id}").status_code == 404, "it is not deleted")


def condition(kind: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": EARLY, "observedGeneration": 1}  # fmt: skip


def play_training(facade: Facade, project_id: str, left_out: str = "") -> None:
    """What trainer and operator leave of a run that has succeeded."""
    folder = f"train/{project_id}/r1"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        for name in ("detection/best.pth", "recognition/best.pth"):
            if name != left_out:
                bundle.writestr(name, b"weights")
    if left_out != "model":
        facade.put(f"{folder}/model/pthModel.zip", packed.getvalue())
    for stage in ("detection", "recognition"):
        if left_out != stage:
            facade.put(f"{folder}/work/{stage}/metrics.jsonl", b'{"epoch": 1, "hmean": 0.25}\n')
    report = {"run": run_hash("r1", 0), "epoch": 1}
    trainer = {"detection": report | {"hmean": 0.25}, "recognition": report | {"charPrecision": 0.125}}
    stages = {
        stage: {"state": "Succeeded", "startedAt": EARLY, "finishedAt": LATER, "attempts": 1}
        for stage in STAGES
    }
    facade.report(
        project_id,
        **SETTLED | {"phase": "Succeeded", "progress": 100},
        train={"id": "r1", "revision": 0, "startedAt": EARLY, "finishedAt": LATER, "stages": stages},
        trainer={} if left_out == "reports" else trainer,
    )


def test_a_release_that_works_passes_and_nothing_is_left(facade: Facade, begin: Any) -> None:
    selftest = begin()
    project_id = selftest.project_id
    selftest.until("the operator has not looked at the project yet")
    sent = facade.volume / "train" / project_id / "r1"
    assert {str(p.relative_to(sent)) for p in sent.rglob("*") if p.is_file()} == {*IMAGES, *ANNOTATIONS}
    spec = facade.live(project_id)["spec"]
    assert spec["resources"]["gpus"] == 0 and spec["train"]["detection"]["preset"] == "dbnet_r18_tiny"
    facade.report(project_id, **SETTLED, phase="Training", stage="detection", message="detection runs")
    selftest.until("Training detection 0 %: detection runs")
    play_training(facade, project_id)
    assert selftest.end() == 0, selftest.said
    said = selftest.said
    assert "trained: prepare 7 s, detection 7 s, recognition 7 s, package 7 s" in said
    assert "hmean 0.25, character precision 0.125" in said and "pthModel.zip is served and whole" in said
    assert said.splitlines()[-1].endswith("PASSED")
    assert nothing_is_left(facade, project_id)


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        ("reports", "may patch ocrprojects/status"),
        ("detection", "the facade finds no figures of detection"),
        ("model", "pthModel.zip can't be had (404"),
        ("recognition/best.pth", "pthModel.zip is damaged at recognition/best.pth"),
    ],
)
def test_a_run_that_succeeds_and_lacks_something_does_not_pass(
    facade: Facade, begin: Any, left_out: str, sentence: str
) -> None:
    selftest = begin()
    selftest.until("is made")
    play_training(facade, selftest.project_id, left_out)
    assert sentence in selftest.failure()
    assert nothing_is_left(facade, selftest.project_id)


def test_a_run_that_fails_is_told_with_its_reason_and_its_logs_end(facade: Facade, begin: Any) -> None:
    selftest = begin()
    selftest.until("is made")
    project_id = selftest.project_id
    facade.put(f"train/{project_id}/r1/log/record.log", b"all was well\nno space left\n")
    why = "detection: OutOfMemory: the container needed more than 1536Mi"
    failed = {"state": "Failed", "reason": "OutOfMemory", "message": why}
    facade.report(
        project_id, **SETTLED, phase="Failed", stage="detection", message=why,
        conditions=[condition("Failed", "OutOfMemory", why)],
        train={"id": "r1", "revision": 0, "startedAt": EARLY, "stages": {"detection": failed}},
    )  # fmt: skip
    assert selftest.failure() == f"the run failed: {why}"
    assert "    no space left" in selftest.said and "(Failed: OutOfMemory)" in selftest.said
    assert nothing_is_left(facade, project_id)


def test_what_a_run_waits_for_is_told_at_once_and_at_the_end_of_the_time(facade: Facade, begin: Any) -> None:
    selftest = begin("--timeout", "6")
    selftest.until("is made")
    project_id, why = selftest.project_id, "waits for a place in queue 'team-a'"
    facade.report(
        project_id, **SETTLED, phase="Pending", stage="prepare", message=why,
        conditions=[condition("Waiting", "Quota", why)],
    )  # fmt: skip
    selftest.until(f"Pending prepare 0 %: {why} (Waiting: Quota)")
    sentence = selftest.failure()
    assert "did not end within 6 s" in sentence and why in sentence and "Quota" in sentence
    assert nothing_is_left(facade, project_id)


def test_an_operator_that_is_not_there_is_named(facade: Facade, begin: Any) -> None:
    selftest = begin("--timeout", "2")
    assert "the operator has not looked at the project yet" in selftest.failure()
    assert nothing_is_left(facade, selftest.project_id)


def test_asked_to_end_it_clears_away_what_it_made(facade: Facade, begin: Any) -> None:
    selftest = begin()
    selftest.until("has not looked at the project yet")
    assert (facade.volume / "train" / selftest.project_id).is_dir()
    selftest.process.send_signal(signal.SIGTERM)
    assert "asked to stop" in selftest.failure()
    assert nothing_is_left(facade, selftest.project_id)


def test_a_token_is_needed_where_the_facade_has_one(
    cluster: Cluster, facade: Facade, begin: Any, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{TOKEN}\n{'n' * 20}\n")
    wrong.write_text("w" * 16)
    with serve(cluster, facade.namespace, facade.volume, OCR_TOKEN_FILE=str(right)) as http:
        url = str(http.base_url)
        for arguments, what in (
            ((), "name its file by --token-file"),
            (("--token-file", str(wrong)), "give the one of its Secret"),
        ):
            selftest = begin(*arguments, url=url)
            assert "without its token" in (sentence := selftest.failure()) and what in sentence
            assert nothing_is_left(facade, selftest.project_id)
        assert "nowhere" in begin("--token-file", str(tmp_path / "nowhere"), url=url).failure()
        selftest = begin("--token-file", str(right), url=url)
        selftest.until("is made")
        play_training(facade, selftest.project_id)
        assert selftest.end() == 0, selftest.said


def test_a_facade_that_does_not_answer_is_waited_for_then_told(begin: Any) -> None:
    with closed_port() as url:
        selftest = begin("--timeout", "2", url=url)
        selftest.until("waiting for the facade")
        assert "the facade is not ready" in (sentence := selftest.failure())
        assert "Connection refused" in sentence and "look whether its pod runs" in sentence


def test_an_address_that_kubernetes_did_not_fill_in_is_told(begin: Any) -> None:
    selftest = begin(url="$(OCR_API_PORT)")
    assert "the facade's Service is missing" in selftest.failure()


def test_an_address_is_taken_as_kubernetes_writes_it(facade: Facade, begin: Any) -> None:
    selftest = begin("--keep", url=str(facade.http.base_url).replace("http://", "tcp://"))
    selftest.until("is made")
    play_training(facade, selftest.project_id)
    assert selftest.end() == 0, selftest.said
    assert f"kept: project {selftest.project_id}" in selftest.said
    assert facade.live(selftest.project_id) and (facade.volume / "train" / selftest.project_id).is_dir()
    facade.delete(selftest.project_id)


def test_without_the_volume_it_says_what_stays_there(facade: Facade, begin: Any) -> None:
    selftest = begin(volume=None)
    selftest.until("is made")
    play_training(facade, selftest.project_id)
    assert selftest.end() == 0, selftest.said
    assert f"train/{selftest.project_id} stays on the volume" in selftest.said
    the_project_goes(facade, selftest.project_id)


def test_another_volume_than_the_facades_is_noticed(facade: Facade, begin: Any, tmp_path: Path) -> None:
    selftest = begin(volume=tmp_path)
    assert selftest.end() == 1
    assert f"{tmp_path} is not the volume that the facade writes to" in selftest.said
    assert f"train/{selftest.project_id} stays on the facade's volume" in selftest.said
    assert "is made" not in selftest.said
    assert "is no folder" in begin(volume=tmp_path / "nowhere").failure()


@contextmanager
def closed_port() -> Iterator[str]:
    """An address at which nobody listens."""
    claim = PortClaim(1)
    try:
        yield f"http://127.0.0.1:{claim.ports[0]}"
    finally:
        claim.release()
