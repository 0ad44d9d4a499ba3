"""`OcrProject.spec` as strict types: unknown fields are refused. Defaults equal the CRD's."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ocr_contract.volume import check_id, check_init_from


class SpecModel(BaseModel):
    """Camel case outside, snake case inside; unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        serialize_by_alias=True,
    )


Identifier = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(lambda v: check_id(v, "id"))]


class Order(StrEnum):
    SEQUENTIAL = "Sequential"
    PARALLEL = "Parallel"


class Validation(SpecModel):
    file: str = Field(default="", max_length=255)
    """An annotation file for validation; empty: a file named val*, else a stable share of the images."""


class Dataset(SpecModel):
    path: str = Field(default="", max_length=255)
    """Folder of the images, relative to the run's folder; empty: the run's folder."""
    annotations: str = Field(default="", max_length=255)
    """The annotation file, relative to the run's folder; empty: found by itself."""
    validation: Validation = Validation()
    text_key: str = Field(default="", max_length=63)
    """The annotations' key that holds the text; empty: found by itself."""
    categories: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default=[], max_length=64)
    """Names of the annotation categories to use; empty: all that carry text."""
    characters: str = Field(default="", max_length=20_000)
    """Characters that the recogniser shall know beside those of the training texts."""


class Training(SpecModel):
    """What both models' trainings have in common."""

    preset: str = Field(max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=0, le=8192)
    """0: the largest that fits the GPU's memory."""
    evaluate_every: int = Field(default=5, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    """None: the preset's own, scaled to the batch size."""
    init_from: Annotated[str, AfterValidator(check_init_from)] | None = Field(default=None, max_length=255)
    """Weights to start from: the trainID of another run of this project, or a .pth file on the volume, by its
    path from the volume's root (`models/receipts.pth`). None: random weights."""
    overrides: dict[str, Any] = {}
    """Dotted mmengine configuration keys and their values, applied last."""


class Detection(Training):
    preset: str = Field(default="dbnet_r50", max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    epochs: int = Field(default=50, ge=1, le=100_000)
    batch_size: int = Field(default=4, ge=0, le=8192)


class Recognition(Training):
    preset: str = Field(default="satrn_small", max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    epochs: int = Field(default=20, ge=1, le=100_000)
    batch_size: int = Field(default=128, ge=0, le=8192)


class Train(SpecModel):
    id: Identifier
    revision: int = Field(default=0, ge=0)
    suspend: bool = False
    dataset: Dataset = Dataset()
    detection: Detection = Detection()
    recognition: Recognition = Recognition()
    run_test: bool = False
    order: Order = Order.SEQUENTIAL


class Test(SpecModel):
    __test__ = False

    id: Identifier
    revision: int = Field(default=0, ge=0)
    suspend: bool = False
    path: str = Field(default="", max_length=255)
    """Folder of the images, relative to the test's folder; empty: the test's folder."""
    checkpoint: Literal["Best", "Last"] = "Best"


class Resources(SpecModel):
    """None: what the release gives."""

    gpus: int | None = Field(default=None, ge=0, le=64)
    nodes: int = Field(default=1, ge=1, le=64)
    cpu: str | None = None
    memory: str | None = None
    shared_memory: str | None = None


class Scheduling(SpecModel):
    """None: what the release says. Empty: nothing, even so."""

    queue_name: str | None = None
    priority_class_name: str | None = None
    node_selector: dict[str, str] | None = None
    tolerations: list[dict[str, Any]] | None = None


class OnStall(StrEnum):
    REPORT = "Report"
    RESTART = "Restart"


YEAR = 365 * 24 * 3600
"""The longest limit: Kubernetes counts an activeDeadlineSeconds above 292 years as one that is over."""


class Limits(SpecModel):
    retries: int = Field(default=3, ge=0, le=100)
    startup_deadline_seconds: int = Field(default=1800, ge=1, le=YEAR)
    active_deadline_seconds: int | None = Field(default=None, ge=1, le=YEAR)
    stall_seconds: int = Field(default=900, ge=1, le=YEAR)
    on_stall: OnStall = OnStall.REPORT
    """What a stall leads to beside the condition: Restart makes another attempt, up to `retries` times."""
    node_lost_seconds: int = Field(default=600, ge=30, le=YEAR)
    """So long after its grace period a pod on a silent node is deleted by force."""


Share = Annotated[float, Field(ge=0, le=1)]


class Gates(SpecModel):
    """What a run must reach for its model to become the project's; an absent gate is open."""

    min_hmean: Share | None = None
    min_char_precision: Share | None = None
    min_end_to_end: Share | None = None
    """Of the end-to-end F1 on the run's test images: needs runTest."""
    max_regression: Share | None = None
    """How much lower than the present model's any of the three may be."""


class OcrProjectSpec(SpecModel):
    project_id: Identifier | None = Field(default=None, alias="projectID")
    """None: metadata.name."""
    train: Train | None = None
    test: Test | None = None
    resources: Resources = Resources()
    scheduling: Scheduling = Scheduling()
    limits: Limits = Limits()
    gates: Gates = Gates()
