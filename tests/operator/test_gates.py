"""Which run's model is the project's: gates, and what becomes of a model whose file is overwritten."""

import json
from typing import Any

import pytest

from ocr_contract import names
from ocr_contract.names import run_hash
from ocr_contract.spec import Gates
from ocr_contract.status import Figures, ModelStatus
from ocr_operator.quality import judge
from operator_play import Play, timestamp

TRAIN = ("prepare", "detection", "recognition", "package")
MODEL = ModelStatus(train_id="old", path="p", hmean=0.82, char_precision=0.9)


@pytest.mark.parametrize(
    ("gates", "figures", "model", "reason", "message"),
    [
        ({"minHmean": 0.8}, {"hmean": 0.8}, None, "Passed", "hmean 0.8: no gate is missed"),
        ({"minHmean": 0.8}, {"hmean": 0.71}, None, "BelowGate", "hmean 0.71 is below gates.minHmean 0.8"),
        (
            {"minCharPrecision": 0.9},
            {"charPrecision": 0.5},
            None,
            "BelowGate",
            "charPrecision 0.5 is below gates.minCharPrecision 0.9",
        ),
        (
            {"minEndToEnd": 0.5},
            {"hmean": 0.9},
            None,
            "NotMeasured",
            "endToEndF1 was not measured, and gates.minEndToEnd is 0.5",
        ),
        ({"maxRegression": 0.05}, {"hmean": 0.77}, MODEL, "Passed", "hmean 0.77: no gate is missed"),
        (
            {"maxRegression": 0.05},
            {"hmean": 0.7},
            MODEL,
            "Regression",
            "hmean 0.7 is lower than 0.82, that of run 'old', by more than gates.maxRegression 0.05",
        ),
        ({"maxRegression": 0.05}, {"hmean": 0.1}, None, "Passed", "hmean 0.1: no gate is missed"),
        ({"maxRegression": 0.05}, {"endToEndF1": 0.1}, MODEL, "Passed", "endToEndF1 0.1: no gate is missed"),
        ({"maxRegression": 0.05}, {}, MODEL, "Passed", "no figure: no gate is missed"),
        (
            {"minHmean": 0.8, "minCharPrecision": 0.8, "maxRegression": 0},
            {"hmean": 0.81},
            MODEL,
            "Regression",
            "hmean 0.81 is lower than 0.82, that of run 'old', by more than gates.maxRegression 0; "
            "charPrecision was not measured, and gates.minCharPrecision is 0.8",
        ),
    ],
)
def test_a_run_is_judged_by_its_figures(
    gates: dict[str, float], figures: dict[str, float], model: ModelStatus | None, reason: str, message: str
) -> None:
    verdict = judge(Gates.model_validate(gates), Figures.model_validate(figures), model)
    assert (verdict.reason, verdict.message) == (reason, message)
    assert verdict.passed == (reason == "Passed")


def trained(
    hmean: float | None = 0.7, run: str = "r1", revision: int = 0, play: Play | None = None, **spec: Any
) -> Play:
    """A project whose run has gone from prepare to package."""
    train = {"id": run, "revision": revision}
    if play is None:
        play = Play(**({"train": train} | spec))
    else:
        play.edit(train=train, **spec)
    for stage in TRAIN:
        play.settle()
        play.run(stage)
        if stage == "detection" and hmean is not None:
            play.report("detection", run_hash(run, revision), hmean=hmean)
        play.finish(stage)
    return play


def model_of(play: Play) -> tuple[str, int] | None:
    model = play.status.get("model")
    return (model["trainId"], model["revision"]) if model else None


def test_without_gates_nothing_is_claimed_and_the_packaged_model_is_the_projects() -> None:
    play = trained()
    assert model_of(play) == ("r1", 0) and play.status["model"]["hmean"] == 0.7
    assert "QualityPassed" not in [condition["type"] for condition in play.status["conditions"]]
    assert play.events.count("ModelChanged") == 1


def test_a_run_is_not_judged_before_it_has_ended() -> None:
    play = Play(train={"id": "r1"}, gates={"minHmean": 0.5})
    play.settle()
    assert play.condition("QualityPassed") == ("Unknown", "NotJudged")


def test_a_run_that_failed_is_not_judged() -> None:
    play = Play(train={"id": "r1"}, gates={"minHmean": 0.5})
    play.settle()
    play.fail("prepare", 65)
    play.settle()
    assert play.condition("QualityPassed") == ("Unknown", "NotJudged")
    assert play.message("QualityPassed") == "run 'r1' failed and is not judged"


def test_a_run_below_its_gate_is_complete_and_says_so() -> None:
    play = trained(gates={"minHmean": 0.8})
    assert play.condition("Complete")[0] == "True" and play.status["phase"] == "Succeeded"
    assert play.condition("QualityPassed") == ("False", "BelowGate")
    assert play.status["message"] == (
        "run r1 is trained but did not pass its gates: hmean 0.7 is below gates.minHmean 0.8; "
        "the project's model is still missing"
    )
    assert play.events.count("BelowGate") == 1 and model_of(play) is None


def test_a_figure_of_another_run_passes_nothing() -> None:
    play = trained(hmean=0.9)
    trained(None, "r2", play=play, gates={"minHmean": 0.8})
    assert play.condition("QualityPassed") == ("False", "NotMeasured") and model_of(play) == ("r1", 0)


def test_with_gates_the_model_moves_when_the_runs_own_test_has_passed() -> None:
    play = trained(train={"id": "r1", "runTest": True}, gates={"minEndToEnd": 0.5})
    assert model_of(play) is None
    play.run("test")
    play.report("test", run_hash("r1", 0), endToEndF1=0.6)
    play.finish("test")
    assert play.condition("QualityPassed") == ("True", "Passed")
    assert play.status["model"]["endToEndF1"] == 0.6


def test_the_last_report_is_read_before_a_run_is_judged() -> None:
    play = trained(train={"id": "r1", "runTest": True}, gates={"minEndToEnd": 0.5})
    play.run("test")
    play.hear()  # the watch of the projects hangs, that of the Jobs does not
    play.report("test", run_hash("r1", 0), endToEndF1=0.6)
    play.succeed("test")
    assert play.heard is not None
    play.heard.jobs, play.heard.pods = dict(play.jobs), dict(play.pods)
    play.step()
    assert play.condition("QualityPassed") == ("True", "Passed")


def test_a_gate_that_is_lowered_lets_the_run_in_and_one_that_is_raised_takes_nothing_back() -> None:
    play = trained(gates={"minHmean": 0.8})
    play.edit(gates={"minHmean": 0.6})
    play.settle()
    assert model_of(play) == ("r1", 0) and play.condition("QualityPassed") == ("True", "Passed")
    play.edit(gates={"minHmean": 0.9})
    play.settle()
    assert model_of(play) == ("r1", 0) and play.condition("QualityPassed") == ("True", "Passed")


def test_a_spec_that_cannot_be_followed_takes_no_verdict_back() -> None:
    play = trained(gates={"minHmean": 0.8})
    events = play.events.count("BelowGate")
    play.edit(resources={"nodes": 2})
    play.settle()
    assert play.condition("Failed") == ("True", "InvalidSpec")
    assert play.condition("QualityPassed") == ("False", "BelowGate")
    play.edit(resources={"nodes": 1})
    play.settle()
    assert play.condition("QualityPassed") == ("False", "BelowGate")
    assert play.events.count("BelowGate") == events


def test_records_keep_what_a_run_reached_and_cost() -> None:
    play = trained()
    begun = timestamp(play.now)
    play.edit(train={"id": "r2"})
    play.finish("prepare")
    play.run("detection")
    play.settle()
    play.report("detection", run_hash("r2", 0), hmean=0.4)
    play.step(50)
    play.edit(train={"id": "r3"})
    play.settle()
    first, second = play.status["runs"]
    assert (first["id"], first["outcome"], first["hmean"]) == ("r1", "Succeeded", 0.7)
    assert (second["outcome"], second["hmean"], second["gpuSeconds"]) == ("Stopped", 0.4, 50)
    assert second["startedAt"] == begun
    play.edit(train={"id": "r1"})
    play.settle()
    assert first in play.status["runs"], "naming an old run again leaves its record as it is"


def run_under_test(play: Play) -> dict[str, Any]:
    """The run that the live test's Job is told to test."""
    (container,) = play.jobs[play.live("test")]["spec"]["template"]["spec"]["containers"]
    (document,) = [item["value"] for item in container["env"] if item["name"] == "OCR_STAGE_INPUT"]
    found: dict[str, Any] = json.loads(document)["train"]
    return found


def test_a_test_uses_the_model_that_passed_not_the_run_that_did_not() -> None:
    play = trained(0.9, gates={"minHmean": 0.8})
    trained(0.7, "r2", play=play, test={"id": "t1", "suspend": True})
    play.edit(test={"id": "t1"})
    play.settle()
    assert run_under_test(play)["id"] == "r1"


def test_a_test_waits_when_no_run_has_passed_and_says_what_to_do() -> None:
    play = trained(gates={"minHmean": 0.8}, test={"id": "t1"})
    assert play.condition("Waiting") == ("True", "NoModel")
    assert play.message("Waiting") == (
        "test 't1' needs a model, and run 'r1' did not pass its gates: hmean 0.7 is below gates.minHmean "
        "0.8; change spec.gates or train another run"
    )


def test_a_model_overwritten_by_a_revision_that_did_not_pass_is_tested_no_more() -> None:
    play = trained(0.9, gates={"minHmean": 0.8})
    trained(0.7, revision=1, play=play, test={"id": "t1"})
    assert model_of(play) == ("r1", 0) and play.status["model"]["overwrittenBy"] == 1
    assert play.condition("Waiting") == ("True", "ModelOverwritten")
    assert "was overwritten on the volume by revision 1" in play.message("Waiting")
    assert play.unfinished() == []
    play.edit(train={"id": "r2"})
    play.settle()
    assert play.condition("Waiting")[1] == "ModelOverwritten", "another run brings the file not back"
    play.edit(train={"id": "r1", "revision": 1}, gates={"minHmean": 0.5})
    play.settle()
    trained(0.9, revision=2, play=play)
    assert model_of(play) == ("r1", 2) and "overwrittenBy" not in play.status["model"]
    assert play.live("test")


def test_a_revision_that_fails_before_its_package_leaves_the_old_model_usable() -> None:
    play = trained(0.9, gates={"minHmean": 0.8})
    play.edit(train={"id": "r1", "revision": 1}, test={"id": "t1"})
    play.settle()
    assert play.condition("Waiting") == ("True", "ModelInTraining")
    play.fail("prepare", 65)
    play.settle()
    assert run_under_test(play)["id"] == "r1" and play.status["model"].get("overwrittenBy") is None


def test_the_last_checkpoints_of_a_run_that_was_trained_again_are_not_tested() -> None:
    play = trained(0.9)
    play.edit(train={"id": "r1", "revision": 1}, test={"id": "t1", "checkpoint": "Last"})
    play.finish("prepare")
    play.fail("detection", 78)
    play.settle()
    assert play.condition("Waiting") == ("True", "ModelOverwritten")
    play.edit(test={"id": "t2"})
    play.settle()
    assert play.live("test")


def test_one_test_at_a_time_so_that_each_reports_its_own_figures() -> None:
    play = trained(0.9)
    play.edit(train={"id": "r2", "runTest": True}, test={"id": "t1"})
    play.settle()
    play.run("test")
    for stage in TRAIN:
        play.finish(stage)
    assert play.unfinished("test") == [f"p-{names.test_hash('t1', 0)}-test-0"]
    assert play.condition("Waiting") == ("True", "TestRuns")
    play.finish("test")
    assert play.unfinished("test") == [f"p-{run_hash('r2', 0)}-test-0"]
