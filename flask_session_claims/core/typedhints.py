"""What the fields of a dataclass or TypedDict are annotated with, for `typed`.

Names in text are looked up, type variables are replaced, qualifiers are taken off. Whatever
cannot be made out is a `ConfigurationError` that names the field.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from .errors import ConfigurationError

_QUALIFIERS: Final = ("Final", "NotRequired", "ReadOnly", "Required")


@dataclasses.dataclass(frozen=True, slots=True)
class ClaimName:
    """The claim that a field is read from: `name: Annotated[str, ClaimName("fullName")]`."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(
                f"ClaimName: got {self.name!r}; write the name of a claim, as a string."
            )


class Field(NamedTuple):
    """A field to fill: its name, its claim, its type, and whether the claim must be there."""

    name: str
    claim: str
    hint: Any
    required: bool


def name_of(hint: Any) -> str:
    """A type as its author would write it, near enough."""
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint.__qualname__.rpartition("<locals>.")[2]
    return str(hint).replace("typing.", "")


def split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and its arguments: `list[int]` is `list` and `(int,)`."""
    origin = get_origin(hint)
    return (hint, ()) if origin is None else (origin, get_args(hint))


def bare(hint: Any) -> tuple[Any, set[str], list[str]]:
    """A type without what is written around it; the qualifiers and claim names in that."""
    qualifiers: set[str] = set()
    claims: list[str] = []
    forms = _qualifier_forms()
    while True:
        origin, arguments = split(hint)
        if origin is Annotated:
            noted = [extra for extra in hint.__metadata__ if isinstance(extra, ClaimName)]
            claims.extend(extra.name for extra in noted)
        elif arguments and origin in forms:
            qualifiers.add(forms[origin])
        else:
            return hint, qualifiers, claims
        hint = arguments[0]


def _qualifier_forms() -> dict[Any, str]:
    homes = (typing, sys.modules.get("typing_extensions"))
    found = {getattr(home, name, None): name for home in homes for name in _QUALIFIERS}
    found.pop(None, None)
    return found


# --- type variables -----------------------------------------------------------------------


def substituted(hint: Any, bound: Mapping[Any, Any]) -> Any:
    """`hint` with what its type variables stand for."""
    if isinstance(hint, TypeVar):
        return bound[hint] if hint in bound else meaning_of(hint)
    if get_origin(hint) is None:
        return hint
    variables = getattr(hint, "__parameters__", ())
    return (
        hint[tuple(substituted(variable, bound) for variable in variables)] if variables else hint
    )


def meaning_of(variable: TypeVar) -> Any:
    """What a type variable allows where nobody said what it is."""
    default: Any = getattr(variable, "__default__", None)  # PEP 696
    if default is not None and default is not getattr(typing, "NoDefault", None):
        return default
    if variable.__constraints__:
        return Union[variable.__constraints__]  # noqa: UP007 (of a tuple)
    return Any if variable.__bound__ is None else variable.__bound__


def _bindings(kind: Any, arguments: Sequence[Any]) -> dict[Any, dict[Any, Any]]:
    """For a class and each of its bases: type variable -> what it stands for."""
    own = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    found = {kind: own}
    for base in kind.__dict__.get("__orig_bases__", kind.__bases__):
        origin, given = split(base)
        if isinstance(origin, type):
            inner = _bindings(origin, [substituted(item, own) for item in given])
            found.update((owner, bound) for owner, bound in inner.items() if owner not in found)
    for base in kind.__bases__:
        if base not in found:
            found.update(_bindings(base, ()))
    return found


# --- the fields of a class ----------------------------------------------------------------


def is_typed_dict(kind: Any) -> bool:
    """Whether it is a TypedDict, of `typing` or of `typing_extensions`."""
    return (
        isinstance(kind, type)
        and issubclass(kind, dict)
        and hasattr(cast("Any", kind), "__required_keys__")
    )


def typed_dict_fields(kind: Any, arguments: Sequence[Any]) -> list[Field]:
    """The keys of a TypedDict."""
    fields: list[Field] = []
    for name, found in _typed_dict_hints(kind, arguments).items():
        where = f"{name_of(kind)}.{name}"
        hint, qualifiers, claims = bare(found)
        # Where annotations are text, the class does not know what they say of being required.
        required = "Required" in qualifiers or (
            "NotRequired" not in qualifiers and name in kind.__required_keys__
        )
        fields.append(Field(name, _claim(where, name, claims), hint, required))
    return fields


def _typed_dict_hints(kind: Any, arguments: Sequence[Any]) -> dict[str, Any]:
    names = _names_in(kind)
    module = vars(sys.modules[kind.__module__])

    def look_up() -> dict[str, Any]:
        written = typing.get_type_hints(kind, localns=names, include_extras=True)
        return {name: _deep(hint, {}, {**module, **names}) for name, hint in written.items()}

    own = _looked_up(name_of(kind), kind, look_up)
    bound = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    hints = {name: substituted(hint, bound) for name, hint in own.items()}
    for base in kind.__dict__.get("__orig_bases__", ()):
        origin, given = split(base)
        if is_typed_dict(origin):
            inherited = _typed_dict_hints(origin, [substituted(item, bound) for item in given])
            written, before = kind.__annotations__, origin.__annotations__
            hints |= {name: inherited[name] for name in before if written[name] == before[name]}
    return hints


def dataclass_fields(kind: Any, arguments: Sequence[Any]) -> list[Field]:
    """What the constructor of a dataclass takes: fields with `init`, and `InitVar`s."""
    declared: dict[str, Any] = kind.__dataclass_fields__
    bindings = _bindings(kind, arguments)
    fields: list[Field] = []
    for parameter in inspect.signature(kind).parameters.values():
        name, required = parameter.name, parameter.default is parameter.empty
        where = f"{name_of(kind)}.{name}"
        if name not in declared or parameter.kind is parameter.POSITIONAL_ONLY:
            if required and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                raise ConfigurationError(
                    f"claims_as: {where} is asked for by __init__ and is no field that can be"
                    " given by name; give it a default."
                )
            continue
        field = declared[name]
        owner = _owner(kind, field)
        found = _evaluated(field.type, owner, where)
        hint, _, claims = bare(substituted(found, bindings.get(owner, {})))
        if "claim" in field.metadata:
            claims.append(field.metadata["claim"])
        fields.append(Field(name, _claim(where, name, claims), hint, required))
    return fields


def _claim(where: str, name: str, given: Sequence[Any]) -> str:
    named = set(map(str, given))
    if len(named) > 1 or not all(isinstance(claim, str) and claim for claim in given):
        raise ConfigurationError(
            f"claims_as: {where} is read from the claim {' and '.join(map(repr, given))}; name"
            " one claim, as a string."
        )
    return named.pop() if named else name


def _owner(kind: Any, field: Any) -> Any:
    """The class that wrote a field down: its module knows the names in the annotation."""
    holders = [
        base
        for base in kind.__mro__
        if base.__dict__.get("__dataclass_fields__", {}).get(field.name) is field
    ]
    return holders[-1] if holders else kind


# --- names --------------------------------------------------------------------------------


def _names_in(owner: Any) -> dict[str, Any]:
    """What text in a class's annotations may mean besides the names of its module."""
    variables = getattr(owner, "__type_params__", ())  # PEP 695
    return {owner.__name__: owner, **{variable.__name__: variable for variable in variables}}


def _evaluated(written: Any, owner: Any, where: str) -> Any:
    """An annotation with every text in it looked up."""
    held = cast("Mapping[str, Any]", vars(owner))
    inner = {name: value for name, value in held.items() if isinstance(value, type)}
    known = {**vars(sys.modules[owner.__module__]), **_names_in(owner)}

    def look_up() -> Any:
        hint = eval(written, inner, known) if isinstance(written, str) else written  # noqa: S307 (the app's own code)
        if hint is dataclasses.InitVar:
            return Any
        if isinstance(hint, dataclasses.InitVar):
            hint = hint.type  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

        def holder() -> None: ...

        holder.__annotations__ = {"it": hint}
        found = typing.get_type_hints(holder, inner, known, include_extras=True)["it"]
        return _deep(found, inner, known)

    return _looked_up(where, owner, look_up)


def _deep(hint: Any, inner: dict[str, Any], known: dict[str, Any]) -> Any:
    """`hint` with the text in it looked up that Python 3.10 leaves: `list["Node"]`."""
    if sys.version_info >= (3, 11):
        return hint
    if isinstance(hint, str):
        return eval(hint, inner, known)  # noqa: S307 (the app's own code)
    origin, arguments = split(hint)
    if not arguments or origin is Literal:
        return hint
    types_end = 1 if origin is Annotated else len(arguments)  # then come notes
    meant = tuple(_deep(argument, inner, known) for argument in arguments[:types_end])
    meant += arguments[types_end:]
    if meant == arguments:
        return hint
    return Union[meant] if origin is types.UnionType else origin[meant]  # noqa: UP007 (of a tuple)


def _looked_up(where: str, owner: Any, look_up: Callable[[], Any]) -> Any:
    try:
        return look_up()
    except NameError as error:
        raise ConfigurationError(
            f"claims_as: {where}: the name {error.name!r} is not known in the module"
            f" {owner.__module__}. Define or import it at the top of that module, not in a"
            " function and not under `if TYPE_CHECKING`."
        ) from error
