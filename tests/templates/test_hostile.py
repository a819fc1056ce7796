"""Nothing that is tried in a template or a profile is executed, and nothing takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flask_session_claims.core.jsontext import FrozenDict, FrozenList
from flask_session_claims.sessions.claims import accept
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.faults import TemplateRefused
from flask_session_claims.sessions.templates.rendering import preview
from flask_session_claims.sessions.templates.subject import Subject, UserView

from . import hostile
from .people import MARIA, rendered, with_metadata

#: What the slowest may take here, in seconds of CPU; the promise is 10 ms, on a machine at rest.
SLACK = 0.25


@pytest.fixture(scope="module")
def watched():
    """What `hostile` as a program saw."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.templates.hostile"],
        cwd=root, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_executed_imported_or_opened(watched):
    assert watched["events"] == []
    assert watched["tried"] > 1000


def test_everything_ends_in_claims_or_in_a_declared_refusal(watched):
    assert set(watched["outcomes"]) == {"given", "template-invalid", "claims-too-large"}
    assert all(count > 20 for count in watched["outcomes"].values())


def test_nothing_takes_long(watched):
    assert watched["slowest"][0][1] < SLACK


#: What stands among the expressions and means something all the same: nothing but a value.
MEANT = {
    "session.id": None,
    "user.privateMetadata": None,
    "user.password_hash": None,
    "session.token": None,
    "session.refresh_token": None,
    "user.constructor": None,
    "user.prototype": None,
    "' || '": " || ",
    "user.\u4e2d\u6587": None,
    "user.\ufb01rst_name": None,
    "user.public_metadata.\u0645\u062b\u0627\u0644": None,
    "user.ID": None,
    "user.\u0131d": None,
    "-user.id": "refused",
}


@pytest.mark.parametrize("word", [*hostile.EXPRESSIONS, *hostile.ODD])
def test_an_expression_is_refused_or_a_mere_name(word):
    try:
        found = rendered({"a": f"{{{{{word}}}}}"})["a"]
    except TemplateRefused:
        found = "refused"
    assert found == MEANT.get(word, "refused")


@pytest.mark.parametrize("word", [*hostile.EXPRESSIONS, *hostile.ODD])
def test_outside_of_braces_it_is_text(word):
    assert rendered({"a": word}) == {"a": word}
    assert rendered({"a": f"{word} {{{{user.id}}}}"}) == {"a": f"{word} user_1"}


def test_private_metadata_is_in_no_view():
    assert "private" not in repr(MARIA)
    for root in ("user", "org", "org_membership"):
        with pytest.raises(TemplateRefused, match="Private metadata never goes into a token"):
            compile_template({"a": f"{{{{{root}.private_metadata.x}}}}"})
        for spelling in ("Private_Metadata", "privateMetadata", "private-metadata"):
            assert rendered({"a": f"{{{{{root}.{spelling}.x}}}}"}) == {"a": None}


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {"deep": [float("-inf")]},
        "\ud800",
        "x" * 100 + "\udfff",
        {"\ud800": 1},
        b"bytes",
        {1, 2},
        2**64,
        [-(2**63) - 1],
        10**5000,
        {1: 2},
        object(),
        print,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_never_gets_into_claims(value):
    # Frozen by hand, so that nobody looked at it before.
    subject = with_metadata(a=value)
    for alone in ("{{user.public_metadata.a}}", "{{user.id_ || user.public_metadata.a}}"):
        for template in ({"c": alone}, {"c": [alone]}):
            seen = preview(compile_template(template), subject)
            assert seen.claims is None
            assert seen.refusal is not None
            assert seen.refusal.code == "claims-invalid"
    seen = preview(compile_template({"c": "{{user.public_metadata.a}}!"}), subject)
    if seen.claims is None:
        assert seen.refusal is not None
        assert seen.refusal.code == "claims-invalid"
    else:  # in text, numbers may be long, and names of JSON are text
        assert seen.claims["c"] == json.dumps(value, separators=(",", ":")) + "!"


def test_what_lies_too_deep_is_refused():
    chain = {"x": 1}
    for _ in range(13):
        chain = {"a": chain}
    subject = with_metadata(a=chain)  # 14 objects
    look_up = "{{user.public_metadata.a}}"
    assert rendered({"c": look_up}, subject)["c"] == chain
    assert rendered({"c": {"d": {"e": look_up}}}, subject)["c"]["d"]["e"] == chain
    seen = preview(compile_template({"c": {"d": {"e": [look_up]}}}), subject)
    assert seen.refusal is not None
    assert "nested more than 16 deep" in seen.refusal.message


@pytest.mark.parametrize("depth", [17, 500, 3000, 50_000])
@pytest.mark.parametrize("text", ["{{user.public_metadata}}", "{{user.public_metadata}}!"])
def test_a_chain_without_end_is_refused_and_nothing_overflows(depth, text):
    chain = FrozenDict({"x": 1})
    for _ in range(depth):
        chain = FrozenDict({"": chain})
    seen = preview(
        compile_template({"c": text}), Subject(UserView(id="u", public_metadata=chain)), most=10**6
    )
    if text.endswith("!") and depth < 10_000 and seen.refusal is None:
        assert seen.claims is not None  # text may show any depth that can be written
        assert seen.claims["c"].count("{") == depth + 1
    else:
        assert seen.refusal is not None
        assert seen.refusal.code == "claims-invalid"


@pytest.mark.parametrize("inner", [(1,), [1], {"b": 1}, FrozenList([[1]])])
def test_what_only_looks_frozen_is_frozen_in_the_claims(inner):
    data = FrozenDict({"a": FrozenList([inner])})
    subject = Subject(UserView(id="u", public_metadata=data))
    claims = rendered({"c": "{{user.public_metadata}}"}, subject)
    assert accept(claims) == claims
    found = claims["c"]["a"][0]
    assert type(found) in (FrozenDict, FrozenList)
    assert found == (list(inner) if isinstance(inner, tuple) else inner)
    if type(inner) is FrozenList:
        assert type(found[0]) is FrozenList
