"""Readers of pydantic and msgspec types for `typed`: their own libraries read them, strictly.

Neither is imported here: where a type of theirs exists, its module has loaded them. What they
say about a value is passed on only where it cannot quote the value.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from .errors import ConfigurationError
from .typedvalues import UNNAMED, Mismatch, Reader, kind_of, plain

_encode: Final = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
#: What pydantic puts into its own messages from the type, never from the value.
_FROM_THE_TYPE: Final = frozenset(
    "gt ge lt le multiple_of min_length max_length field_type expected pattern class class_name"
    " actual_length max_digits decimal_places whole_digits tz_expected expected_schemes"
    " expected_version discriminator".split()
)
_MSGSPEC_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$(.*)`\Z", re.DOTALL)
_MSGSPEC_PART: Final = re.compile(r"\[(\d+|\.\.\.)\]|\.([^.\[]+)")
_MSGSPEC_MISSING: Final = re.compile(r"Object missing required field `(.+)`\Z", re.DOTALL)
_MSGSPEC_EXPECTED: Final = re.compile(r"Expected (.+?)(?:, got (.+))?\Z", re.DOTALL)
_MSGSPEC_WORDS: Final = {"array": "list", "object": "dict", "null": "None"}


def model_reader(kind: type, form: Any) -> Reader | None:
    """How to read a pydantic or msgspec type; None if `kind` is neither.

    Args:
        kind: the class.
        form: the class, or what it was given type arguments in.
    """
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is not None and hasattr(kind, "__pydantic_validator__"):
        return _pydantic_reader(pydantic, form, kind)
    msgspec: Any = sys.modules.get("msgspec")
    if msgspec is not None and issubclass(kind, msgspec.Struct):
        return _msgspec_reader(msgspec, form, kind)
    return None


def own_words(error: BaseException | None) -> BaseException | None:
    """An error, unless a library made it that quotes the value in it."""
    home = type(error).__module__.partition(".")[0]
    return None if home in ("pydantic", "pydantic_core", "msgspec") else error


# --- pydantic -----------------------------------------------------------------------------


def _pydantic_reader(pydantic: Any, form: Any, kind: Any) -> Reader:
    adapter = pydantic.TypeAdapter(form)
    validate = adapter.validate_json
    config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", {})
    # A model that says strict=False gets what it says; call-level strict would win over it.
    strict = None if config.get("strict") is False else True
    label = kind.__name__

    def convert(value: Any) -> Any:
        try:
            # As JSON, since strict means there: a list for a tuple, a text for an enum.
            return validate(_encode(value), strict=strict)
        except pydantic.ValidationError as error:
            wrong = _pydantic_mismatch(error, adapter, kind, value)
        except pydantic.PydanticUserError as error:
            raise ConfigurationError(f"claims_as: {label} is not ready: {error}") from error
        raise wrong

    return Reader(convert, label)


def _pydantic_mismatch(error: Any, adapter: Any, kind: Any, value: Any) -> Mismatch:
    faults = cast("list[dict[str, Any]]", error.errors(include_url=False))
    names = _strings(adapter.core_schema)
    path = _pydantic_path(faults[0], names, value)
    first, asked = faults[0], _declared(kind, path)
    if first["type"] == "missing":
        return Mismatch(asked or "a value", None, path[::-1])
    alike = [fault for fault in faults if _pydantic_path(fault, names, value) == path]
    texts = [_pydantic_expected(fault, asked) for fault in alike]
    context: dict[str, Any] = first.get("ctx") or {}
    cause = context.get("error")
    return Mismatch(
        " or ".join(dict.fromkeys(texts)),
        kind_of(first["input"]),
        path[::-1],
        own_words(cause) if isinstance(cause, Exception) else None,
    )


def _pydantic_path(fault: Mapping[str, Any], names: set[str], value: Any) -> list[str]:
    path: list[str] = []
    place = fault["loc"]
    here: Any = value
    for index, part in enumerate(place):
        ends_here = fault["type"] == "missing" and index == len(place) - 1
        if isinstance(part, int):
            path.append(f"[{part}]")
            here = _item(here, part)
        elif isinstance(here, dict) and (part in here or ends_here):
            path.append(part if part in names else UNNAMED)
            here = cast("dict[str, Any]", here).get(part)
        # else the name of a union's member, which is no place in the claims
    return path


def _pydantic_expected(fault: Mapping[str, Any], asked: str | None) -> str:
    known = _pydantic_codes()
    if fault["type"] in known and set(fault.get("ctx") or ()) <= _FROM_THE_TYPE:
        said: str = fault["msg"]
        return said.removeprefix("Input should be ")
    return f"a value that the validators of {asked or 'the type'} take"


def _pydantic_codes() -> frozenset[str]:
    """The codes of pydantic's own messages; a type's author may make others."""
    core: Any = sys.modules["pydantic_core"]
    return frozenset(core.core_schema.ErrorType.__args__)


def _strings(schema: object) -> set[str]:
    """Every string in a core schema: the words that come from the type, not from a token."""
    if isinstance(schema, str):
        return {schema}
    found: set[str] = set()
    if isinstance(schema, Mapping):
        for name, inner in cast("Mapping[Any, Any]", schema).items():
            found |= _strings(name) | _strings(inner)
    elif isinstance(schema, (list, tuple)):
        for inner in cast("Sequence[Any]", schema):
            found |= _strings(inner)
    return found


# --- msgspec ------------------------------------------------------------------------------


def _msgspec_reader(msgspec: Any, form: Any, kind: Any) -> Reader:
    msgspec.json.Decoder(form)  # finds out now whether the type can be read
    label = kind.__name__

    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(plain(value), form, strict=True, str_keys=True)
        except msgspec.ValidationError as error:
            wrong = _msgspec_mismatch(error, kind, value)
        raise wrong

    return Reader(convert, label)


def _msgspec_mismatch(error: Exception, kind: Any, value: Any) -> Mismatch:
    said = str(error)
    place = _MSGSPEC_PLACE.search(said)
    path: list[str] = []
    if place is not None:
        said = said[: place.start()]
        for index, name in _MSGSPEC_PART.findall(place[1]):
            path.append(name or (UNNAMED if index == "..." else f"[{index}]"))
    missing = _MSGSPEC_MISSING.match(said)
    if missing is not None and error.__cause__ is None:
        path.append(missing[1])
        return Mismatch(_declared(kind, path) or "a value", None, path[::-1])
    asked, found = _declared(kind, path), _found(value, path)
    expected = _MSGSPEC_EXPECTED.match(said)
    if expected is None or error.__cause__ is not None:
        text = f"a value that {asked or kind.__name__} takes"
        return Mismatch(text, found, path[::-1], own_words(error.__cause__))
    if UNNAMED in path and expected[2] is not None:
        found = _in_python(expected[2])
    return Mismatch(_in_python(expected[1]), found, path[::-1])


def _in_python(said: str) -> str:
    words = re.sub(r"\w+", lambda word: _MSGSPEC_WORDS.get(word[0], word[0]), said)
    return words.replace("`", "")


def _found(value: Any, path: Sequence[str]) -> str:
    here = value
    for part in path:
        if isinstance(here, dict) and part in here:
            here = cast("dict[str, Any]", here)[part]
        elif part[1:-1].isdigit():
            here = _item(here, int(part[1:-1]))
        else:
            return "something else"
    return kind_of(here)


# --- both ---------------------------------------------------------------------------------


def _item(here: Any, index: int) -> Any:
    items = cast("Sequence[Any]", here if isinstance(here, (list, tuple)) else ())
    return items[index] if index < len(items) else None


def _declared(kind: Any, path: Sequence[str]) -> str | None:
    """What a model says about the claim at `path`, as far as models name each other there."""
    hint: Any = kind
    for part in path:
        fields = _hints(hint)
        if part not in fields:
            return None
        hint = fields[part]
    name = getattr(hint, "__name__", None) if isinstance(hint, type) else None
    return name or str(hint).replace("typing.", "")


def _hints(kind: Any) -> dict[str, Any]:
    """Claim -> annotation, for a pydantic or msgspec class; empty for anything else."""
    hints: dict[str, Any] = {}
    if not isinstance(kind, type):
        return hints
    described: Any = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "model_fields", {})
    for name, field in described.items():
        alias = field.validation_alias
        hints[alias if isinstance(alias, str) else name] = field.annotation
    msgspec: Any = sys.modules.get("msgspec")
    if msgspec is not None and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            hints[field.encode_name] = field.type
    return hints
