"""What holds for every template and every profile: strict JSON, fixed names, fixed structure."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flask_session_claims.core.jsontext import freeze, parse_object
from flask_session_claims.sessions.claims import accept, encode
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.faults import TemplateRefused
from flask_session_claims.sessions.templates.located import Misread, Object, Reader
from flask_session_claims.sessions.templates.rendering import preview, render
from flask_session_claims.sessions.templates.shortcodes import SHORTCODES
from flask_session_claims.sessions.templates.subject import Subject, UserView

#: Text as people type it, and text as somebody would who knows the language.
profile_text = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["{{", "}}", "user.id", '"', "\\", "'", "||", ",", ":", "\n", "[", "{"]),
        max_size=12,
    ).map("".join),
)
any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), profile_text, any_text
)  # fmt: skip
metadata = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(profile_text, inner, max_size=3)
    ),
    max_leaves=12,
)
names = st.sampled_from([*SHORTCODES, "user.public_metadata.t", "user.public_metadata.t.a",
                         "user.nope"])  # fmt: skip
operands = st.one_of(names, st.sampled_from(["'x'", "true", "false", "0", "''", "-1.5"]))
codes = st.lists(operands, min_size=1, max_size=3).map(lambda o: "{{" + " || ".join(o) + "}}")
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        codes,
        st.lists(st.one_of(codes, st.text('ab {}é☃"\\', max_size=5)), max_size=4).map("".join),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
templates = st.dictionaries(st.text('abcdé☃"\\ ', min_size=1, max_size=6), values, max_size=6)
relaxed = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def subject_of(name, data):
    unchecked = freeze({"t": data, "plan": "pro"})
    return Subject(UserView(id="user_1", first_name=name, public_metadata=unchecked))


def compiled_or_not(template):
    with suppress(TemplateRefused):
        return compile_template(template, most=4000)
    return None


@relaxed
@given(templates, st.one_of(profile_text, any_text), metadata)
def test_what_is_rendered_is_strict_json_within_the_budget(template, name, data):
    compiled = compiled_or_not(template)
    assume(compiled is not None)
    assert compiled is not None
    seen = preview(compiled, subject_of(name, data))
    if seen.refusal is not None:
        assert seen.refusal.code in ("claims-invalid", "claims-too-large")
        return
    claims = render(compiled, subject_of(name, data))
    encoded = encode(claims)
    assert (claims, len(encoded)) == (seen.claims, seen.size)
    assert len(encoded) <= 1200
    assert parse_object(encoded) == claims
    assert accept(claims) == claims


def skeleton(value):
    """Structure and names alone: what a user must have no hand in."""
    if isinstance(value, dict):
        return {name: skeleton(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [skeleton(inner) for inner in value]
    return None


TEXTS = ("first_name", "last_name", "username", "primary_email_address", "image_url")
OF_TEXTS = compile_template(
    {
        "whole": "{{user.first_name}}",
        "in": {"text": "a {{user.last_name}} b {{user.username}}", "list": ["{{user.full_name}}"]},
        "or": "{{user.primary_email_address || 'none'}}",
        "json": '{"name": "{{user.first_name}}", "admin": false}',
        "image": ["{{user.image_url}}", {"x": "{{user.image_url}}!"}],
    }
)


@relaxed
@given(st.fixed_dictionaries({field: st.none() | profile_text for field in TEXTS}))
def test_profile_text_changes_neither_structure_nor_names(profile):
    subject = Subject(UserView(id="user_1", **profile))
    claims = render(OF_TEXTS, subject, most=100_000)
    plain = render(OF_TEXTS, Subject(UserView(id="user_1")))
    assert skeleton(claims) == skeleton(plain) == skeleton(json.loads(OF_TEXTS.text))
    assert json.loads(encode(claims)) == claims
    shown = {field: "null" if text is None else text for field, text in profile.items()}
    assert claims["whole"] == profile["first_name"]
    assert claims["in"]["text"] == f"a {shown['last_name']} b {shown['username']}"
    assert claims["image"] == [profile["image_url"], {"x": f"{shown['image_url']}!"}]


fragments = st.sampled_from(
    ["{", "}", "[", "]", '"', ":", ",", "{{", "}}", "user", ".", "id", "||", "'", "\\", " ", "1",
     "-", "e", "null", '"a"', "true", "\n", "\\u00", "é", '"{{user.id}}"']
)  # fmt: skip


@relaxed
@given(st.text(max_size=200) | st.lists(fragments, max_size=40).map("".join))
def test_any_text_compiles_or_is_refused(text):
    for source in (text, f'{{"a": {text}}}', json.dumps({"a": text})):
        problems, compiled = compiled_or_problems(source)
        for problem in problems:
            lines = source.split("\n")
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        if compiled is not None:
            assert json.loads(source) == json.loads(compiled.text)
            with suppress(ClaimsRefused):
                render(compiled, subject_of("x", None))


def compiled_or_problems(source):
    try:
        return (), compile_template(source)
    except TemplateRefused as refused:
        return refused.problems, None


json_text = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner,
                                                                max_size=3),
    max_leaves=10,
)  # fmt: skip


@relaxed
@given(st.dictionaries(st.text(max_size=4), json_text, max_size=4), st.booleans(), st.booleans())
def test_json_is_read_as_the_standard_library_reads_it(data, ascii_only, indented):
    text = json.dumps(data, ensure_ascii=ascii_only, indent=2 if indented else None)

    def plain(value):
        if isinstance(value, Object):
            return {name.value: plain(inner) for name, inner in value.members}
        return [plain(i) for i in value.items] if hasattr(value, "items") else value.value

    try:
        read = Reader(text).read()
    except Misread as misread:
        message = misread.message
    else:
        assert plain(read) == data
        assert json.dumps(plain(read)) == json.dumps(data)
        return
    assert "in one another" in message


@pytest.mark.parametrize("text", ["é☃", "a\\b", '\U0001f600\n"{{', "\x7f\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_each_character_of_a_text_has_its_place(text, ascii_only):
    written = json.dumps({"a": text}, ensure_ascii=ascii_only)
    read = Reader(written).read()
    assert isinstance(read, Object)
    ((_, scalar),) = read.members
    places = scalar.places()
    assert len(places) == len(text) + 1
    pieces = [written[a:b] for a, b in pairwise(places)]
    assert [json.loads(f'"{piece}"') for piece in pieces] == list(text)
    assert written[places[-1]] == '"'
