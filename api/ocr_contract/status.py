"""`OcrProject.status` as lenient types: the images that write it are upgraded at different times.

`trainer` is written by the trainer in the pod, everything else by the operator (see DESIGN.md).
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class StatusModel(BaseModel):
    """Camel case outside; unknown fields are dropped, missing ones are None."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
        serialize_by_alias=True,
    )


class Phase(StrEnum):
    """What a person wants to know first. A display word: no decision is ever taken from it."""

    PENDING = "Pending"
    PREPARING = "Preparing"
    TRAINING = "Training"
    PACKAGING = "Packaging"
    TESTING = "Testing"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class StageState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class StageStatus(StatusModel):
    state: StageState = StageState.PENDING
    job: str | None = None
    attempts: int = 0
    """Jobs created for this stage so far; the next one's number in its name."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    message: str | None = None
    gpu_seconds: float = 0.0
    gpu_counted_until: datetime | None = None
    """Up to when `gpu_seconds` is complete: pods from before that moment may be gone."""
    restarts: int = 0
    """Attempts that ended because they had stalled."""


class RunStatus(StatusModel):
    id: str
    revision: int = 0
    stages: dict[str, StageStatus] = {}
    started_at: datetime | None = None
    finished_at: datetime | None = None


class TestRunStatus(StatusModel):
    __test__ = False

    id: str
    revision: int = 0
    stages: dict[str, StageStatus] = {}
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Figures(StatusModel):
    """What a run reached, by the figures that gates look at."""

    hmean: float | None = None
    char_precision: float | None = None
    end_to_end_f1: float | None = None


class ModelStatus(Figures):
    """The project's model: that of the last run that was packaged and passed the gates."""

    train_id: str
    revision: int = 0
    path: str
    """pthModel.zip relative to the volume's root."""
    overwritten_by: int | None = None
    """The same run's revision whose package has replaced the file without becoming the project's model."""


class RunRecord(Figures):
    """One finished run, kept among the last ten."""

    id: str
    revision: int = 0
    outcome: str
    """Succeeded, Failed, or Stopped: replaced by another run before it ended."""
    stage: str | None = None
    """Where it failed or was stopped."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    gpu_seconds: float = 0.0


class Condition(StatusModel):
    type: str
    status: str
    reason: str
    message: str = ""
    last_transition_time: datetime
    observed_generation: int = 0


class FindingCount(StatusModel):
    """How many findings of a kind there are; the findings themselves lie on the volume."""

    severity: str
    kind: str
    count: int = 0


class DatasetReport(StatusModel):
    """What prepare found; bounded, the findings themselves lie on the volume."""

    run: str | None = None
    train_images: int = 0
    validation_images: int = 0
    test_images: int = 0
    train_words: int = 0
    validation_words: int = 0
    characters: int = 0
    longest_text: int = 0
    errors: int = 0
    repaired: int = 0
    ignored: int = 0
    findings: list[FindingCount] = Field(default=[], max_length=40)
    smallest_text_height: float | None = None
    """Pixels, of training and validation texts: the 1st percentile, the median, the 99th percentile."""
    median_text_height: float | None = None
    largest_text_height: float | None = None
    vertical_share: float | None = None
    """Of the texts, those read downwards."""
    unseen_characters: int | None = None
    """Characters of the validation that training never shows."""
    near_duplicates: int | None = None
    """Validation images that look like a training image."""
    updated_at: datetime | None = None


class TrainingReport(StatusModel):
    """What the trainings of both models tell alike."""

    run: str | None = None
    """run hash of the training that wrote this: a report of another run is nobody's progress."""
    state: str | None = None
    """A member's name of `legacy.Word`, e.g. DETECTOR_TRAINING."""
    epoch: int = 0
    total_epochs: int = 0
    images_seen: int = 0
    total_images: int = 0
    loss: float | None = None
    losses: dict[str, float] = Field(default={}, max_length=16)
    """The loss's parts by the model's own names."""
    learning_rate: float | None = None
    percent: int | None = None
    """Of this training."""
    samples_per_second: float | None = None
    data_wait: float | None = None
    """Share of the time in which the model waits for data, 0 to 1."""
    not_learning: str | None = Field(default=None, max_length=256)
    """Why the training looks pointless, in a sentence; None: it learns."""
    best_epoch: int | None = None
    eta_seconds: int | None = None
    updated_at: datetime | None = None
    """The heartbeat: an old one means a stalled training."""


class DetectionReport(TrainingReport):
    precision: float | None = None
    recall: float | None = None
    hmean: float | None = None


class RecognitionReport(TrainingReport):
    word_acc: float | None = None
    word_acc_ignore_case: float | None = None
    word_acc_ignore_case_symbol: float | None = None
    char_recall: float | None = None
    char_precision: float | None = None


class TestReport(StatusModel):
    __test__ = False

    run: str | None = None
    """run hash, or test hash for a test of its own."""
    images_done: int = 0
    total_images: int = 0
    precision: float | None = None
    recall: float | None = None
    hmean: float | None = None
    end_to_end_precision: float | None = None
    end_to_end_recall: float | None = None
    end_to_end_f1: float | None = None
    word_acc: float | None = None
    word_acc_ignore_case: float | None = None
    word_acc_ignore_case_symbol: float | None = None
    char_recall: float | None = None
    char_precision: float | None = None
    milliseconds_per_image: float | None = None
    eta_seconds: int | None = None
    updated_at: datetime | None = None


class TrainerStatus(StatusModel):
    dataset: DatasetReport | None = None
    detection: DetectionReport | None = None
    recognition: RecognitionReport | None = None
    test: TestReport | None = None

    def of_run(self, run: str) -> "TrainerStatus":
        """What was reported of that very run or test, by its hash: another's report is nobody's progress."""
        reports = {name: getattr(self, name) for name in TrainerStatus.model_fields}
        ours = {name: report for name, report in reports.items() if report is not None and report.run == run}
        return TrainerStatus(**ours)


class OcrProjectStatus(StatusModel):
    phase: Phase | None = None
    stage: str | None = None
    progress: int | None = Field(default=None, ge=0, le=100)
    """Percent of the whole run."""
    eta_seconds: int | None = None
    message: str | None = Field(default=None, max_length=1024)
    """What a person should know now, in one sentence."""
    observed_generation: int | None = None
    conditions: list[Condition] = []
    train: RunStatus | None = None
    test: TestRunStatus | None = None
    model: ModelStatus | None = None
    runs: list[RunRecord] = []
    trainer: TrainerStatus = TrainerStatus()
