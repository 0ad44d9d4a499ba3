"""The picture that an annotation file means is found under the names tools write, or nobody guesses."""

import unicodedata
from pathlib import Path

import pytest

from ocr_trainer.dataset.folder import FileIndex, Role, role_of


def index_of(root: Path, *paths: str) -> FileIndex:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return FileIndex.scan(root)


@pytest.mark.parametrize(
    ("file_name", "lies_at"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg", "images/a.jpg"),
        ("a.jpg", "train/a.jpg"),
        ("a.jpg", "images/train/a.jpg"),
        ("a.jpg", "deep/down/a.jpg"),
        ("sub/a.jpg", "sub/a.jpg"),
        ("C:\\Users\\me\\pictures\\a.JPG", "a.jpg"),
        ("images\\1f2e3d4c-a.jpg", "images/a.jpg"),
        ("/data/upload/a%20b.jpg", "a b.jpg"),
        ("发票 1.jpg", "发票 1.jpg"),
        (unicodedata.normalize("NFD", "é.jpg"), unicodedata.normalize("NFC", "é.jpg")),
        ("https://page/files/a.jpg", "a.jpg"),
        ("../../a.jpg", "a.jpg"),
    ],
)
def test_the_picture_is_found(tmp_path: Path, file_name: str, lies_at: str) -> None:
    index = index_of(tmp_path, lies_at, "other/b.jpg")
    assert index.locate(file_name, folders=(".",), role=Role.TRAIN) == [lies_at]


def test_the_roles_own_folder_comes_first(tmp_path: Path) -> None:
    index = index_of(tmp_path, "train/1.jpg", "val/1.jpg", "test/1.jpg")
    for role in Role:
        assert index.locate("1.jpg", folders=(".",), role=role) == [f"{role}/1.jpg"]


def test_the_folder_in_the_name_decides_between_equal_names(tmp_path: Path) -> None:
    index = index_of(tmp_path, "x/monday/1.jpg", "x/tuesday/1.jpg")
    assert index.locate("D:\\shop\\tuesday\\1.jpg", folders=(".",), role=None) == ["x/tuesday/1.jpg"]


def test_two_candidates_are_both_named(tmp_path: Path) -> None:
    index = index_of(tmp_path, "x/1.jpg", "y/1.jpg")
    assert index.locate("1.jpg", folders=(".",), role=None) == ["x/1.jpg", "y/1.jpg"]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert index_of(tmp_path, "a.jpg").locate("b.jpg", folders=(".",), role=None) == []


def test_our_own_files_are_not_the_users(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, "work/dataset/images/a.jpg", "status.json", "testResult.json", ".cache/a.jpg", "b.jpg"
    )
    assert index.images == ["b.jpg"] and index.json_files == []


def test_a_changed_file_changes_the_signature(tmp_path: Path) -> None:
    before = index_of(tmp_path, "a.jpg", "t.json").signature()
    assert FileIndex.scan(tmp_path).signature() == before
    (tmp_path / "t.json").write_text("longer")
    assert FileIndex.scan(tmp_path).signature() != before


@pytest.mark.parametrize(
    ("name", "role"),
    [("train", Role.TRAIN), ("instances_val2017", Role.VALIDATION), ("Validation", Role.VALIDATION),
     ("test_set", Role.TEST), ("annotations", None), ("contest", None), ("train_test", Role.TEST)],
)  # fmt: skip
def test_names_tell_roles(name: str, role: Role | None) -> None:
    assert role_of(name) is role
