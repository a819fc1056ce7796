"""The parts of a compiled template: each gives its value for a subject, and the bytes it takes.

The bytes are counted while the values are read: a text that cannot fit is never put together, and
an object that stands in many places is encoded once. What came out is data; it is not looked
at for braces again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple, Protocol, cast

from ...core.jsontext import FrozenDict, FrozenList
from .. import claims
from ..claims import plain_object
from ..faults import ClaimsRefused
from . import located
from .shortcodes import Shortcode, read
from .subject import Subject

#: As `claims.encode` writes, but without NaN.
_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
#: Objects and lists that may stand in one another whatever a template puts around them.
_SHALLOW: Final = claims.MAX_DEPTH - located.MAX_DEPTH
#: Longer texts are encoded once, however often they are looked up.
_SHORT: Final = 64
_quote: Final = encode_basestring


class Encoded(NamedTuple):
    """A value as JSON text, its bytes, and those it takes inside a text."""

    text: str
    size: int
    inside: int


class Run:
    """One rendering: the subject, the room, and what was encoded already."""

    __slots__ = ("deep", "most", "room", "seen", "subject")

    def __init__(self, subject: Subject, most: int) -> None:
        self.subject: Subject = subject
        self.most: int = most
        #: What is no short scalar, by the name of the look-up.
        self.seen: dict[str, Encoded] = {}
        #: Bytes left, objects and lists alone counted; below 0 nothing will come of it.
        self.room: int = most
        #: Whether objects and lists may stand too deep in one another.
        self.deep: bool = False


class Node(Protocol):
    """A part of a template."""

    @property
    def least(self) -> int:
        """Bytes that it takes whatever the subject is."""
        ...

    def give(self, run: Run) -> tuple[Any, int]:
        """Its value, and the bytes of that as compact JSON."""
        ...


def text_bytes(text: str) -> int:
    """Bytes of a text as JSON, with its quotes."""
    quoted = _quote(text)
    return len(quoted) if quoted.isascii() else len(quoted.encode("utf-8"))


@dataclass(frozen=True, slots=True)
class Constant:
    """What stands in the template as it is; `value` is a scalar."""

    value: str | int | float | bool | None
    size: int

    @property
    def least(self) -> int:
        return self.size

    def give(self, run: Run, *, whole: bool = True) -> tuple[Any, int]:
        return self.value, self.size


def constant(value: str | int | float | bool | None) -> Constant:
    return Constant(value, len(_json(value).encode("utf-8")))


@dataclass(frozen=True, slots=True)
class Lookup:
    """One shortcode. Without an entry in the table it gives null."""

    name: str
    code: Shortcode | None
    keys: tuple[str, ...] = ()
    least: int = field(default=1, init=False)

    def give(self, run: Run, *, whole: bool = True) -> tuple[Any, int]:
        """As every part; what is not a `whole` value becomes text, and needs no freezing."""
        if self.code is None:
            return None, 4
        value: Any = read(self.code, self.keys, run.subject)
        if type(value) is str:
            if len(value) <= _SHORT and value.isascii():
                return value, len(_quote(value))
            return value, self.encoded(value, run).size
        if value is None or value is True:
            return value, 4
        if value is False:
            return value, 5
        if type(value) is int and -(2**63) <= value < 2**64:
            return value, len(repr(value))
        size = self.encoded(value, run).size
        run.room -= size
        # To look at every part takes its time: only while it may fit.
        if run.room >= 0 and whole:
            value = self._checked(value, run)
        return value, size

    def _checked(self, value: object, run: Run) -> object:
        """A value that is no short scalar, frozen; `ClaimsRefused` if no claim can be that."""
        depth = _depth(value)
        if depth is None:
            value = plain_object({self.name: value}, "the template's claims")[self.name]
        run.deep = run.deep or depth is None or depth > _SHALLOW
        return value

    def encoded(self, value: object, run: Run) -> Encoded:
        """The value as JSON, encoded once in a run."""
        if self.name not in run.seen:
            try:
                text = _json(value)
                size = len(text) if text.isascii() else len(text.encode("utf-8"))
            except (TypeError, ValueError, RecursionError):
                raise ClaimsRefused(
                    f"{{{{{self.name}}}}} gives what is no JSON data: it may be text, a number, a"
                    " boolean, None, a list or a mapping, and no half of a surrogate pair."
                ) from None
            inside = 0 if isinstance(value, str) else text_bytes(text) - 2
            run.seen[self.name] = Encoded(text, size, inside)
        return run.seen[self.name]


def _depth(value: object, room: int = claims.MAX_DEPTH) -> int | None:
    """Frozen objects and lists in one another; None where not all of it is plain and frozen."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return 0
    if kind is int:
        return 0 if -(2**63) <= cast("int", value) < 2**64 else None
    if kind is float:
        return 0  # the encoder takes no other than finite ones
    if kind is FrozenDict:
        mapping = cast("dict[object, object]", value)
        if not all(type(name) is str for name in mapping):
            return None
        inner: Iterable[object] = mapping.values()
    elif kind is FrozenList:
        inner = cast("list[object]", value)
    else:
        return None
    if not room:
        return None
    deepest = 0
    for one in inner:
        depth = _depth(one, room - 1)
        if depth is None:
            return None
        deepest = max(deepest, depth)
    return deepest + 1


@dataclass(frozen=True, slots=True)
class Choice:
    """`a || b`: the first that is neither null nor false, else the last."""

    operands: tuple[Constant | Lookup, ...]

    @property
    def least(self) -> int:
        return min(operand.least for operand in self.operands)

    def give(self, run: Run) -> tuple[Any, int]:
        return self.chosen(run)[1:]

    def chosen(self, run: Run, *, whole: bool = True) -> tuple[Constant | Lookup, Any, int]:
        operand, value, size = self.operands[0], None, 4
        for operand in self.operands:
            value, size = operand.give(run, whole=whole)
            if value is not None and value is not False:
                break
        return operand, value, size


Insert = Constant | Lookup | Choice


@dataclass(frozen=True, slots=True)
class Mixed:
    """Text with shortcodes in it: always gives text."""

    pieces: tuple[Insert, ...]

    @property
    def least(self) -> int:
        return 2 + sum(
            piece.size - 2 if isinstance(piece.value, str) else piece.size
            for piece in self.pieces
            if isinstance(piece, Constant)
        )

    def give(self, run: Run) -> tuple[Any, int]:
        total, texts = 2, list[str]()
        for piece in self.pieces:
            text, size = _as_text(piece, run)
            texts.append(text)
            total += size
        # What cannot fit is only counted.
        return "".join(texts) if total <= run.most else "", total


def _as_text(piece: Insert, run: Run) -> tuple[str, int]:
    """The text that a piece puts in, and its bytes inside the quotes of the whole."""
    if isinstance(piece, Choice):
        source, value, size = piece.chosen(run, whole=False)
    else:
        source, (value, size) = piece, piece.give(run, whole=False)
    if isinstance(value, str):
        return value, size - 2
    if value is None:
        return "null", 4
    if isinstance(value, bool):
        return "true" if value else "false", size
    if isinstance(source, Lookup):
        encoded = source.encoded(value, run)
        return encoded.text, encoded.inside
    return _json(value), size


@dataclass(frozen=True, slots=True)
class Members:
    """An object: names as they stand in the template, in its order."""

    #: Name, bytes of the name with colon and comma, value.
    members: tuple[tuple[str, int, Node], ...]

    @property
    def least(self) -> int:
        return self.framing + sum(size + node.least for _, size, node in self.members)

    @property
    def framing(self) -> int:
        """Bytes of the braces; the last member has no comma."""
        return 1 if self.members else 2

    def give(self, run: Run) -> tuple[Any, int]:
        given: dict[str, Any] = {}
        total = self.framing
        for name, name_size, node in self.members:
            given[name], size = node.give(run)
            total += name_size + size
        return FrozenDict(given), total


def member(name: str, node: Node) -> tuple[str, int, Node]:
    return name, text_bytes(name) + 2, node


@dataclass(frozen=True, slots=True)
class Items:
    """An array."""

    items: tuple[Node, ...]

    @property
    def least(self) -> int:
        return self.framing + sum(node.least for node in self.items)

    @property
    def framing(self) -> int:
        """Bytes of the brackets and commas."""
        return 2 + max(0, len(self.items) - 1)

    def give(self, run: Run) -> tuple[Any, int]:
        pairs = [node.give(run) for node in self.items]
        return FrozenList([value for value, _ in pairs]), self.framing + sum(s for _, s in pairs)
