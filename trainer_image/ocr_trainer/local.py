"""`ocr-trainer run project.yaml`: all stages of a run one after another, on this machine, no Kubernetes.

The volume has the same layout as in a cluster, so a run begun here can be tested or continued there.
"""

import logging
import signal
import threading
import uuid
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ocr_contract.atomic import read_object
from ocr_contract.exit_codes import ExitCode
from ocr_contract.resource import API_VERSION, KIND
from ocr_contract.spec import OcrProjectSpec
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import TRAIN_STAGES, Stage
from ocr_contract.volume import RunFolder, TestFolder, check_id, init_subpath, test_subpath, train_subpath
from ocr_trainer.errors import BadConfiguration, BadData, WrongCall
from ocr_trainer.execution import execute
from ocr_trainer.pod import keep_log
from ocr_trainer.progress import BarProgress
from ocr_trainer.settings_errors import in_words

_TITLES = {
    Stage.PREPARE: "Preparing the data set",
    Stage.DETECTION: "Training the detector",
    Stage.RECOGNITION: "Training the recogniser",
    Stage.PACKAGE: "Packaging the model",
    Stage.TEST: "Testing",
}


def run_project(manifest: Path, root: Path) -> int:
    """Run everything that the manifest asks for below the volume's root; raises TrainerError."""
    from rich.console import Console

    console = Console(stderr=True)
    given = read_manifest(manifest)
    run = RunFolder(root / train_subpath(given.project_id, given.train.id))
    if not run.path.is_dir():
        raise BadData(f"there is no folder {run.path}: the images and their annotations belong there")
    _log_to(run.record_log)
    stop = _stop_on_signals(console)
    uid = f"local-{uuid.uuid4()}"
    stages: list[tuple[Stage, StageInput, TestFolder | None]] = [
        (stage, given.model_copy(update={"test": None}), None) for stage in TRAIN_STAGES
    ]
    if given.train.run_test:
        stages.append((Stage.TEST, given.model_copy(update={"test": None}), None))
    if given.test:
        folder = TestFolder(root / test_subpath(given.project_id, given.test.id))
        stages.append((Stage.TEST, given, folder))
    for number, (stage, stage_input, own_test) in enumerate(stages, start=1):
        console.print(f"[bold]{number}/{len(stages)} {_TITLES[stage]}[/bold]")
        execute(
            stage, stage_input, run, own_test, pod_uid=uid, stop=stop, progress=BarProgress(), apply=None,
            init=init_folder(root, stage_input, stage),
        )  # fmt: skip
    print_summary(run, [folder for _, _, folder in stages if folder])
    return ExitCode.DONE


def init_folder(root: Path, given: StageInput, stage: Stage) -> Path | None:
    """What the stage's `initFrom` names; the data must fit the recogniser's, so prepare is shown that one."""
    trainings = {
        Stage.PREPARE: given.train.recognition,
        Stage.DETECTION: given.train.detection,
        Stage.RECOGNITION: given.train.recognition,
    }
    init_from = trainings[stage].init_from if stage in trainings else None
    return root / init_subpath(given.project_id, init_from) if init_from else None


def read_manifest(path: Path) -> StageInput:
    """The manifest's run as a stage's input; BadConfiguration names the line or the field that is wrong."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WrongCall(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WrongCall(f"{path} can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise BadConfiguration(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise BadConfiguration(f"{path}: kind must be {KIND}")
    if document.get("apiVersion") != API_VERSION:
        raise BadConfiguration(f"{path}: apiVersion must be {API_VERSION}")
    try:
        spec = OcrProjectSpec.model_validate(document.get("spec", {}))
    except ValidationError as error:
        raise BadConfiguration(f"{path}: {in_words(error, 'spec')}") from error
    if spec.train is None:
        raise BadConfiguration(f"{path}: spec.train is missing, so there is nothing to run")
    metadata = document.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    try:
        project_id = spec.project_id or check_id(str(name), "metadata.name")
    except ValueError as error:
        raise BadConfiguration(f"{path}: {error}") from error
    gpus = 1 if spec.resources.gpus is None else spec.resources.gpus
    return StageInput(project_id=project_id, train=spec.train, test=spec.test, gpus=gpus)


def print_summary(run: RunFolder, tests: list[TestFolder]) -> None:
    """The run's figures as a table, and where its model lies; on standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Figures", show_header=False)
    dataset = read_object(run.dataset / "dataset.json")
    for key in ("trainImages", "validationImages", "trainWords", "validationWords", "characters"):
        table.add_row("data set", key, str(dataset.get(key, "")))
    for stage in (Stage.DETECTION, Stage.RECOGNITION):
        for key, value in read_object(run.stage(stage) / "metrics.json").items():
            table.add_row(stage, key, _figure(value))
    for test in (run.test, *tests):
        for part, figures in read_object(test.test_metrics).items():
            for key, value in figures.items() if isinstance(figures, dict) else ((part, figures),):
                if isinstance(value, int | float):  # what went wrong in detail is for the file's readers
                    table.add_row("test", f"{part} {key}" if key != part else part, _figure(value))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"model: {run.model_zip}", highlight=False, markup=False)


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _log_to(path: Path) -> None:
    """Everything into the run's log; on the terminal, where the bars are, warnings only."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger().handlers[0].setLevel(logging.WARNING)
    keep_log(path)


def _stop_on_signals(console: Any) -> threading.Event:
    """Ctrl-C as SIGTERM in a pod: stop after a checkpoint. A second one is meant seriously."""
    stop = threading.Event()

    def ask(number: int, _frame: Any) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        console.print("Stopping after a checkpoint; the same command goes on from there", highlight=False)

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return stop
