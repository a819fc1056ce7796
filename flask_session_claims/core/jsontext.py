"""Strict base64url and strict JSON, giving frozen values.

One text has one reading here: canonical base64url without padding (RFC 4648 §3.5, §5), UTF-8
JSON with no duplicate member, no NaN, no overflowing number, no lone surrogate, bounded depth
(RFC 8259 §8.1, RFC 7493). Everything else is a `ValueError` that quotes nothing.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

MAX_DEPTH: Final = 64

_K = TypeVar("_K")
_V = TypeVar("_V")

# "-" and "_" become "+" and "/", a dot stays, every other foreign byte becomes "!".
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_TO_STANDARD: Final = bytes(
    {0x2D: 0x2B, 0x5F: 0x2F}.get(byte, byte) if byte in _ALPHABET else 0x21 for byte in range(256)
)
# The last character may carry only zero bits beyond the last whole byte.
_LAST_OF_2: Final = frozenset(b"AQgw")
_LAST_OF_3: Final = frozenset(b"AEIMQUYcgkosw048")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def to_standard(text: bytes) -> bytes:
    """base64url text (dots may join several) in the standard alphabet, for `b64_decode`."""
    mapped = text.translate(_TO_STANDARD)
    if b"!" in mapped:
        raise ValueError("not base64url")
    return mapped


def b64_decode(mapped: bytes) -> bytes:
    """The bytes behind one canonical, unpadded text that `to_standard` gave, without dots."""
    rest = len(mapped) & 3
    if rest == 0:
        return binascii.a2b_base64(mapped)
    if rest == 2 and mapped[-1] in _LAST_OF_2:
        return binascii.a2b_base64(mapped + b"==")
    if rest == 3 and mapped[-1] in _LAST_OF_3:
        return binascii.a2b_base64(mapped + b"=")
    raise ValueError("not canonical base64url")


def b64url_decode(segment: bytes) -> bytes:
    """The bytes behind one canonical, unpadded base64url text."""
    if b"." in segment:
        raise ValueError("not base64url")
    return b64_decode(to_standard(segment))


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("session claims are frozen; merge a change into the session instead")


def _folded(name: object) -> str:
    return str(name).replace("_", "").replace("-", "").casefold()


class FrozenDict(dict[_K, _V]):
    """A dict whose mutators raise; equal to, and serialised like, a plain one."""

    __slots__ = ()

    if not TYPE_CHECKING:  # to a checker, a dict that nobody should change
        __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
        __ior__ = _refuse

    def __missing__(self, name: _K) -> _V:
        near = [other for other in self if _folded(other) == _folded(name)]
        if near:
            raise KeyError(f"{name!s} is not in the session claims, but {near[0]!s} is")
        raise KeyError(
            f"{name!s} is not in the session claims: add it where the issuer makes the token,"
            " or read it with get()"
        )

    def __hash__(self) -> int:  # type: ignore[override]  # pyright: ignore
        return hash(frozenset(self.items()))

    def __reduce__(self) -> Any:
        return type(self), (dict(self),)

    def copy(self) -> FrozenDict[_K, _V]:
        return self

    def __copy__(self) -> FrozenDict[_K, _V]:
        return self

    def __deepcopy__(self, memo: Any) -> FrozenDict[_K, _V]:
        return self


class FrozenList(list[_V]):
    """A list whose mutators raise; equal to, and serialised like, a plain one."""

    __slots__ = ()

    if not TYPE_CHECKING:
        __setitem__ = __delitem__ = append = clear = extend = insert = pop = remove = _refuse
        reverse = sort = _refuse
        __iadd__ = __imul__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # pyright: ignore
        return hash(tuple(self))

    def __reduce__(self) -> Any:
        return type(self), (list(self),)

    def copy(self) -> FrozenList[_V]:
        return self

    def __copy__(self) -> FrozenList[_V]:
        return self

    def __deepcopy__(self, memo: Any) -> FrozenList[_V]:
        return self


def freeze(value: Any) -> Any:
    """`value` (JSON data) with every dict and list in it frozen."""
    if isinstance(value, dict):
        members = cast("dict[Any, Any]", value)
        return FrozenDict({name: freeze(member) for name, member in members.items()})
    if isinstance(value, (list, tuple)):
        return FrozenList([freeze(item) for item in cast("list[Any]", value)])
    return value


def _frozen_items(items: list[Any]) -> FrozenList[Any]:
    return FrozenList(
        [_frozen_items(cast("list[Any]", i)) if type(i) is list else i for i in items]
    )


_set: Final = cast("Callable[[dict[str, Any], str, Any], None]", dict.__setitem__)  # pyright: ignore


def _object(pairs: list[tuple[str, Any]]) -> FrozenDict[str, Any]:
    made: FrozenDict[str, Any] = FrozenDict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate member")
    for name, value in pairs:
        if type(value) is list:  # inner objects came frozen, arrays did not
            _set(made, name, _frozen_items(cast("list[Any]", value)))
    return made


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("number out of range")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError("not a JSON number")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def _depth(text: str) -> int:
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def parse_object(data: bytes) -> FrozenDict[str, Any]:
    """The JSON object that `data` is, frozen to its leaves."""
    # Counting brackets is cheap and never too low; only a suspect pays for the exact depth.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        if _depth(data.decode("utf-8", "replace")) > MAX_DEPTH:
            raise ValueError("nested too deeply")
    text = data.decode("utf-8")
    if text[:1] == "{" and text[-1:] == "}":
        value, end = _decoder.raw_decode(text)
        if end != len(text):
            raise ValueError("not one JSON value")
    else:
        value = _decoder.decode(text)  # takes white space around it (RFC 8259 §2)
    if type(value) is not FrozenDict:
        raise ValueError("not a JSON object")
    if 0x5C in data and _SURROGATE_ESCAPE.search(text):
        # Pairs are joined by the decoder; a lone half cannot be encoded.
        json.dumps(cast("Any", value), ensure_ascii=False).encode("utf-8")
    return cast("FrozenDict[str, Any]", value)
