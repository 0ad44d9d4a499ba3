"""The steps of a self-test, each of which returns or says in a sentence what is wrong and what to do."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_api.selftest import dataset
from ocr_api.selftest.client import Client
from ocr_api.selftest.errors import Refused, SelftestError, Unreachable
from ocr_api.selftest.pace import Pace
from ocr_api.selftest.sight import describe, describe_stages, is_answered, read_project
from ocr_contract.project import Project, RunState
from ocr_contract.stages import Stage

RUN = "r1"
REACH_SECONDS = 60.0
"""A facade that was just installed needs to start."""
OPERATOR_SECONDS = 60.0
"""A new operator waits for a Lease that another one held, fifteen seconds at most."""
_LOOK_SECONDS = 1.0
_LOG_LINES = 30
_WEIGHTS = {"detection/best.pth", "recognition/best.pth"}


@dataclass(frozen=True)
class Bench:
    """What all steps work with."""

    client: Client
    project_id: str
    volume: Path | None
    """Where the facade's volume is mounted here; None: nowhere."""
    pace: Pace
    say: Callable[[str], None]

    @property
    def project(self) -> str:
        return f"/api/v1/projects/{self.project_id}"

    @property
    def run(self) -> str:
        return f"{self.project}/runs/{RUN}"

    @property
    def data(self) -> str:
        """The project's folder, relative to the volume's root."""
        return f"train/{self.project_id}"


def project_spec(project_id: str) -> dict[str, Any]:
    """The smallest run that goes through all stages; a first failure is to be seen, not tried again."""
    settings: dict[str, Any] = {"epochs": 1, "evaluateEvery": 1}
    return {
        "projectID": project_id,
        "train": {
            "id": RUN,
            "detection": {"preset": "dbnet_r18_tiny", "batchSize": 2, **settings},
            "recognition": {"preset": "crnn_tiny", "batchSize": 16, **settings},
        },
        "resources": {"gpus": 0, "cpu": "500m", "memory": "1536Mi", "sharedMemory": "64Mi"},
        "limits": {"retries": 0},
    }


def reach(bench: Bench) -> None:
    """Wait until the facade answers, and until it is ready."""
    for path, what in (
        ("/healthz", "look whether its pod runs, and what its log says"),
        (
            "/readyz",
            "it can't read OcrProjects: look what its log says, and whether the resource is installed",
        ),
    ):
        told = ""
        while (problem := _health(bench.client, path)) is not None:
            if problem != told:
                bench.say(f"waiting for the facade: {problem}")
            told = problem
            if bench.pace.elapsed > min(REACH_SECONDS, bench.pace.seconds):
                raise SelftestError(f"the facade is not ready: {problem}; {what}")
            bench.pace.pause(_LOOK_SECONDS)
    bench.say("the facade answers and is ready")


def _health(client: Client, path: str) -> str | None:
    try:
        client.read(path)
    except (Unreachable, Refused) as error:
        return str(error)
    return None


def look_around(bench: Bench) -> None:
    """OcrProjects are served, and the volume is there."""
    try:
        found = bench.client.read("/api/v1/projects?limit=1")
    except Refused as error:
        if error.status == 401:
            what = "give the one of its Secret" if bench.client.has_token else "name its file by --token-file"
            raise SelftestError(f"the facade lets nobody in without its token: {what} ({error})") from None
        raise
    bench.say(f"OcrProjects are served; there are {found.get('total')}")
    if bench.volume is not None and not bench.volume.is_dir():
        raise SelftestError(f"--volume {bench.volume} is no folder: mount the facade's volume there")


def send_images(bench: Bench) -> None:
    """Upload the built-in data set."""
    packed = dataset.pack()
    try:
        bench.client.upload(f"{bench.run}/dataset", packed)
    except Refused as error:
        raise SelftestError(f"the facade can't write the upload to the volume: {error}") from None
    bench.say(f"{len(dataset.IMAGES)} receipts are uploaded, {len(packed) // 1000} kB")


def find_images(bench: Bench) -> None:
    """See them on the volume: it must be the facade's, or they could not be removed."""
    if bench.volume is not None and not (bench.volume / bench.data / RUN / "train.json").is_file():
        raise SelftestError(
            f"{bench.volume} is not the volume that the facade writes to, for the upload is not there: "
            "mount the same claim"
        )


def start(bench: Bench) -> None:
    """Make the project; its run begins."""
    try:
        bench.client.send("POST", "/api/v1/projects", {"spec": project_spec(bench.project_id)})
    except Refused as error:
        raise SelftestError(f"the project was refused; see to what is named here: {error}") from None
    bench.say(f"project {bench.project_id} is made")


def follow(bench: Bench) -> Project:
    """Tell each change until the run has succeeded."""
    begun, told = bench.pace.elapsed, ""
    project: Project | None = None
    while True:
        try:
            project = read_project(bench.client.read(bench.project))
            line = describe(project)
        except (Unreachable, Refused) as error:  # a replica that is replaced; the deadline bounds it
            line = f"the project can't be read at the moment: {error}"
        if line != told:
            bench.say(line)
        told = line
        if project is not None and project.train_state is RunState.SUCCEEDED:
            return project
        if project is not None and project.train_state is RunState.FAILED:
            _tell_log(bench)
            raise SelftestError(f"the run failed: {project.train_message}")
        silent = project is not None and not is_answered(project)
        if silent and bench.pace.elapsed - begun > OPERATOR_SECONDS:
            raise SelftestError(
                f"the operator has not looked at the project within {OPERATOR_SECONDS:.0f} s: "
                "look whether its pod is ready, and what its log says"
            )
        if bench.pace.is_over:
            raise SelftestError(
                f"the run did not end within {bench.pace.seconds:.0f} s; the last that is known: {line}; "
                "remedy that, or give it more time by --timeout"
            )
        bench.pace.pause(_LOOK_SECONDS)


def _tell_log(bench: Bench) -> None:
    """The log's end: the folder is removed, and its log with it."""
    try:
        log = bench.client.download(f"{bench.run}/log?lines={_LOG_LINES}").decode(errors="replace")
    except (Unreachable, Refused):
        return  # there is none, as where no pod ever ran
    for line in log.splitlines():
        bench.say(f"    {line}")


def check_outcome(bench: Bench, project: Project) -> None:
    """The run's figures have come through, and its model is a zip that holds both models."""
    bench.say(f"trained: {describe_stages(project)}")
    reports = project.train_reports
    detection, recognition = reports.detection, reports.recognition
    if not (detection and recognition and detection.epoch and recognition.epoch):
        raise SelftestError(
            "the run succeeded, but its trainer's reports are missing in the project's status: look into the "
            "log of its pods, and whether their service account may patch ocrprojects/status"
        )
    for stage in (Stage.DETECTION, Stage.RECOGNITION):
        _check_curves(bench, stage)
    bench.say(
        f"figures: hmean {detection.hmean}, character precision {recognition.char_precision} "
        "(one epoch on two receipts teaches nothing: what counts is that there are some)"
    )
    _check_model(bench)


def _check_curves(bench: Bench, stage: Stage) -> None:
    found = bench.client.read(f"{bench.run}/curves/{stage}")
    if not any(found.values()):
        raise SelftestError(
            f"the run succeeded, but the facade finds no figures of {stage} on the volume: "
            "look whether facade and trainer mount the same claim"
        )
    if not found.get("validations"):
        raise SelftestError(f"the run succeeded, but {stage} left no figures: look at the volume's room")


def _check_model(bench: Bench) -> None:
    try:
        packed = bench.client.download(f"{bench.run}/files/model/pthModel.zip")
        with zipfile.ZipFile(io.BytesIO(packed)) as bundle:
            broken, missing = bundle.testzip(), _WEIGHTS - set(bundle.namelist())
    except (Refused, zipfile.BadZipFile) as error:
        raise SelftestError(f"model/pthModel.zip can't be had ({error}): look at the volume's room") from None
    if broken or missing:
        what = broken or ", ".join(sorted(missing))
        raise SelftestError(f"model/pthModel.zip is damaged at {what}: look at the volume's room")
    bench.say(f"model/pthModel.zip is served and whole, {len(packed) / 1e6:.1f} MB")
