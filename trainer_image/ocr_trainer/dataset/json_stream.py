"""A large JSON object read member by member, with the place of each member in the file.

An annotation file of a million annotations is 300 MB and would be 2 GB of Python objects. So the items of
its collections are decoded one at a time by the standard library's own scanner, over a window that moves
through the file, and whoever needs an item again reads it from its place: nothing is kept and nothing written
twice. ijson builds the items of one collection in two thirds of the time, but takes a pass for each
collection, tells no places, and its errors name no line.
"""

import codecs
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from json.decoder import JSONDecodeError
from pathlib import Path
from typing import Any, BinaryIO

from ocr_trainer.errors import BadData

_CHUNK = 1 << 20
_NEAR_THE_END = 16
"""Characters: an error this close to the window's end may be nothing but the window's end."""
_SPACE = " \t\n\r"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_scan = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Member:
    """An item of a collection of the object, or one of its other values (`collection` is then its key)."""

    collection: str
    key: str
    """The item's own key, where the collection is an object."""
    value: Any
    start: int
    length: int
    """Bytes of the file; an item of an object begins with its key: `"7": {...}`."""
    item: bool = True


def encoding_of(path: Path) -> tuple[str, int]:
    """The file's encoding and the length of its byte order mark."""
    with path.open("rb") as file:
        head = file.read(4)
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    return json.detect_encoding(head), 0


def read_members(
    path: Path, name: str, collections: Collection[str], advance: Callable[[int], None]
) -> Iterator[Member]:
    """Members of the object in the file; nothing if it holds another value. BadData names line and column.

    collections: the keys whose lists and objects come item by item. advance: is told of bytes read.
    """
    encoding, mark = encoding_of(path)
    with path.open("rb") as file:
        file.seek(mark)
        window = _Window(file, name, encoding, mark, advance)
        try:
            if window.peek() == "{":
                yield from _members(window, collections)
                if window.peek():
                    raise window.broken("Extra data", window.at)
        except RecursionError as error:
            raise BadData(f"{name} is nested too deeply to be COCO", reason="BrokenAnnotations") from error


def _members(window: "_Window", collections: Collection[str]) -> Iterator[Member]:
    for _ in window.separated("{", "}"):
        key = window.key()
        opening = window.peek()
        if key not in collections or opening not in ("[", "{"):
            yield Member(key, "", window.value(), 0, 0, item=False)
            continue
        keyed = opening == "{"
        yield Member(key, "", {} if keyed else [], 0, 0, item=False)
        for _ in window.separated(opening, "}" if keyed else "]"):
            start = window.byte()
            item_key = window.key() if keyed else ""
            value = window.value()
            yield Member(key, item_key, value, start, window.passed() - start)


class _Window:
    """The part of the file that is decoded at the moment, and where in it the next value begins."""

    def __init__(
        self, file: BinaryIO, name: str, encoding: str, mark: int, advance: Callable[[int], None]
    ) -> None:
        self._file, self._name, self._encoding, self._advance = file, name, encoding, advance
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text, self.at, self._ended = "", 0, False
        self._narrow = True
        """Whether each character of the window is one byte."""
        self._counted_at, self._counted_byte = 0, mark
        self._lines, self._columns = 0, 0
        """What lies before the window: lines, and characters of the line in which it begins."""

    def peek(self) -> str:
        """The next character that isn't blank; empty at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in _SPACE:
                    return self._text[self.at]
                self.at += 1
            if self._ended:
                return ""
            self._read_on()

    def separated(self, opening: str, closing: str) -> Iterator[None]:
        """Stands before each item between the brackets, one after another."""
        self._expect(opening)
        if self.peek() != closing:
            while True:
                yield
                if self.peek() != ",":
                    break
                self.at += 1
        self._expect(closing)

    def key(self) -> str:
        if self.peek() != '"':
            raise self.broken("Expecting property name enclosed in double quotes", self.at)
        key = self.value()
        self._expect(":")
        return str(key)

    def value(self) -> Any:
        """The next value, the window growing until it is whole."""
        self.peek()
        while True:
            try:
                value, end = _scan(self._text, self.at)
            except JSONDecodeError as error:
                maybe_cut = error.pos >= len(self._text) - _NEAR_THE_END or error.msg.startswith("Untermin")
                if self._ended or not maybe_cut:
                    raise self.broken(error.msg, error.pos) from error
            else:
                # 12 at the window's end may be the beginning of 123.
                if end < len(self._text) or self._ended or isinstance(value, str | list | dict):
                    self.at = end
                    return value
            self._read_on()

    def byte(self) -> int:
        """Where in the file the next value begins."""
        self.peek()
        return self.passed()

    def passed(self) -> int:
        """How much of the file was passed, in bytes."""
        passed = self.at - self._counted_at
        if not self._narrow:
            passed = len(self._text[self._counted_at : self.at].encode(self._encoding))
        self._counted_byte += passed
        self._counted_at = self.at
        return self._counted_byte

    def broken(self, what: str, at: int) -> BadData:
        line, column = self._position(at)
        return BadData(
            f"{self._name} is not valid JSON: line {line}, column {column}: {what}",
            reason="BrokenAnnotations",
        )

    def _expect(self, character: str) -> None:
        if self.peek() != character:
            raise self.broken(f"Expecting {character!r}", self.at)
        self.at += 1

    def _position(self, at: int) -> tuple[int, int]:
        newline = self._text.rfind("\n", 0, at)
        column = at - newline if newline >= 0 else self._columns + at + 1
        return self._lines + self._text.count("\n", 0, at) + 1, column

    def _read_on(self) -> None:
        """Forget what was passed and read as much again as is kept, a chunk at least."""
        self.passed()
        line, column = self._position(self.at)
        self._lines, self._columns = line - 1, column - 1
        kept = self._text[self.at :]
        self.at = self._counted_at = 0
        raw = self._file.read(max(_CHUNK, len(kept)))
        self._advance(len(raw))
        self._ended = not raw
        try:
            self._text = kept + self._decoder.decode(raw, final=self._ended)
        except UnicodeDecodeError as error:
            line = self._lines + kept.count("\n") + error.object.count(b"\n", 0, error.start) + 1
            raise BadData(
                f"{self._name} is not {self._encoding.upper()} text: a wrong byte stands in line {line}",
                reason="BrokenAnnotations",
            ) from error
        self._narrow = self._encoding == "utf-8" and self._text.isascii()


class PlacedItems:
    """The items of a file by their places, read again."""

    def __init__(self, path: Path, encoding: str, keyed: bool) -> None:
        self._encoding, self._keyed = encoding, keyed
        self._file = path.open("rb")

    def read(self, start: int, length: int) -> Any:
        """The item there; its key is added to it as `id` if it has none."""
        text = os.pread(self._file.fileno(), length, start).decode(self._encoding)
        if not self._keyed:
            return json.loads(text)
        ((key, item),) = json.loads("{" + text + "}").items()
        if isinstance(item, dict):
            item.setdefault("id", key)
        return item

    def close(self) -> None:
        self._file.close()
