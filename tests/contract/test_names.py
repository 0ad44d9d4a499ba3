"""Names that Kubernetes accepts for whatever the platform calls its things."""

import re

import pytest

from ocr_contract import names, volume
from ocr_contract.names import job_name, project_name, run_hash
from ocr_contract.volume import check_id

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
IDS = [
    "receipts",
    "Receipts",
    "RE_2026",
    "发票",
    "a" * 200,
    "-",
    "_",
    "a b",
    "007",
    "x" * 40,
    "x" * 41,
    "a-",
    "ünï",
]


@pytest.mark.parametrize("project_id", IDS)
def test_every_id_gets_a_legal_name(project_id: str) -> None:
    name = project_name(project_id)
    assert NAME.fullmatch(name) and len(name) <= 40
    job = job_name(name, run_hash(project_id, 999), "recognition", 99)
    assert NAME.fullmatch(job) and len(job) <= 63


def test_different_ids_never_share_a_name() -> None:
    assert len({project_name(project_id) for project_id in IDS}) == len(IDS)


def test_a_legal_id_is_its_own_name() -> None:
    assert project_name("receipts-2026") == "receipts-2026"


def test_a_long_resource_name_leaves_room_for_stage_and_attempt() -> None:
    long, other = "p" * 63, "p" * 62 + "q"
    assert len(job_name(long, "abcdef", "recognition", 99)) <= 63
    assert job_name(long, "abcdef", "test", 0) != job_name(other, "abcdef", "test", 0)


def test_names_are_the_same_for_ever() -> None:
    """Jobs and labels in running clusters carry them."""
    assert project_name("RE_2026") == "re-2026-aec10bbd"
    assert run_hash("r1", 0) == "f68297"
    assert job_name("receipts", run_hash("r1", 0), "prepare", 0) == "receipts-f68297-prepare-0"


def test_revision_and_kind_make_another_name() -> None:
    ids = [("a", 0), ("a", 1), ("b", 0)]
    hashes = [make(*id_) for id_ in ids for make in (run_hash, names.test_hash)]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "../b", "a\\b", "a\0b", "发" * 67, "a" * 201])
def test_what_is_no_folder_name_is_no_id(bad: str) -> None:
    with pytest.raises(ValueError, match="trainID"):
        check_id(bad, "trainID")


@pytest.mark.parametrize(
    "good", ["a", "...", "a.b", "2026-11-25", "发票", "发" * 66, "a" * 200, "with blank", "~"]
)
def test_any_other_folder_name_is(good: str) -> None:
    assert check_id(good, "trainID") == good


def test_folders_lie_where_the_platform_looks() -> None:
    assert volume.train_subpath("P", "r1") == "train/P/r1"
    assert volume.test_subpath("P", "t1") == "test/P/t1"
    with pytest.raises(ValueError, match="projectID"):
        volume.train_subpath("..", "r1")
