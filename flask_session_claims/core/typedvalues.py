"""Readers of single claim values for `typed`: JSON data in, a plain Python value out.

Nothing is coerced: "1" is not 1 and true is not 1 (RFC 8259 §3 tells them apart). Only an int
passes for a float. What a reader gives never shares a container with what it read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Final, NamedTuple, NoReturn, cast

Convert = Callable[[Any], Any]

#: Stands in a path for a name that only the token knows.
UNNAMED: Final = "[*]"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SCALARS: Final = (str, int, float, bool, type(None))


class Mismatch(Exception):
    """A value is not what was asked for. Who passes it on adds where.

    Attributes:
        found: the kind of value that came; None: nothing came.
        path: where, the innermost part first.
        cause: what a validator of the type's author said, if that was it.
    """

    def __init__(
        self,
        expected: str,
        found: str | None,
        path: Sequence[str] = (),
        cause: BaseException | None = None,
    ) -> None:
        self.expected = expected
        self.found = found
        self.path: list[str] = list(path)
        self.cause = cause


class Reader(NamedTuple):
    """How to read one type, and what to call it."""

    convert: Convert
    label: str


def kind_of(value: object) -> str:
    """What a JSON value is called in Python; never the value."""
    if isinstance(value, dict):
        return "dict"
    if isinstance(value, (list, tuple)):
        return "list"
    return "None" if value is None else type(value).__name__


def refuse(expected: str, value: object) -> NoReturn:
    raise Mismatch(expected, kind_of(value))


def joined(path: Sequence[str]) -> str:
    """The parts of a path, the outermost first, as one reads it: `address.lines[2]`."""
    text = ""
    for part in path:
        text += part if part.startswith("[") or not text else f".{part}"
    return text


def _type(value: object) -> type:
    return type(value)


def plain(value: Any) -> Any:
    """A copy of JSON data in plain dicts and lists."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("list[Any]", value)]
    return value


# --- scalars ------------------------------------------------------------------------------


def text(value: Any) -> str:
    return value if isinstance(value, str) else refuse("str", value)


def whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    refuse("int", value)


def number(value: Any) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("float (not that large)", "int") from None
    refuse("float", value)


def truth(value: Any) -> bool:
    return value if isinstance(value, bool) else refuse("bool", value)


def nothing(value: Any) -> None:
    if value is not None:
        refuse("None", value)


def moment(value: Any) -> datetime:
    """A NumericDate (RFC 7519 §2) as an aware datetime in UTC."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return _EPOCH + timedelta(seconds=value)
        except (OverflowError, ValueError):
            pass
    refuse(DATETIME.label, value)


DATETIME: Final = Reader(moment, "datetime (a number: seconds since 1970 UTC)")
SIMPLE: Final[dict[Any, Reader]] = {
    str: Reader(text, "str"),
    int: Reader(whole, "int"),
    float: Reader(number, "float"),
    bool: Reader(truth, "bool"),
    None: Reader(nothing, "None"),
    type(None): Reader(nothing, "None"),
    datetime: DATETIME,
    Any: Reader(plain, "Any"),
    object: Reader(plain, "object"),
}
_EXACT: Final[dict[Any, Any]] = {
    text: str,
    whole: int,
    number: float,
    truth: bool,
    nothing: type(None),
}


def literal(options: Sequence[Any]) -> Reader:
    """One of the values of a Literal; True is not 1 there either."""
    table: dict[tuple[Any, Any], Any] = {}
    for option in options:
        value: Any = option.value if isinstance(option, Enum) else option
        table.setdefault((_type(value), value), option)
    label = " or ".join(repr(value) for _, value in table)

    def convert(value: Any) -> Any:
        if isinstance(value, _SCALARS):
            try:
                return table[type(value), value]
            except KeyError:
                pass
        refuse(label, value)

    return Reader(convert, label)


def enum(kind: type[Enum]) -> Reader | None:
    """A member by its value; None if no JSON value could be one."""
    types = {_type(member.value) for member in kind} & set(_SCALARS)
    if not types:
        return None
    shown = [repr(member.value) for member in kind]
    label = f"{kind.__name__} ({' or '.join(shown)})" if len(shown) <= 10 else kind.__name__

    def convert(value: Any) -> Any:
        if type(value) in types:
            try:
                return kind(value)
            except ValueError:
                pass
        refuse(label, value)

    return Reader(convert, label)


# --- containers ---------------------------------------------------------------------------


def array(item: Reader, make: Callable[[list[Any]], Any]) -> Reader:
    """A list, tuple or set of one kind of items."""
    label, convert_item = f"{make.__name__}[{item.label}]", item.convert

    def convert(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            refuse(label, value)
        items: list[Any] = []
        for entry in cast("list[Any]", value):
            try:
                items.append(convert_item(entry))
            except Mismatch as wrong:
                wrong.path.append(f"[{len(items)}]")
                raise
        if make is list:
            return items
        try:
            return make(items)
        except TypeError:  # something unhashable among the items of a set
            raise Mismatch(f"{label} of simple values", "list") from None

    return Reader(convert, label)


def row(readers: Sequence[Reader]) -> Reader:
    """A tuple with a type for each place."""
    converts = [reader.convert for reader in readers]
    label = f"tuple[{', '.join(reader.label for reader in readers) or '()'}]"

    def convert(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            refuse(label, value)
        entries = cast("list[Any]", value)
        if len(entries) != len(converts):
            raise Mismatch(label, f"list of {len(entries)}")
        items: list[Any] = []
        for convert_item, entry in zip(converts, entries, strict=True):
            try:
                items.append(convert_item(entry))
            except Mismatch as wrong:
                wrong.path.append(f"[{len(items)}]")
                raise
        return tuple(items)

    return Reader(convert, label)


def mapping(key: Reader, item: Reader) -> Reader:
    """A dict. Its keys are the token's own words, so no path repeats them."""
    label = f"dict[{key.label}, {item.label}]"
    convert_key, convert_item = key.convert, item.convert

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            refuse(label, value)
        try:
            return {
                convert_key(name): convert_item(entry)
                for name, entry in cast("dict[Any, Any]", value).items()
            }
        except Mismatch as wrong:
            wrong.path.append(UNNAMED)
            raise

    return Reader(convert, label)


class Memo(threading.local):
    """What the members of unions made of each value, during one call.

    Without it unions inside unions would be tried again and again: twice as often per level.
    """

    def __init__(self) -> None:
        #: (id of the value, member) -> what came of it
        self.made: dict[tuple[int, Convert], Any] = {}


def _attempt(convert: Convert, value: Any, memo: Memo) -> Any:
    key = id(value), convert
    if key in memo.made:
        made = memo.made[key]
    else:
        try:
            made = convert(value)
        except Mismatch as wrong:
            made = wrong
        if isinstance(value, (dict, list)):
            memo.made[key] = made
    if isinstance(made, Mismatch):  # a copy, since who passes it on adds to its path
        raise Mismatch(made.expected, made.found, made.path, made.cause)
    return made


def union(members: Sequence[Reader], memo: Memo) -> Reader:
    """The member of exactly that type, else the first that takes the value."""
    exact = {
        _EXACT[reader.convert]: reader.convert for reader in members if reader.convert in _EXACT
    }
    converts = [reader.convert for reader in members]
    label = " or ".join(dict.fromkeys(reader.label for reader in members))

    def convert(value: Any) -> Any:
        chosen = exact.get(type(value))
        if chosen is not None:
            return chosen(value)
        inner: list[Mismatch] = []
        for convert_member in converts:
            try:
                return _attempt(convert_member, value, memo)
            except Mismatch as wrong:
                if wrong.path or wrong.cause is not None:
                    inner.append(wrong)
        if len(inner) == 1:  # one member takes such a value, and says what is wrong in it
            raise inner[0]
        refuse(label, value)

    return Reader(convert, label)
