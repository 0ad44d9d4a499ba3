"""The text of an annotation is found wherever a tool put it, and never a word that isn't the text."""

from typing import Any

import pytest

from ocr_trainer.dataset.texts import TextRules, clean


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        pytest.param({"utf8_string": "a"}, "a", id="COCO-Text"),
        pytest.param({"transcription": "a", "text": "b"}, "a", id="the better key first"),
        pytest.param({"text": "", "caption": "a"}, "a", id="an empty key is passed over"),
        pytest.param({"textAttribute": "a"}, "a", id="LabelBee"),
        pytest.param({"attributes": {"occluded": False, "text": "a"}}, "a", id="CVAT"),
        pytest.param({"attributes": [{"key": "transcription", "value": "a"}]}, "a", id="FastLabel"),
        pytest.param({"attributes": [{"name": "ocr", "value": "a"}]}, "a", id="Encord"),
        pytest.param({"description": "a"}, "a", id="X-AnyLabeling"),
        pytest.param({"rec": [33, 34, 96, 96]}, "AB", id="ABCNet"),
        pytest.param({"text": 42}, "42", id="a number is a text"),
        pytest.param({"text": True}, "", id="a flag is no text"),
        pytest.param({"label": "word"}, "", id="the category's name is no text"),
        pytest.param({"label": "word", "attributes": {"value": "a"}}, "a", id="but another key's is"),
        pytest.param({"attributes": None, "text": None}, "", id="nothing"),
    ],
)
def test_the_text_is_found_by_itself(annotation: dict[str, Any], text: str) -> None:
    assert TextRules(category_names=frozenset({"word"})).read(annotation) == text


@pytest.mark.parametrize(
    ("key", "text"), [("mine", "a"), ("attributes.inner", "b"), ("text", "c"), ("absent", "")]
)
def test_a_configured_key_is_the_only_one(key: str, text: str) -> None:
    annotation = {"mine": "a", "text": "c", "attributes": {"inner": "b"}}
    assert TextRules(text_key=key).read(annotation) == text


@pytest.mark.parametrize(
    ("more", "ignored"),
    [
        ({"text": "###"}, True),
        ({"text": "a", "ignore": 1}, True),
        ({"text": "a", "ignore": 0}, False),
        ({"text": "a", "attributes": {"illegible": True}}, True),
        ({"legibility": "illegible"}, True),
        ({"text": "a", "legibility": "legible"}, False),
        ({"text": "a", "legible": False}, True),
        ({"text": "a", "difficult": "true"}, True),
        ({"iscrowd": 1}, True),
        ({"text": "a", "iscrowd": 1}, False),
        ({"text": "."}, False),
        ({}, False),
    ],
)
def test_regions_nobody_cares_about(more: dict[str, Any], ignored: bool) -> None:
    rules = TextRules()
    assert rules.is_ignored(more, rules.read(more), "text") is ignored


def test_a_dot_means_illegible_in_textocr_only() -> None:
    assert TextRules(dot_is_illegible=True).is_ignored({}, ".", "")


def test_an_illegible_category_is_not_cared_about() -> None:
    assert TextRules().is_ignored({}, "", "Illegible")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("  a  b ", "a b"),
        ("a\r\nb\tc", "a b c"),
        ("a\u200bb\ufeff", "ab"),
        ("e\u0301", "\u00e9"),
        ("a\u3000b", "a b"),
        ("Ａ１", "Ａ１"),
        ("a\x00b\x07", "ab"),
        ("\u200b", ""),
    ],
)
def test_texts_become_one_clean_line(written: str, text: str) -> None:
    assert clean(written) == text
