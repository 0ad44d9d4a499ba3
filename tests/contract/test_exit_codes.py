"""How a stage ends, and its last words."""

import pytest

from ocr_contract.exit_codes import NEVER_RETRIED, ExitCode, LastWords, parse_last_words


def test_the_codes_are_those_of_sysexits() -> None:
    assert [int(code) for code in ExitCode] == [0, 64, 65, 75, 78]
    assert [int(code) for code in NEVER_RETRIED] == [64, 65, 78]


def test_last_words_survive_the_termination_message() -> None:
    words = LastWords(reason="NoAnnotations", message="train/p/r holds no annotation file")
    assert parse_last_words(words.model_dump_json()) == words


@pytest.mark.parametrize("text", ["", "Killed", "{", '{"reason": "x"}', "[]", "null"])
def test_a_container_that_left_no_words_left_none(text: str) -> None:
    assert parse_last_words(text) is None
