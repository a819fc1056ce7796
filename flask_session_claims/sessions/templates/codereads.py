"""The claims that Python code reads and gives, found in its syntax; nothing is run.

Found are `session_claims["x"]`, `.get("x")` and `"x" in …`, also by a name that was bound to the
claims in the same function or at the top, and the fields of a dataclass or TypedDict of the same
file that stands in `claims_as(…)`. A name that is made at run time is not found.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from ...core.claims import PROTECTED_NAMES
from ...core.errors import ConfigurationError
from .compiling import Template
from .faults import near

_T = TypeVar("_T")
_CLAIMS: Final = "session_claims"
#: Calls that give claims, and where: the keyword, or the place among the arguments.
_GIVERS: Final[dict[str, tuple[str, int | None]]] = {
    "create_session": ("claims", None),
    "create": ("claims", None),
    "merge_session_claims": ("patch", 0),
    "merge_claims": ("patch", 1),
    "merge_claims_for_user": ("patch", 1),
}
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """A claim that code reads; `line` and `column` count from 1."""

    line: int
    column: int
    name: str


def reads_of(source: str) -> tuple[Read, ...]:
    """The claims that a Python source reads, in its order.

    Raises:
        ConfigurationError: the source cannot be parsed; the message has the line.
    """
    return tuple(sorted(set(_looked_through(source, _reads))))


def gives_of(source: str) -> frozenset[str]:
    """The claims that a Python source gives by itself, at sign-in or by merging."""
    return frozenset(_looked_through(source, _given))


@dataclass(frozen=True, slots=True)
class Missing:
    """A read of a claim that nobody gives."""

    read: Read
    #: A claim that is given and looks alike.
    meant: str | None

    def __str__(self) -> str:
        said = f"line {self.read.line}: no template gives {self.read.name!r}."
        return f"{said} Did you mean {self.meant!r}?" if self.meant else said


def not_given(
    reads: Iterable[Read], templates: Iterable[Template], also: Iterable[str] = ()
) -> tuple[Missing, ...]:
    """The reads of claims that neither a template, nor `also`, nor the issuer gives."""
    given = {name for template in templates for name in template.names}.union(also)
    return tuple(
        Missing(read, near(read.name, sorted(given)))
        for read in reads
        if read.name not in given and read.name not in PROTECTED_NAMES
    )


def _looked_through(source: str, look: Callable[[ast.Module], Iterable[_T]]) -> list[_T]:
    try:
        with warnings.catch_warnings():  # of the source, which others may have written
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return list(look(tree))
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "its text"
        raise ConfigurationError(f"The source is no Python: {where} cannot be parsed.") from None
    except (ValueError, RecursionError, MemoryError):
        raise ConfigurationError("The source is no Python, or nested too deeply.") from None


def _reads(tree: ast.Module) -> Iterator[Read]:
    yield from _plain_reads(tree, frozenset())
    yield from _typed_reads(tree)


def _plain_reads(node: ast.AST, outer: frozenset[str]) -> Iterator[Read]:
    """The reads in one function or module, whose own names for the claims hide outer ones."""
    within = list(_own_nodes(node))
    bound = (outer - set(_bound(within))) | set(_bound_to_claims(within))
    for inner in within:
        if isinstance(inner, _SCOPES):
            yield from _plain_reads(inner, bound)
        key = _key_read(inner, bound)
        if key is not None and isinstance(key.value, str):
            yield Read(key.lineno, key.col_offset + 1, key.value)


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """What lies in a scope, without the insides of the functions in it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case _:
                pass


def _bound_to_claims(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr=attribute))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Attribute(attr=attribute))
                | ast.NamedExpr(target=ast.Name(id=name), value=ast.Attribute(attr=attribute))
            ) if attribute == _CLAIMS:
                yield name
            case _:
                pass


def _key_read(node: ast.AST, bound: frozenset[str]) -> ast.Constant | None:
    """The key, where the claims are read by a constant one."""
    match node:
        case ast.Subscript(value=claims, slice=ast.Constant() as key, ctx=ast.Load()):
            pass
        case ast.Call(
            func=ast.Attribute(value=claims, attr="get"), args=[ast.Constant() as key, *_]
        ):
            pass
        case ast.Compare(
            left=ast.Constant() as key, ops=[ast.In() | ast.NotIn()], comparators=[claims]
        ):
            pass
        case _:
            return None
    match claims:
        case ast.Attribute(attr=name) if name == _CLAIMS:
            return key
        case ast.Name(id=name) if name == _CLAIMS or name in bound:
            return key
        case _:
            return None


def _typed_reads(tree: ast.Module) -> Iterator[Read]:
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="claims_as"), args=[ast.Name(id=name)]):
                yield from _fields(name, classes, frozenset())
            case _:
                pass


def _fields(name: str, classes: dict[str, ast.ClassDef], seen: frozenset[str]) -> Iterator[Read]:
    found = classes.get(name)
    if found is None or name in seen:
        return
    bases = {_last(base) for base in found.bases}
    ours = bases & set(classes)
    for base in ours:
        yield from _fields(base, classes, seen | {name})
    # Models of other libraries have their own ways to name a field.
    marks = {_last(mark) for mark in found.decorator_list}
    if not (marks & {"dataclass"} or bases & {"TypedDict"} or ours):
        return
    for entry in found.body:
        match entry:
            case ast.AnnAssign(target=ast.Name(id=field)) if not _is_no_field(entry.annotation):
                yield Read(entry.lineno, entry.col_offset + 1, _renamed(entry) or field)
            case _:
                pass


def _last(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last(inner)
        case _:
            return ""


def _is_no_field(annotation: ast.expr) -> bool:
    return _last(annotation) in ("ClassVar", "InitVar", "KW_ONLY")


def _renamed(entry: ast.AnnAssign) -> str | None:
    """The claim that `metadata={"claim": …}` or `ClaimName(…)` says."""
    for node in ast.walk(entry):
        match node:
            case ast.Call(func=maker, args=[ast.Constant(value=str(name))]) if (
                _last(maker) == "ClaimName"
            ):
                return name
            case ast.keyword(arg="metadata", value=ast.Dict(keys=keys, values=values)):
                for key, value in zip(keys, values, strict=True):
                    match key, value:
                        case ast.Constant(value="claim"), ast.Constant(value=str(name)):
                            return name
                        case _:
                            pass
            case _:
                pass
    return None


def _given(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last(node.func) in _GIVERS:
            keyword, index = _GIVERS[_last(node.func)]
            values = [word.value for word in node.keywords if word.arg == keyword]
            if index is not None:
                values.extend(node.args[index : index + 1])
            for value in values:
                if isinstance(value, ast.Dict):
                    yield from (
                        key.value
                        for key in value.keys
                        if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    )
