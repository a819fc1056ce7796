"""Claims as a type of the app's own: `Auth.claims_as`.

A type is looked into once, which gives a function; later calls only run that. What is wrong
with the type itself is a `ConfigurationError`, before any claim is looked at.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar, Union, cast

from . import typedvalues as values
from .errors import ClaimError, ConfigurationError
from .typedhints import (
    Field,
    bare,
    dataclass_fields,
    is_typed_dict,
    meaning_of,
    name_of,
    split,
    substituted,
    typed_dict_fields,
)
from .typedmodels import model_reader, own_words
from .typedvalues import Convert, Mismatch, Reader

_CACHED: Final = 256
_CLASSES: Final = "a dataclass, a TypedDict, a pydantic or a msgspec type"
_TYPES: Final = (
    "str, int, float, bool, None, datetime, Any, Literal, Enum, list, tuple, set, dict, a union"
    f" of these, {_CLASSES}"
)


def claims_reader(kind: Any) -> Convert:
    """The function that makes a `kind` of claims, or raises ClaimError; made once per type.

    Raises:
        ConfigurationError: claims cannot be read as `kind`.
    """
    try:
        return _claims_reader(kind)
    except TypeError:  # unhashable: no type at all
        raise ConfigurationError(f"claims_as: got {kind!r}; give {_CLASSES}.") from None


@lru_cache(maxsize=_CACHED)
def _claims_reader(kind: Any) -> Convert:
    try:
        look = _Look()
        reader = look.at_class(kind)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"claims_as({name_of(kind)}) cannot be made: {error}") from error
    if reader is None:
        raise ConfigurationError(f"claims_as: got {name_of(kind)}; give {_CLASSES}.")
    convert, memo = reader.convert, look.memo

    def read(claims: Mapping[str, Any]) -> Any:
        try:
            return convert(claims if isinstance(claims, dict) else dict(claims))
        except Mismatch as mismatch:
            wrong = mismatch
        finally:
            if memo.made:
                memo.made.clear()
        # Raised out here, so that no error which may quote a value is its context.
        claim = values.joined(wrong.path[::-1])
        raise ClaimError(claim, wrong.expected, wrong.found) from wrong.cause

    return read


# --- from types to readers ----------------------------------------------------------------


class _Look:
    """One look into a type, and into those that it is made of."""

    def __init__(self) -> None:
        self.memo = values.Memo()
        self._made: dict[Any, list[Convert]] = {}

    def at(self, hint: Any, where: str) -> Reader:
        """How to read what is annotated with `hint`."""
        hint, _, _ = bare(hint)
        if isinstance(hint, TypeVar):
            return self.at(meaning_of(hint), where)
        if hasattr(hint, "__supertype__"):  # NewType
            return self.at(hint.__supertype__, where)
        origin, arguments = split(hint)
        if origin is Literal:
            return values.literal(arguments)
        if origin is Union or origin is types.UnionType:
            return values.union([self.at(member, where) for member in arguments], self.memo)
        if type(origin).__name__ == "TypeAliasType":  # PEP 695
            return self._once(hint, origin.__name__, lambda: self._alias(origin, arguments, where))
        simple = values.SIMPLE.get(hint) if origin is hint else None
        reader = simple or self.at_class(hint) or self._container(hint, where)
        if reader is None:
            raise ConfigurationError(
                f"claims_as: {where} is {name_of(hint)}; a claim can be {_TYPES}."
            )
        return reader

    def at_class(self, hint: Any) -> Reader | None:
        """How to read a class with fields; None if `hint` is something else."""
        kind, arguments = split(hint)
        if not isinstance(kind, type):
            return None
        model = model_reader(kind, hint)
        if model is not None:
            return model
        if is_typed_dict(kind):
            return self._once(hint, kind.__name__, lambda: self._typed_dict(kind, arguments))
        if dataclasses.is_dataclass(kind):
            return self._once(hint, kind.__name__, lambda: self._dataclass(kind, arguments))
        return None

    def _once(self, key: Any, label: str, make: Callable[[], Convert]) -> Reader:
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = []
            made.append(make())
        if made:
            return Reader(made[0], label)
        unfinished = made  # a type inside itself: finished before any claim is read

        def convert(value: Any) -> Any:
            return unfinished[0](value)

        return Reader(convert, label)

    def _alias(self, alias: Any, arguments: Sequence[Any], where: str) -> Convert:
        bound = dict(zip(alias.__type_params__, arguments, strict=False))
        return self.at(substituted(alias.__value__, bound), where).convert

    def _typed_dict(self, kind: Any, arguments: Sequence[Any]) -> Convert:
        fields = typed_dict_fields(kind, arguments)
        return self._filled(kind, fields, lambda found: found)

    def _dataclass(self, kind: Any, arguments: Sequence[Any]) -> Convert:
        def make(found: dict[str, Any]) -> Any:
            try:
                return kind(**found)
            except ValueError as error:  # of its __post_init__
                cause = own_words(error)
            raise Mismatch(f"what {kind.__name__} takes", "dict", cause=cause)

        return self._filled(kind, dataclass_fields(kind, arguments), make)

    def _filled(
        self, kind: Any, fields: Sequence[Field], make: Callable[[dict[str, Any]], Any]
    ) -> Convert:
        label = kind.__name__
        rows: list[tuple[str, str, Convert, str, bool]] = []
        for name, claim, hint, required in fields:
            reader = self.at(hint, f"{name_of(kind)}.{name}")
            rows.append((name, claim, reader.convert, reader.label, required))

        def convert(value: Any) -> Any:
            if not isinstance(value, dict):
                values.refuse(label, value)
            claims = cast("dict[str, Any]", value)
            found: dict[str, Any] = {}
            for name, claim, convert_claim, expected, required in rows:
                if claim in claims:
                    try:
                        found[name] = convert_claim(claims[claim])
                    except Mismatch as wrong:
                        wrong.path.append(claim)
                        raise
                elif required:
                    raise Mismatch(expected, None, [claim])
            return make(found)

        return convert

    def _container(self, hint: Any, where: str) -> Reader | None:
        origin, arguments = split(hint)
        if isinstance(origin, type) and issubclass(origin, Enum):
            return values.enum(origin)
        if origin is tuple and hint is not tuple and arguments[-1:] != (...,):
            return values.row([self.at(item, where) for item in arguments])
        if origin in _ARRAYS:
            make = _ARRAYS[origin]
            item = self.at(arguments[0] if arguments else Any, where)
            return values.array(item, make)
        if origin in _MAPPINGS:
            key, item = arguments or (str, Any)
            return values.mapping(self._key(key, where), self.at(item, where))
        return None

    def _key(self, hint: Any, where: str) -> Reader:
        reader = self.at(hint, where)
        if reader in values.SIMPLE.values() and reader.label not in ("str", "Any", "object"):
            raise ConfigurationError(
                f"claims_as: {where} has {reader.label} for keys; names in a token are str."
            )
        return reader


_ARRAYS: Final[dict[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    tuple: tuple,
    set: set,
    abc.MutableSet: set,
    frozenset: frozenset,
    abc.Set: frozenset,
}
_MAPPINGS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
