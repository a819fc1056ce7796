"""Options and names of named templates."""

from __future__ import annotations

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.sessions.templates.options import TemplateOptions, check_name


def test_a_named_template_lives_a_minute_and_allows_five_seconds():
    options = TemplateOptions()
    assert (options.lifetime, options.skew, options.audience, options.aud) == (60, 5, None, None)


@pytest.mark.parametrize("lifetime", [30, 60.5, 315_360_000])
@pytest.mark.parametrize("skew", [0, 5, 300])
def test_life_times_and_skews_that_are_taken(lifetime, skew):
    assert TemplateOptions(lifetime=lifetime, skew=skew).lifetime == lifetime


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("lifetime", v) for v in (29, 29.9, 315_360_001, 0, -60, "60", None, True)),
        *(("skew", v) for v in (-1, 300.5, 301, "5", None, False)),
        *((name, v) for name in ("lifetime", "skew") for v in (float("nan"), float("inf"))),
    ],
)
def test_others_are_refused_with_the_bounds(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} got .*; give seconds, a number "):
        TemplateOptions(**{name: value})


@pytest.mark.parametrize(
    ("given", "aud"),
    [
        (None, None),
        ("https://api.example.com", "https://api.example.com"),
        (["one"], "one"),
        (["one", "two"], ("one", "two")),
        (("one", "two"), ("one", "two")),
        (["x" * 256] * 16, ("x" * 256,) * 16),
    ],
)
def test_audiences(given, aud):
    options = TemplateOptions(audience=given)
    assert options.aud == aud
    assert hash(options) == hash(TemplateOptions(audience=given))


@pytest.mark.parametrize(
    "given", ["", [], [""], [1], 1, b"x", {"a"}, "x" * 257, ["x"] * 17, [None]]
)
def test_other_audiences_are_refused(given):
    with pytest.raises(ConfigurationError, match="audience must be text"):
        TemplateOptions(audience=given)


@pytest.mark.parametrize("name", ["a", "integration_firebase", "Supabase-2", "9", "x" * 64])
def test_names_that_are_taken(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "_a", "a b", "a/b", "é", "x" * 65, "a\n", None, 1, b"a"]
)
def test_names_that_are_refused(name):
    with pytest.raises(ConfigurationError, match="is no name of a template"):
        check_name(name)
