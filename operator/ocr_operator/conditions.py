"""Conditions as `kubectl wait` and `kubectl describe` want them: stable times, plain sentences."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ocr_contract.status import Condition

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
WAITING, DATASET_VALID = "Waiting", "DatasetValid"
PROGRESS_STALLED, NOT_LEARNING, QUALITY_PASSED = "ProgressStalled", "NotLearning", "QualityPassed"
ALL = (
    *(COMPLETE, FAILED, SUSPENDED, WAITING),
    *(DATASET_VALID, PROGRESS_STALLED, NOT_LEARNING, QUALITY_PASSED),
)


@dataclass(frozen=True)
class Finding:
    """What is true now; `value` None: it is not known yet."""

    type: str
    value: bool | None
    reason: str
    message: str = ""

    @property
    def status(self) -> str:
        return "Unknown" if self.value is None else str(self.value)


def merge(
    before: Iterable[Condition], findings: Iterable[Finding], generation: int, now: datetime
) -> list[Condition]:
    """The new conditions; lastTransitionTime moves only with the status."""
    known = {condition.type: condition for condition in before}

    def since(finding: Finding) -> datetime:
        old = known.get(finding.type)
        return old.last_transition_time if old and old.status == finding.status else now

    return [
        Condition(
            type=finding.type,
            status=finding.status,
            reason=finding.reason[:64] or "Unknown",
            message=finding.message[:2048],
            last_transition_time=since(finding),
            observed_generation=generation,
        )
        for finding in findings
    ]
