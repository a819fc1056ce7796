"""The types of a template's claims: the texts, and that they are true of what is rendered."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings

from flask_session_claims import Auth, ConfigurationError
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.rendering import render
from flask_session_claims.sessions.templates.typesof import (
    TYPES,
    json_schema,
    python_types,
    typescript_types,
)

from .people import MARIA, NOBODY
from .test_properties import compiled_or_not, metadata, profile_text, relaxed, subject_of, templates

TEMPLATE = {
    "fullName": "{{user.full_name}}",
    "plan": "{{user.public_metadata.plan}}",
    "hello": "Hi {{user.first_name}}",
    "name": "{{user.first_name || user.last_name || 'you'}}",
    "verified": "{{user.email_verified || user.phone_number_verified}}",
    "since": "{{user.created_at}}",
    "roles": "{{user.organizations}}",
    "may": "{{org_membership.permissions || false}}",
    "all": "{{org.public_metadata}}",
    "address": {"city": "{{user.public_metadata.city || 'Rome'}}", "class": 1},
    "list": ["{{user.id}}", 1.5, {"x": None}, ["a"], ["b"]],
    "none": [],
    "https://example.com/é": True,
    "nothing": "{{user.nothing}}",
}

PYTHON = """\
from typing import Any, TypedDict


MeAddress = TypedDict(
    "MeAddress",
    {
        "city": Any,
        "class": int,
    },
)


class MeList(TypedDict):
    x: None


Me = TypedDict(
    "Me",
    {
        "fullName": str | None,
        "plan": Any,
        "hello": str,
        "name": str,
        "verified": bool,
        "since": int | None,
        "roles": dict[str, str],
        "may": bool | list[str],
        "all": dict[str, Any] | None,
        "address": MeAddress,
        "list": list[str | float | MeList | list[str]],
        "none": list[Any],
        "https://example.com/é": bool,
        "nothing": None,
    },
)
"""

TYPESCRIPT = """\
export interface Me {
  fullName: string | null;
  plan: unknown;
  hello: string;
  name: string;
  verified: boolean;
  since: number | null;
  roles: Record<string, string>;
  may: boolean | string[];
  all: Record<string, unknown> | null;
  address: {
    city: unknown;
    class: number;
  };
  list: Array<string | number | {
    x: null;
  } | Array<string>>;
  none: Array<never>;
  "https://example.com/\\u00e9": boolean;
  nothing: null;
}
"""


def test_python():
    assert python_types(compile_template(TEMPLATE), name="Me") == PYTHON


def test_typescript():
    assert typescript_types(compile_template(TEMPLATE), name="Me") == TYPESCRIPT


def test_json_schema():
    schema = json.loads(json_schema(compile_template(TEMPLATE), name="Me"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["type"]) == ("Me", "object")
    assert schema["required"] == list(TEMPLATE)
    assert schema["properties"]["address"]["properties"] == {
        "city": {},
        "class": {"type": "integer"},
    }
    assert schema["properties"] | {"list": 0, "address": 0} == {
        "fullName": {"type": ["string", "null"]},
        "plan": {},
        "hello": {"type": "string"},
        "name": {"type": "string"},
        "verified": {"type": "boolean"},
        "since": {"type": ["integer", "null"]},
        "roles": {"type": "object", "additionalProperties": {"type": "string"}},
        "may": {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]},
        "all": {"type": ["object", "null"]},
        "none": {"type": "array", "maxItems": 0},
        "https://example.com/é": {"type": "boolean"},
        "nothing": {"type": "null"},
        "list": 0,
        "address": 0,
    }


def test_a_plain_template_is_a_plain_class():
    template = compile_template({"a": "{{user.id}}", "b": {"c": {}, "C": {"d": 1}}, "B": {"e": 1}})
    assert python_types(template) == (
        "from typing import TypedDict\n\n\n"
        "class ClaimsBC(TypedDict):\n    pass\n\n\n"
        "class ClaimsBC2(TypedDict):\n    d: int\n\n\n"
        "class ClaimsB(TypedDict):\n    c: ClaimsBC\n    C: ClaimsBC2\n\n\n"
        "class ClaimsB2(TypedDict):\n    e: int\n\n\n"
        "class Claims(TypedDict):\n    a: str\n    b: ClaimsB\n    B: ClaimsB2\n"
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{user.id || user.first_name}}", "str"),
        ("{{user.first_name || user.created_at}}", "str | int | None"),
        ("{{user.first_name || false}}", "str | bool"),
        ("{{false || user.id}}", "str"),
        ("{{user.email_verified || 1}}", "bool | int"),
        ("{{user.email_verified || user.first_name || 1}}", "str | bool | int"),
        ("{{user.public_metadata || 1}}", "dict[str, Any]"),
        ("{{user.public_metadata.x || 1}}", "Any"),
        ("{{user.nope || 1}}", "int"),
        ("{{1.5}}", "float"),
        ("{{session.actor.sub}}", "Any"),
        ("{{user.organizations.org_1}}", "str | None"),
        ("{{user.organizations.org_1.x}}", "None"),
        ("{{user.id.x}}", "None"),
    ],
)
def test_of_fall_backs_what_can_be_reached_counts(text, hint):
    assert f"    x: {hint}\n" in python_types(compile_template({"x": text}))


@pytest.mark.parametrize("name", ["", "a b", "class", "1x", "A;", "é", "__x"])
@pytest.mark.parametrize("make", [python_types, typescript_types])
def test_a_type_has_a_name_that_can_be_one(make, name):
    with pytest.raises(ConfigurationError, match="cannot name a type"):
        make(compile_template({}), name=name)


def test_the_kinds_of_text_that_can_be_had():
    assert sorted(TYPES) == ["jsonschema", "python", "typescript"]


def fits(value, schema):
    """Whether a value is what the used part of JSON Schema says."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    kinds = schema.get("type")
    if kinds is None:
        return True
    kind_of = {str: "string", bool: "boolean", int: "integer", float: "number",
               type(None): "null"}  # fmt: skip
    kind = kind_of.get(type(value), "object" if isinstance(value, dict) else "array")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        return False
    if kind == "object":
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", {})
        return all(name in value for name in schema.get("required", ())) and all(
            fits(inner, known.get(name, other)) for name, inner in value.items()
        )
    if kind == "array":
        return len(value) <= schema.get("maxItems", len(value)) and all(
            fits(item, schema.get("items", {})) for item in value
        )
    return True


def typed(template, claims):
    """The claims as the TypedDict that the Python text defines."""
    space: dict = {}
    exec(compile(python_types(template), "made", "exec", dont_inherit=True), space)  # noqa: S102
    auth = Auth(is_authenticated=True, user_id="user_1", session_claims=dict(claims))
    return auth.claims_as(space["Claims"])


@pytest.mark.parametrize("subject", [MARIA, NOBODY])
def test_the_types_are_true_of_what_is_rendered(subject):
    template = compile_template(TEMPLATE)
    claims = render(template, subject)
    assert typed(template, claims) == claims
    assert fits(claims, json.loads(json_schema(template)))
    assert not fits({**claims, "hello": 1}, json.loads(json_schema(template)))


@settings(relaxed, max_examples=40)
@given(templates, profile_text, metadata)
def test_the_types_are_true_of_any_template(source, name, data):
    template = compiled_or_not(source)
    assume(template is not None)
    assert template is not None
    claims = None
    try:
        claims = render(template, subject_of(name, data), most=4000)
    except ClaimsRefused:
        assume(False)
    assert claims is not None
    assert typed(template, claims).keys() == claims.keys()
    assert fits(claims, json.loads(json_schema(template)))
