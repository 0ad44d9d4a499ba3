"""The operator's /metrics as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class MetricsPage:
    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    @property
    def samples(self) -> list[Sample]:
        return [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The one sample with exactly these labels; `name` without the operator's prefix."""
        (value,) = [s.value for s in self.samples if s.name == f"ocr_operator_{name}" and s.labels == labels]
        return value

    def values(self, name: str, label: str) -> dict[str, float]:
        """The samples by that label's value."""
        return {s.labels[label]: s.value for s in self.samples if s.name == f"ocr_operator_{name}"}
