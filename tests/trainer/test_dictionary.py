"""Which characters a recogniser knows, and what is said of those that it doesn't."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotated_folder import AnnotatedFolder
from ocr_trainer.dataset import dictionary
from ocr_trainer.errors import BadConfiguration, BadData
from prepared import dataset, findings, run_prepare


def characters(folder: Path) -> list[str]:
    return (folder / "work/dataset/dictionary.txt").read_text().split("\n")[:-1]


def other_run(tmp_path: Path, content: list[str]) -> Path:
    folder = tmp_path / "other"
    (folder / "work/dataset").mkdir(parents=True)
    dictionary.write(folder / "work/dataset/dictionary.txt", content)
    return folder


def test_configured_characters_are_known_beside_those_of_the_texts(annotated: AnnotatedFolder) -> None:
    annotated.pages(4)
    annotated.write()
    run_prepare(annotated, dataset={"characters": "€ \n\u200b\u00e9x"})
    assert characters(annotated.path) == sorted({*"LINE AB", *"total", *"€éx"})


def test_the_validations_own_characters_are_not_added(annotated: AnnotatedFolder) -> None:
    annotated.pages(4)
    annotated.write("train.json")
    other = AnnotatedFolder(annotated.path)
    other.text(other.picture("check.png", shade=5), "ßß€")
    other.write("val.json")
    run = run_prepare(annotated)
    assert dataset(run)["unseenCharacters"] == 2
    assert findings(run) == {("ignored", "unseen-characters"): 1}
    assert "2 characters that training never shows (ß €), 3 times" in run.findings.read_text()
    assert not {"ß", "€"} & set(characters(annotated.path))
    run = run_prepare(annotated, dataset={"characters": "€"})
    assert "but for the 1 in the dictionary" in run.findings.read_text()


def test_reused_weights_keep_their_dictionary(annotated: AnnotatedFolder, tmp_path: Path) -> None:
    annotated.pages(4)
    annotated.write()
    theirs = sorted({*"LINE ABtotal", *"xyz"})[::-1]
    init = other_run(tmp_path, theirs)
    run = run_prepare(annotated, init=init, recognition={"initFrom": "zero"})
    assert characters(annotated.path) == theirs, "in the order that the weights mean"
    assert dataset(run)["characters"] == len(theirs)
    dictionary.write(init / "work/dataset/dictionary.txt", [*theirs, "€"])
    assert dataset(run_prepare(annotated, init=init, recognition={"initFrom": "zero"}))["characters"] > len(
        theirs
    ), "prepared anew when the other run's dictionary is another"


def test_a_dictionary_that_misses_characters_is_refused(annotated: AnnotatedFolder, tmp_path: Path) -> None:
    annotated.pages(4)
    annotated.write()
    init = other_run(tmp_path, sorted("LINE A"))
    with pytest.raises(
        BadData, match=r"'zero'.* 5 of this data set's characters \(B a l o t\): leave"
    ) as caught:
        run_prepare(annotated, init=init, recognition={"initFrom": "zero"})
    assert caught.value.reason == "DictionaryMisfit" and caught.value.exit_code == 65


def test_a_run_without_a_dictionary_is_refused(annotated: AnnotatedFolder, tmp_path: Path) -> None:
    annotated.pages(4)
    annotated.write()
    for init in (tmp_path, None):
        with pytest.raises(BadConfiguration, match=r"initFrom: run 'zero' has no dictionary"):
            run_prepare(annotated, init=init, recognition={"initFrom": "zero"})


def test_a_file_of_weights_is_the_trainings_concern(annotated: AnnotatedFolder, tmp_path: Path) -> None:
    annotated.pages(4)
    annotated.write()
    run = run_prepare(annotated, init=tmp_path, recognition={"initFrom": "models/receipts.pth"})
    assert dataset(run)["characters"] == len({*"LINE ABtotal"})


def counts(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "work/dataset/characters.json").read_text())["characters"])


def test_how_often_each_character_occurs_is_written(annotated: AnnotatedFolder) -> None:
    annotated.text(annotated.picture("one.png"), "AAB ")
    annotated.text(annotated.picture("two.png"), "BA")
    annotated.text(1, "###")
    annotated.write("train.json")
    other = AnnotatedFolder(annotated.path)
    other.text(other.picture("check.png", shade=5), "Bß AßC")
    other.write("val.json")
    run_prepare(annotated, dataset={"characters": "CZ"})
    assert counts(annotated.path) == [
        {"character": "A", "training": 3, "validation": 1},
        {"character": "B", "training": 2, "validation": 1},
        {"character": "ß", "training": 0, "validation": 2, "known": False},
        {"character": " ", "training": 0, "validation": 1},
        {"character": "C", "training": 0, "validation": 1},
        {"character": "Z", "training": 0, "validation": 0},
    ]
    assert {c["character"] for c in counts(annotated.path) if c.get("known", True)} == set(
        characters(annotated.path)
    )


def test_a_reused_dictionary_is_counted_whole(annotated: AnnotatedFolder, tmp_path: Path) -> None:
    annotated.pages(4)
    annotated.write()
    theirs = sorted({*"LINE ABtotal", *"xyz"})[::-1]
    run_prepare(annotated, init=other_run(tmp_path, theirs), recognition={"initFrom": "zero"})
    found = counts(annotated.path)
    assert sorted(theirs) == sorted(count["character"] for count in found)
    assert [c["character"] for c in found if not c["training"] + c["validation"]] == ["x", "y", "z"]
    assert found[0] == {"character": "t", "training": found[0]["training"],
                        "validation": 8 - found[0]["training"]}  # fmt: skip
