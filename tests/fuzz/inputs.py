"""From a fuzzer's bytes to an input; the same bytes always give the same one.

Inputs are kept as readable as can be: fields are separated by the byte FF, which stands in no
UTF-8 text, so that a fuzzer (and a reader) can work on each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

SEPARATOR = b"\xff"


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Attributes:
        check: raises AssertionError (or what should never get out) if the library is at fault.
        seeds: inputs that reach far; the corpus begins with them.
        words: what a fuzzer may put in, because chance would not find it.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: Sequence[str] = field(default=())


def fields_of(data: bytes, count: int) -> list[bytes]:
    """Exactly `count` fields; missing ones are empty, the last takes the rest."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def joined(*fields: bytes | str) -> bytes:
    """The input that `fields_of` takes apart again."""
    return SEPARATOR.join(part.encode() if isinstance(part, str) else part for part in fields)


def pick(options: Sequence[T], byte: int) -> T:
    return options[byte % len(options)]


def flags_of(field: bytes, count: int) -> list[int]:
    """`count` small numbers; a digit means itself, so that seeds can be written down."""
    values = [byte - 0x30 if 0x30 <= byte <= 0x39 else byte for byte in field[:count]]
    return values + [0] * (count - len(values))


def text_of(field: bytes) -> str:
    """Text as a server would hand it over: UTF-8, else one character for each byte."""
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        return field.decode("latin-1")
