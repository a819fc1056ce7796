"""What claims a template can give, as shapes: kinds of scalar, objects, arrays."""

from __future__ import annotations

from dataclasses import dataclass

from .compiling import Template
from .nodes import Choice, Constant, Items, Lookup, Members, Mixed, Node
from .shortcodes import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    TEXT,
    UNKNOWN,
    Kinds,
    kinds_of,
)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with known members, all of them there."""

    fields: tuple[tuple[str, Shape], ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array; without shapes an empty one."""

    items: tuple[Shape, ...]


Shape = Kinds | Fields | ListOf


def shape_of(template: Template) -> Fields:
    """The claims of a template."""
    return _fields(template.root)


def _fields(node: Members) -> Fields:
    return Fields(tuple((name, _shape(inner)) for name, _, inner in node.members))


def _shape(node: Node) -> Shape:
    match node:
        case Members():
            return _fields(node)
        case Items():
            found = [_shape(item) for item in node.items]
            scalars = [shape for shape in found if isinstance(shape, frozenset)]
            others = dict.fromkeys(s for s in found if not isinstance(s, frozenset))
            together: list[Shape] = [frozenset[str]().union(*scalars)] if scalars else []
            return ListOf((*together, *others))
        case Constant() | Lookup():
            return _kinds(node)
        case Choice():
            return _chosen(node)
        case Mixed():
            return frozenset({TEXT})
        case _:
            return frozenset({UNKNOWN})


def _kinds(node: Constant | Lookup) -> Kinds:
    if isinstance(node, Lookup):
        return kinds_of(node.code, node.keys)
    if node.value is None:
        return frozenset({NULL})
    kind: dict[object, str] = {bool: BOOLEAN, int: INTEGER, float: NUMBER, str: TEXT}
    return frozenset({kind[type(node.value)]})


def _chosen(node: Choice) -> Kinds:
    """Null is passed over by all but the last operand; what is reached ends with a sure one."""
    *first, last = node.operands
    together = frozenset[str]()
    for operand in first:
        kinds = _kinds(operand)
        passes = isinstance(operand, Constant) and operand.value is False
        if not passes:
            together |= kinds - {NULL}
        if not passes and not kinds & {NULL, BOOLEAN, UNKNOWN}:
            return together
    return together | _kinds(last)
