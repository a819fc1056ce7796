"""The type of a template's claims, as source text: Python, TypeScript, JSON Schema.

Code and browser can share it with the template: what the template gives is the one truth.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable
from typing import Any, Final

from ...core.errors import ConfigurationError
from .compiling import Template
from .shapes import Fields, ListOf, Shape, shape_of
from .shortcodes import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    ROLES,
    TEXT,
    TEXTS,
    UNKNOWN,
    Kinds,
)

_PYTHON: Final = {
    TEXT: "str",
    BOOLEAN: "bool",
    INTEGER: "int",
    NUMBER: "float",
    OBJECT: "dict[str, Any]",
    TEXTS: "list[str]",
    ROLES: "dict[str, str]",
    UNKNOWN: "Any",
    NULL: "None",
}
_TYPESCRIPT: Final = {
    TEXT: "string",
    BOOLEAN: "boolean",
    INTEGER: "number",
    NUMBER: "number",
    OBJECT: "Record<string, unknown>",
    TEXTS: "string[]",
    ROLES: "Record<string, string>",
    UNKNOWN: "unknown",
    NULL: "null",
}
_SCHEMA: Final[dict[str, dict[str, Any]]] = {
    TEXT: {"type": "string"},
    BOOLEAN: {"type": "boolean"},
    INTEGER: {"type": "integer"},
    NUMBER: {"type": "number"},
    OBJECT: {"type": "object"},
    TEXTS: {"type": "array", "items": {"type": "string"}},
    ROLES: {"type": "object", "additionalProperties": {"type": "string"}},
    UNKNOWN: {},
    NULL: {"type": "null"},
}
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def python_types(template: Template, *, name: str = "Claims") -> str:
    """A module with a TypedDict, for `claims_as` and for annotations.

    Raises:
        ConfigurationError: `name` is no name of a class.
    """
    module = _Module(_checked(name))
    module.add(shape_of(template), name)
    imports = "from typing import Any, TypedDict" if module.any else "from typing import TypedDict"
    return "\n\n\n".join([imports, *module.classes]) + "\n"


class _Module:
    """Classes on their way, the inner ones first."""

    def __init__(self, name: str) -> None:
        self.classes: list[str] = []
        self.any = False
        self._taken = {name, "Any", "TypedDict", *_PYTHON.values(), "dict", "list"}

    def add(self, shape: Fields, name: str) -> None:
        members = [(field, self._type(inner, name, field)) for field, inner in shape.fields]
        if all(_is_plain(field) for field, _ in members):
            lines = [f"    {field}: {hint}" for field, hint in members] or ["    pass"]
            self.classes.append("\n".join([f"class {name}(TypedDict):", *lines]))
        else:
            lines = [
                f"        {json.dumps(field, ensure_ascii=False)}: {hint},"
                for field, hint in members
            ]
            body = "\n".join([f'    "{name}",', "    {", *lines, "    },"])
            self.classes.append(f"{name} = TypedDict(\n{body}\n)")

    def _type(self, shape: Shape, owner: str, field: str) -> str:
        if isinstance(shape, Fields):
            name = self._name(owner, field)
            self.add(shape, name)
            return name
        if isinstance(shape, ListOf):
            # One name per field: items that differ get numbers.
            items = [self._type(item, owner, field) for item in shape.items]
            if not items:
                self.any = True
            return f"list[{' | '.join(items) or 'Any'}]"
        self.any = self.any or bool(shape & {OBJECT, UNKNOWN})
        return _union(shape, _PYTHON)

    def _name(self, owner: str, field: str) -> str:
        words = re.findall(r"[A-Za-z0-9]+", field)
        wanted = owner + "".join(word[0].upper() + word[1:] for word in words)
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        return name


def _is_plain(field: str) -> bool:
    # Two underscores at the front are mangled inside a class.
    fine = field.isidentifier() and field.isascii() and not field.startswith("__")
    return fine and not keyword.iskeyword(field)


def typescript_types(template: Template, *, name: str = "Claims") -> str:
    """A TypeScript interface.

    Raises:
        ConfigurationError: `name` is no name of an interface.
    """
    body = _typescript(shape_of(template), "")
    return f"export interface {_checked(name)} {body}\n"


def _typescript(shape: Shape, indent: str) -> str:
    if isinstance(shape, Fields):
        if not shape.fields:
            return "{}"
        inner = indent + "  "
        lines = (f"{inner}{_key(f)}: {_typescript(s, inner)};" for f, s in shape.fields)
        return "\n".join(["{", *lines, indent + "}"])
    if isinstance(shape, ListOf):
        items = [_typescript(item, indent) for item in shape.items]
        return f"Array<{' | '.join(items) or 'never'}>"
    return _union(shape, _TYPESCRIPT)


def _key(field: str) -> str:
    return field if _IDENTIFIER.fullmatch(field) else json.dumps(field)


def json_schema(template: Template, *, name: str = "Claims") -> str:
    """A JSON Schema (2020-12) as indented JSON text.

    Other claims may stand beside: the issuer's own are no part of a template.
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    return json.dumps({**schema, **_schema(shape_of(template))}, indent=2) + "\n"


def _schema(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, Fields):
        return {
            "type": "object",
            "properties": {field: _schema(inner) for field, inner in shape.fields},
            "required": [field for field, _ in shape.fields],
        }
    if isinstance(shape, ListOf):
        if not shape.items:
            return {"type": "array", "maxItems": 0}
        return {"type": "array", "items": _any_of([_schema(item) for item in shape.items])}
    if UNKNOWN in shape:
        return {}
    return _any_of([_SCHEMA[kind] for kind in _SCHEMA if kind in shape])


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    if len(schemas) == 1:
        return schemas[0]
    if all(schema.keys() == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _union(kinds: Kinds, words: dict[str, str]) -> str:
    if UNKNOWN in kinds:
        return words[UNKNOWN]
    return " | ".join(dict.fromkeys(words[kind] for kind in words if kind in kinds))


def _checked(name: str) -> str:
    if not _is_plain(name):
        raise ConfigurationError(
            f"{name[:64]!r} cannot name a type; write letters, such as Claims."
        )
    return name


#: By the option of `template types`.
TYPES: Final[dict[str, Callable[..., str]]] = {
    "python": python_types,
    "typescript": typescript_types,
    "jsonschema": json_schema,
}
