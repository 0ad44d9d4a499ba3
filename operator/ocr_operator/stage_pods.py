"""What a release gives every stage's pod beside what its project asks for: one document of the chart.

A project's own word stands before the release's, field by field. What the nodes with GPUs are like is the
administrator's to know, so `gpu` is added whatever a project says, to the pods that ask for one.
"""

from typing import Any, Self

from pydantic import Field, ValidationError

from ocr_contract.spec import Resources, Scheduling, SpecModel
from ocr_operator.errors import BadSettings


class StageResources(SpecModel):
    """What a stage's pod asks for. The defaults are the chart's, for an operator that runs without it."""

    gpus: int = Field(default=1, ge=0, le=64)
    cpu: str = "4"
    memory: str = "16Gi"
    shared_memory: str = "2Gi"

    def under(self, asked: Resources) -> Self:
        """These, where a project asks for nothing else."""
        return self.model_copy(update=asked.model_dump(exclude={"nodes"}, exclude_none=True, by_alias=False))


class StageScheduling(SpecModel):
    """Where a stage's pod may run, and when."""

    queue_name: str = ""
    priority_class_name: str = ""
    node_selector: dict[str, str] = Field(default={})
    tolerations: list[dict[str, Any]] = Field(default=[])

    def under(self, asked: Scheduling) -> Self:
        """These, where a project says nothing else."""
        return self.model_copy(update=asked.model_dump(exclude_none=True, by_alias=False))


class GpuNodes(SpecModel):
    """What the nodes with GPUs are like."""

    node_selector: dict[str, str] = Field(default={})
    tolerations: list[dict[str, Any]] = Field(default=[])
    runtime_class_name: str = ""


class StagePods(SpecModel):
    """The whole document."""

    resources: StageResources = StageResources()
    limit_cpu: bool = Field(default=False, alias="limitCPU")
    """Limit the CPU to what is requested, for quotas that count limits."""
    run_as_user: int | None = Field(default=1000, ge=1)
    """User and group of the pods, and of what they write; None: whom the cluster chooses."""
    scheduling: StageScheduling = StageScheduling()
    gpu: GpuNodes = GpuNodes()
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    affinity: dict[str, Any] = Field(default={})
    env: list[dict[str, Any]] = Field(default=[])

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """The document of the environment variable of that name, or BadSettings that names its field."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadSettings(f"{name}{f': {where}' if where else ''}: {first['msg']}") from None
