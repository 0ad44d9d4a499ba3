"""Log lines as people and as machines read them."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ocr_contract.resource import ANNOTATION_RUN_ID, LABEL_STAGE
from ocr_operator.logs import about, about_job, about_project, configure_logging

PROJECT = {"metadata": {"name": "receipts", "namespace": "team"}, "spec": {"train": {"id": "2026-11-25"}}}
JOB = {
    "metadata": {
        "name": "receipts-1-detection-0",
        "labels": {LABEL_STAGE: "detection"},
        "annotations": {ANNOTATION_RUN_ID: "2026-11-25"},
    }
}
log = logging.getLogger("ocr_operator.somewhere")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, kopf = logging.getLogger(), logging.getLogger("kopf")
    before = root.handlers[:], root.level, kopf.level
    yield
    root.handlers[:], root.level, kopf.level = before  # type: ignore[misc]
    logging.captureWarnings(capture=False)


def written(log_format: str, speak: Any) -> str:
    stream = io.StringIO()
    configure_logging(log_format, stream)
    speak()
    return stream.getvalue()


def work() -> None:
    with about_project(("team", "receipts"), PROJECT):
        log.info("Looked")
        with about_job(JOB):
            log.warning("Created Job %s", "receipts-1-detection-0")
    log.info("Rests")


def test_as_json_each_line_is_an_object_that_says_what_it_is_about() -> None:
    lines = [json.loads(line) for line in written("json", work).splitlines()]
    assert [line["message"] for line in lines] == ["Looked", "Created Job receipts-1-detection-0", "Rests"]
    assert {name: lines[1][name] for name in ("level", "logger", "project", "run", "stage")} == {
        "level": "warning",
        "logger": "ocr_operator.somewhere",
        "project": "team/receipts",
        "run": "2026-11-25",
        "stage": "detection",
    }
    assert "stage" not in lines[0] and not {"project", "run", "stage"} & lines[2].keys()
    assert lines[0]["time"].endswith("Z") and lines[0]["time"] <= lines[2]["time"]


def test_as_text_a_line_ends_with_what_it_is_about() -> None:
    lines = written("text", work).splitlines()
    assert lines[0].endswith("INFO    ocr_operator.somewhere: Looked [project=team/receipts run=2026-11-25]")
    assert "WARNING" in lines[1] and lines[1].endswith("run=2026-11-25 stage=detection]")
    assert lines[2].endswith("ocr_operator.somewhere: Rests")


def test_what_others_wrote_begins_no_line_of_ours() -> None:
    def speak() -> None:
        log.info("refused: %s", "a\nb\u2028c\x85d")

    assert len(written("json", speak).splitlines()) == 1
    assert len(written("text", speak).splitlines(keepends=False)[0].split("\n")) == 1


def test_a_defect_is_told_with_its_traceback_in_one_json_line() -> None:
    def speak() -> None:
        try:
            raise RuntimeError("what\nnow")
        except RuntimeError:
            log.exception("A defect")

    (line,) = written("json", speak).splitlines()
    assert (
        json.loads(line)["error"].startswith("Traceback")
        and "RuntimeError: what\nnow" in json.loads(line)["error"]
    )
    assert "RuntimeError: what" in written("text", speak)


def test_of_kopf_only_warnings_are_heard_and_they_say_which_object() -> None:
    reference = {"kind": "OcrProject", "namespace": "team", "name": "receipts"}

    def speak() -> None:
        kopf = logging.getLogger("kopf.objects")
        kopf.info("Handler succeeded", extra={"k8s_ref": reference})
        kopf.warning("Handler failed", extra={"k8s_ref": reference})
        kopf.warning("Handler failed", extra={"k8s_ref": reference | {"kind": "Job"}})

    project, job = (json.loads(line) for line in written("json", speak).splitlines())
    assert (project["message"], project["project"]) == ("Handler failed", "team/receipts")
    assert job["object"] == "team/receipts" and "project" not in job


def test_what_a_line_is_about_ends_with_the_work_on_it_however_that_ends() -> None:
    def speak() -> None:
        with pytest.raises(RuntimeError), about(project="team/receipts"):
            raise RuntimeError
        log.info("Rests")

    assert "project" not in json.loads(written("json", speak))


def test_lines_go_to_standard_error_unless_told_otherwise() -> None:
    configure_logging("text")
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
