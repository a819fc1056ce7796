"""What stands in one text of a template: plain text, and shortcodes in double braces.

A shortcode is names joined by dots, or several with `||` between them, or a literal: text in
single quotes, a number, true or false. That is all there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .faults import shown
from .located import Plain, number
from .shortcodes import PART

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_WORD: Final = re.compile(r"[^ \t\r\n|'{}]+")
_FLAGS: Final = {"true": True, "false": False}
LANGUAGE: Final = (
    "A shortcode is a name such as user.first_name, several with || between them, or a literal;"
    " there are no calls, filters, indexes or arithmetic."
)


@dataclass(frozen=True, slots=True)
class Literal:
    value: Plain


@dataclass(frozen=True, slots=True)
class Path:
    """Names joined by dots; `index` is where it begins in the text."""

    index: int
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Code:
    """One pair of double braces."""

    index: int
    operands: tuple[Literal | Path, ...]


@dataclass(frozen=True, slots=True)
class Slip:
    """What is wrong with a shortcode, and where in the text."""

    index: int
    message: str
    mend: str | None = None


class _Wrong(Exception):
    def __init__(self, slip: Slip) -> None:
        super().__init__(slip.message)
        self.slip = slip


def pieces_of(text: str) -> tuple[list[str | Code], list[Slip]]:
    """Plain texts and shortcodes in turn, and what is wrong with the shortcodes."""
    pieces: list[str | Code] = []
    slips: list[Slip] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        if start > at:
            pieces.append(text[at:start])
        try:
            code, at = _code(text, start)
            pieces.append(code)
        except _Wrong as wrong:
            slips.append(wrong.slip)
            end = text.find("}}", wrong.slip.index)
            at = len(text) if end < 0 else end + 2
    if at < len(text):
        pieces.append(text[at:])
    return pieces, slips


def _code(text: str, start: int) -> tuple[Code, int]:
    operands: list[Literal | Path] = []
    at = start + 2
    while True:
        operand, at = _operand(text, _skip(text, at), start)
        operands.append(operand)
        at = _skip(text, at)
        if text.startswith("}}", at):
            return Code(start, tuple(operands)), at + 2
        if not text.startswith("||", at):
            raise _Wrong(_slip_between(text, at, start))
        at += 2


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _operand(text: str, at: int, start: int) -> tuple[Literal | Path, int]:
    if text.startswith("'", at):
        end = text.find("'", at + 1)
        if end < 0:
            raise _Wrong(Slip(at, "A text in single quotes does not end.", "Write ' at its end."))
        inside = text[at + 1 : end]
        if "\\" in inside:
            raise _Wrong(Slip(at, "A text in single quotes has no escapes.", "Leave out the \\."))
        return Literal(inside), end + 1
    match = _WORD.match(text, at)
    if match is None:
        if at >= len(text):
            raise _Wrong(_open(start))
        if text.startswith("}}", at):
            raise _Wrong(Slip(at, "A name is missing here.", "Write a name, such as user.id."))
        raise _Wrong(Slip(at, f"A name cannot begin with {text[at]!r}. {LANGUAGE}"))
    word = match[0]
    if word in _FLAGS:
        return Literal(_FLAGS[word]), match.end()
    value = number(word)
    if value is not None:
        return Literal(value), match.end()
    parts = tuple(word.split("."))
    if not all(PART.fullmatch(part) for part in parts):
        raise _Wrong(Slip(at, f"{shown(word)!r} is no name. {LANGUAGE}", _mend(word)))
    return Path(at, parts), match.end()


def _open(start: int) -> Slip:
    return Slip(start, "A shortcode does not end.", "Write }} at its end.")


def _slip_between(text: str, at: int, start: int) -> Slip:
    if at >= len(text):
        return _open(start)
    if text[at] == "|":
        return Slip(at, f"One | means nothing. {LANGUAGE}", "Write || before a fall-back.")
    return Slip(at, f"Only || or }}}} can stand here. {LANGUAGE}")


def _mend(word: str) -> str | None:
    if word.startswith('"'):
        return "Write text in single quotes."
    indexed = re.fullmatch(r"([\w.-]+)\[['\"]?[^\]]*\]?", word)
    if indexed:
        return f"Keys follow a dot: {shown(indexed[1])}.key; a list is only given as a whole."
    if any(part.startswith("_") for part in word.split(".")):
        return "No name in a path begins with an underscore."
    return None
