"""JSON with places: a strict reader that knows where each value stands.

The rules are those of `core/jsontext`: no duplicate names, no NaN, no lone surrogate, bounded
depth. The first fault ends the reading; its message says what to write instead.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

#: Objects and arrays in one another, the outermost counted.
MAX_DEPTH: Final = 8

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
_ESCAPED: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|."
)
_WORD: Final = re.compile(r"[^\s,:{}\[\]\"]+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_MENDS: Final = {
    "none": "Write null.",
    "nan": "JSON has no such number.",
    "infinity": "JSON has no such number.",
    "-infinity": "JSON has no such number.",
    "undefined": "Write null.",
}

Plain = str | int | float | bool | None


class Misread(Exception):  # never leaves this package
    """The text is no JSON from `offset` on."""

    def __init__(self, offset: int, message: str, mend: str | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or null; `raw` is how it is written."""

    offset: int
    value: Plain
    raw: str

    def places(self) -> Sequence[int]:
        """Where each character of a text's value is written, and where the text ends."""
        start, end = self.offset + 1, self.offset + len(self.raw) - 1
        if "\\" not in self.raw:
            return range(start, end + 1)
        written = _ESCAPED.finditer(self.raw, 1, len(self.raw) - 1)
        return [*(self.offset + match.start() for match in written), end]


@dataclass(frozen=True, slots=True)
class Array:
    offset: int
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Object:
    offset: int
    members: tuple[tuple[Scalar, Value], ...]


Value = Scalar | Array | Object


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def number(word: str) -> int | float | None:
    """The number that a word is in JSON, within 64 bits; None if it is none."""
    if _NUMBER.fullmatch(word) is None:
        return None
    if not word.lstrip("-").isdigit():
        value = float(word)
        return value if math.isfinite(value) else None
    if len(word) > 20 or not -(2**63) <= int(word) < 2**64:
        return None
    return int(word)


def has_lone_surrogate(text: str) -> bool:
    """Whether half a surrogate pair is in it, which UTF-8 does not have."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


class Reader:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Value:
        """The value that the whole text is, or `Misread`."""
        value = self._value(0)
        if self._peek():
            self._fail("something stands after the end of the object", "Remove it.")
        return value

    def _fail(self, message: str, mend: str | None = None) -> NoReturn:
        raise Misread(self._at, f"This is no JSON: {message}.", mend)

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Value:
        start, mark = self._peek(), self._at
        if start == '"':
            return self._string()
        if start in ("{", "["):
            if self._text.startswith("{{", mark):
                self._fail("a shortcode stands outside of quotes", 'Write "{{…}}".')
            if depth == MAX_DEPTH:
                self._fail(f"more than {MAX_DEPTH} objects and arrays in one another")
            self._at += 1
            if start == "{":
                return Object(mark, tuple(self._members(depth + 1)))
            return Array(mark, tuple(self._items(depth + 1)))
        return self._scalar(start)

    def _members(self, depth: int) -> Iterator[tuple[Scalar, Value]]:
        names = set[object]()
        if self._ends("}", first=True):
            return
        while True:
            if self._peek() != '"':
                self._fail("a name in double quotes is missing", 'Write "name": value.')
            name = self._string()
            if name.value in names:
                self._at = name.offset
                self._fail("this object has that name already", "Give one of the two another name.")
            names.add(name.value)
            if self._peek() != ":":
                self._fail("a colon is missing after the name", 'Write "name": value.')
            self._at += 1
            yield name, self._value(depth)
            if self._ends("}"):
                return

    def _items(self, depth: int) -> Iterator[Value]:
        if self._ends("]", first=True):
            return
        while True:
            yield self._value(depth)
            if self._ends("]"):
                return

    def _ends(self, close: str, *, first: bool = False) -> bool:
        """Whether the object or array ends here; else a comma was taken."""
        found = self._peek()
        if found == close:
            self._at += 1
            return True
        if first:
            return False
        if found != ",":
            self._fail(f"a comma or {close} is missing", f"Write , or {close} here.")
        self._at += 1
        if self._peek() == close:
            self._fail(f"a comma stands before {close}", "Remove the comma.")
        return False

    def _string(self) -> Scalar:
        match = _STRING.match(self._text, self._at)
        if match is None:
            self._fail(
                "a text does not end, or holds a line break or a bad escape",
                r'End it with "; write \n for a line break, \\ for a backslash.',
            )
        value: str = json.loads(match[0]) if "\\" in match[0] else match[0][1:-1]
        if has_lone_surrogate(value):
            self._fail("a text holds half a surrogate pair", "Write the character itself.")
        found = Scalar(self._at, value, match[0])
        self._at = match.end()
        return found

    def _scalar(self, start: str) -> Scalar:
        match = _WORD.match(self._text, self._at)
        if match is None:
            self._fail("a value is missing" if start else "the text ends too early")
        word = match[0]
        if word in _WORDS:
            value: Plain = _WORDS[word]
        else:
            value = number(word)
            if value is None:
                mend = _MENDS.get(word.casefold())
                if mend is None and word.casefold() in _WORDS:
                    mend = f"Write {word.casefold()}."
                if _NUMBER.fullmatch(word):
                    self._fail("a number is out of range", "Write it as text, in double quotes.")
                self._fail("a value stands without quotes", mend or "Put text in double quotes.")
        found = Scalar(self._at, value, word)
        self._at = match.end()
        return found
