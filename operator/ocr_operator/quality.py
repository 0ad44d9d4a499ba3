"""Quality gates: whether a run is good enough for its model to become the project's.

Judged from values alone, when the run has ended, and again while it has not passed and the gates change: a
model below a gate can still be let in by lowering it. A run whose model has become the project's stays
passed: there is nothing to go back to. Without a gate nothing is promised, so nothing is claimed either: the
project has no QualityPassed condition.
"""

from dataclasses import dataclass

from ocr_contract.spec import Gates
from ocr_contract.status import Condition, Figures, ModelStatus, TrainerStatus

PASSED, BELOW_GATE, REGRESSION, NOT_MEASURED = "Passed", "BelowGate", "Regression", "NotMeasured"
NOT_JUDGED = "NotJudged"
_ROUNDING = 1e-9
"""0.82 - 0.77 is a little more than 0.05."""
_FIGURES = (
    ("hmean", "hmean", "min_hmean", "gates.minHmean"),
    ("char_precision", "charPrecision", "min_char_precision", "gates.minCharPrecision"),
    ("end_to_end_f1", "endToEndF1", "min_end_to_end", "gates.minEndToEnd"),
)
"""A figure's field and name, its gate's field and name."""


@dataclass(frozen=True)
class Verdict:
    """What is known of a run's quality; `passed` None: it is not judged (yet)."""

    passed: bool | None
    reason: str
    message: str


def reported_figures(reports: TrainerStatus) -> Figures:
    """What the trainer has measured, by one run's reports."""
    return Figures(
        hmean=reports.detection.hmean if reports.detection else None,
        char_precision=reports.recognition.char_precision if reports.recognition else None,
        end_to_end_f1=reports.test.end_to_end_f1 if reports.test else None,
    )


def merged(known: Figures | None, reported: Figures) -> Figures:
    """The reported figures, and those known from before that a later report of another run has displaced."""
    if known is None:
        return reported
    fields = Figures.model_fields
    old = {name: getattr(known, name) for name in fields}
    return Figures(**old | reported.model_dump(exclude_none=True, by_alias=False))


def has_gates(gates: Gates) -> bool:
    """Whether any gate is set."""
    return gates != Gates()


def judge(gates: Gates, figures: Figures, model: ModelStatus | None) -> Verdict:
    """Compare with the gates, and with the present model, where there is one."""
    problems = [
        problem
        for figure, name, gate, gate_name in _FIGURES
        if (problem := _below(getattr(figures, figure), name, getattr(gates, gate), gate_name))
        or (problem := _lower(getattr(figures, figure), figure, name, gates.max_regression, model))
    ]
    if problems:
        reason = min((reason for reason, _ in problems), key=(BELOW_GATE, REGRESSION, NOT_MEASURED).index)
        return Verdict(False, reason, "; ".join(message for _, message in problems))
    measured = [
        f"{name} {getattr(figures, figure):.3g}"
        for figure, name, _, _ in _FIGURES
        if getattr(figures, figure) is not None
    ]
    return Verdict(True, PASSED, f"{', '.join(measured) or 'no figure'}: no gate is missed")


def kept(known: Condition | None) -> Verdict:
    """The verdict on the run whose model is the project's already."""
    if known is not None and known.status == "True":
        return Verdict(True, known.reason, known.message)
    return Verdict(True, PASSED, "the run's model is the project's already")


def _below(figure: float | None, name: str, gate: float | None, gate_name: str) -> tuple[str, str] | None:
    if gate is None:
        return None
    if figure is None:
        return NOT_MEASURED, f"{name} was not measured, and {gate_name} is {gate:g}"
    if figure < gate - _ROUNDING:
        return BELOW_GATE, f"{name} {figure:g} is below {gate_name} {gate:g}"
    return None


def _lower(
    figure: float | None, field: str, name: str, most: float | None, model: ModelStatus | None
) -> tuple[str, str] | None:
    present = getattr(model, field, None)
    if most is None or figure is None or present is None or present - figure <= most + _ROUNDING:
        return None
    assert model is not None, "a figure to compare with is the model's"
    return REGRESSION, (
        f"{name} {figure:g} is lower than {present:g}, that of run {model.train_id!r}, "
        f"by more than gates.maxRegression {most:g}"
    )
