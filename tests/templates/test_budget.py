"""The budget of rendered claims, to the byte: n fits, n + 1 does not."""

from __future__ import annotations

import pytest

from flask_session_claims.core.jsontext import freeze
from flask_session_claims.sessions.claims import check_size, size
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.limits import CLAIMS_BYTES
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.rendering import preview, render
from flask_session_claims.sessions.templates.subject import Subject, UserView

from .people import MARIA, rendered, with_metadata

TEMPLATES = [
    {"a": "{{user.public_metadata.t}}"},
    {"a": "{{user.public_metadata.t}}!", "b": [1, 2.5, None, True, False, {}]},
    {"a": ["x", {"b": "{{user.public_metadata.gone || user.public_metadata.t}}"}], "é☃": 1},
    {"a": "{{user.public_metadata.list}}"},
    {"a": "list: {{user.public_metadata.list}}"},
    {"a": {"b": "{{user.public_metadata}}"}, "c": []},
    {"a": "{{user.first_name}}", "b": "{{user.email_verified}} {{user.created_at}}"},
    {"a": "{{user.first_name}}{{user.first_name}}"},
    {"a": "{{user.organizations}}", "b": "{{user.created_at}}", "c": "{{user.public_metadata.f}}"},
]
FILLS = ["x", "é", "☃", "\U0001f600", '"', "\\", "\n", "\x00", "\u2028", "</script>", "\x7f"]


def filled(text):
    data = freeze({"t": text, "list": [text, {text: text}], "f": 1e300})
    return Subject(
        UserView(id="user_1", first_name=text, created_at=7, public_metadata=data,
                 organizations=freeze({"org_1": text}))
    )  # fmt: skip


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_counted_is_what_the_token_takes(template, fill):
    compiled = compile_template(template)
    for count in (0, 1, 30, 63, 64, 65):
        subject = filled(fill * count)
        seen = preview(compiled, subject)
        claims = render(compiled, subject, most=100_000)
        assert seen.size == size(claims)
        assert all(seen.sizes[name] == size({"": claims[name]}) - 5 for name in claims)
        assert render(compiled, subject, most=seen.size) == claims
        with pytest.raises(ClaimsRefused):
            render(compiled, subject, most=seen.size - 1)


def test_1200_bytes_fit_and_1201_do_not():
    room = CLAIMS_BYTES - len('{"name":"","id":"user_1"}')
    template = {"name": "{{user.public_metadata.n}}", "id": "{{user.id}}"}
    claims = rendered(template, with_metadata(n="x" * room))
    assert size(claims) == CLAIMS_BYTES
    check_size(claims, CLAIMS_BYTES, "x")
    with pytest.raises(ClaimsRefused) as caught:
        rendered(template, with_metadata(n="x" * (room + 1)))
    assert caught.value.code == "claims-too-large"
    assert rendered(template, with_metadata(n="é" * (room // 2) + "x" * (room % 2)))
    with pytest.raises(ClaimsRefused):
        rendered(template, with_metadata(n="é" * (room // 2) + "xx"))


def test_the_largest_claims_are_listed_and_no_value_is_told():
    subject = with_metadata(a="secret" * 100, b=["secret"] * 100, c="secret", d="secret" * 50)
    template = {name: f"{{{{user.public_metadata.{name}}}}}" for name in "abcd"}
    with pytest.raises(ClaimsRefused) as caught:
        rendered(template, subject)
    assert caught.value.names == ("b", "a", "d")
    assert caught.value.message == (
        "The template's claims would take 1834 bytes as JSON, and 1200 are allowed; the largest:"
        " 'b' (901 bytes), 'a' (602 bytes), 'd' (302 bytes). Look up single keys of the metadata,"
        " not all of it."
    )


def test_another_budget_may_be_asked_for():
    subject = with_metadata(n="x" * 4000)
    template = {"n": "{{user.public_metadata.n}}"}
    assert size(rendered(template, subject, most=4008)) == 4008
    with pytest.raises(ClaimsRefused, match="and 4007 are allowed"):
        rendered(template, subject, most=4007)


def test_an_empty_template_takes_two_bytes():
    assert preview(compile_template({}), MARIA, most=2).size == 2


def test_what_a_template_takes_at_least_is_counted_in_every_part():
    template = {
        "a": "x{{5}}{{true}}é{{user.id || ''}}",
        "b": [{"c": "{{1 || 22}}"}],
        "d": "{{'y'}}",
    }
    compiled = compile_template(template)
    least = size({"a": "x5trueé", "b": [{"c": 1}], "d": "y"})
    assert compiled.root.least == least
    assert size(render(compiled, Subject(UserView(id="u")))) == least + 1
