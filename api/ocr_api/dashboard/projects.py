"""What the list of projects shows of each: plain values, made of what the cache holds."""

from dataclasses import dataclass
from datetime import datetime

from ocr_contract.project import Project


@dataclass(frozen=True)
class Row:
    name: str
    project_id: str
    phase: str
    """A Phase, or `none` where nothing was ever started."""
    stage: str | None
    percent: int | None
    eta_seconds: float | None
    hmean: float | None
    char_precision: float | None
    end_to_end_f1: float | None
    created: datetime
    run_id: str | None
    test_id: str | None
    message: str


def row_of(project: Project) -> Row:
    """The project as a row of the list."""
    status = project.status
    started = project.train_id is not None or project.test_id is not None
    trained = project.train_reports
    tested = (project.test_reports if project.test_is_last else trained).test
    detection, recognition = trained.detection, trained.recognition
    return Row(
        name=project.name,
        project_id=project.project_id,
        phase=(status.phase.value if status.phase else "Pending") if started else "none",
        stage=status.stage or None,
        percent=status.progress if started else None,
        eta_seconds=status.eta_seconds,
        hmean=detection.hmean if detection else None,
        char_precision=recognition.char_precision if recognition else None,
        end_to_end_f1=tested.end_to_end_f1 if tested else None,
        created=project.created,
        run_id=project.train_id,
        test_id=project.test_id,
        message=project.test_message if project.test_is_last else project.train_message,
    )
