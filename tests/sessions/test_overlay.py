"""What stands over the tokens of sessions that have changed."""

from __future__ import annotations

import pytest

from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.jsontext import FrozenDict, freeze
from flask_session_claims.sessions import overlay as module
from flask_session_claims.sessions.claims import NO_CLAIMS
from flask_session_claims.sessions.known import Known
from flask_session_claims.sessions.mint import TokenPolicy, spoken
from flask_session_claims.sessions.overlay import SIZE, Overlay
from flask_session_claims.sessions.session import Session

from .stage import NOW

LOG = Known("store")
POLICY = TokenPolicy(issuer="us")


def say(session, at):
    return spoken(session, POLICY, at)


def loaded(known, position, session, before=None):
    return module.Held(known, position, session, before, say=say)


def session(user_id="user_1", expires_at=NOW + 1000, **claims):
    return Session(
        "sess_1", user_id, freeze(claims), NO_CLAIMS, NOW, NOW, expires_at, expires_at, True,
        None, None, None, None,
    )  # fmt: skip


def token(**custom):
    said = {"iss": "us", "sub": "user_1", "sid": "sess_1", "exp": NOW + 300, "rev": 1}
    return FrozenDict({**said, **freeze(custom)})


# --- what is in force ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ({}, {}),
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": [1, {"c": None}]}, {"a": 1, "b": [1, {"c": None}]}),
    ],
)
def test_a_token_that_says_what_stands_is_in_force_itself(said, stands):
    claims = token(**said)
    held = loaded(LOG, 5, session(**stands))
    assert held.in_force(claims, NOW) is claims
    assert held.in_force(claims, NOW) is claims
    assert held.changed is None


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
    ],
)
def test_the_order_of_names_says_nothing(said, stands):
    """A claim that was removed and set again is last; `is_current` has to say True."""
    claims = token(**said)
    assert loaded(LOG, 5, session(**stands)).in_force(claims, NOW) is claims


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        (True, 1),
        (1, True),
        (False, 0),
        (0, None),
        (1, 1.0),
        ("1", 1),
        ([True], [1]),
        ({"a": False}, {"a": 0}),
        ("é", "e\u0301"),
    ],
)
def test_what_python_takes_for_equal_or_a_reader_for_alike_is_a_change(said, stands):
    held = loaded(LOG, 5, session(flag=stands))
    claims = held.in_force(token(flag=said), NOW)
    assert type(claims["flag"]) is type(freeze(stands))
    assert claims["flag"] == freeze(stands)
    assert held.changed == {"flag"}


def test_a_claim_that_was_removed_is_gone():
    held = loaded(LOG, 5, session(kept=1))
    claims = held.in_force(token(kept=1, gone="x"), NOW)
    assert "gone" not in claims
    assert claims == {**token(kept=1)}
    assert held.changed == {"gone"}


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
def test_a_record_says_nothing_of_what_is_the_issuers(name):
    """Whatever stands in a record: neither set, nor replaced, nor told of."""
    held = loaded(LOG, 5, session(**{name: "root", "plan": "pro"}))
    plain = token(plan="free")
    claims = held.in_force(plain, NOW)
    assert claims.get(name) == plain.get(name)
    assert (name in claims) == (name in plain)
    assert claims["plan"] == "pro"
    assert held.changed == {"plan"}
    same = token(plan="pro")
    assert held.in_force(same, NOW) is same


def test_what_the_token_alone_knows_stays():
    claims = loaded(LOG, 5, session(a=2)).in_force(token(a=1), NOW)
    assert {name: claims[name] for name in ("iss", "sub", "sid", "exp", "rev")} == {
        name: token()[name] for name in ("iss", "sub", "sid", "exp", "rev")
    }
    with pytest.raises(TypeError):
        claims["a"] = 3


def test_two_tokens_of_a_session_have_each_their_own():
    held = loaded(LOG, 5, session(a=2))
    old, older, good = token(a=1), token(a=0, b=1), token(a=2)
    for _ in range(2):
        assert held.in_force(old, NOW) == {**old, "a": 2}
        assert held.in_force(older, NOW) == {**old, "a": 2}
        assert held.in_force(good, NOW) is good
    assert held.in_force(old, NOW) is held.in_force(old, NOW), "the same object as long as one asks"


@pytest.mark.parametrize(
    ("standing", "claims", "lives"),
    [
        (session(), token(), True),
        (None, token(), False),
        (session(user_id="user_2"), token(), False),
        (session(expires_at=NOW), token(), False),
        (session(expires_at=NOW - 1), token(), False),
        (session(expires_at=NOW + 0.001), token(), True),
    ],
)
def test_a_session_counts_while_it_lives_and_for_its_user(standing, claims, lives):
    assert loaded(LOG, 5, standing).is_of(claims, NOW) is lives


# --- what has changed ---------------------------------------------------------------------


def told(held):
    """What whoever tells of it takes away."""
    changed, held.changed = held.changed, None
    return changed


def test_what_has_changed_is_against_the_token_at_first_and_then_against_the_load_before():
    claims = token(a=1, b=1)
    first = loaded(LOG, 5, session(a=2, b=1))
    first.in_force(claims, NOW)
    assert told(first) == {"a"}
    second = loaded(LOG, 6, session(a=2, b=2), first)
    second.in_force(claims, NOW)
    assert told(second) == {"b"}
    third = loaded(LOG, 7, session(a=2, b=2), second)
    third.in_force(claims, NOW)
    assert told(third) is None


def test_what_nobody_has_told_of_yet_is_told_with_the_next_load():
    claims = token(a=1, b=1)
    first = loaded(LOG, 5, session(a=2, b=1))
    first.in_force(claims, NOW)
    second = loaded(LOG, 6, session(a=2, b=2), first)
    second.in_force(claims, NOW)
    assert told(second) == {"a", "b"}


def test_one_load_tells_of_a_change_once():
    held = loaded(LOG, 5, session(a=2))
    held.in_force(token(a=1), NOW)
    assert held.changed == {"a"}
    held.changed = None  # somebody has told
    held.in_force(token(a=1, b=5), NOW)
    held.in_force(token(a=0), NOW)
    assert held.changed is None


def test_a_change_that_is_taken_back_is_a_change():
    """Whoever was told of the first would go by it for ever."""
    claims = token(a=1)
    first = loaded(LOG, 5, session(a=2))
    first.in_force(claims, NOW)
    second = loaded(LOG, 6, session(a=1), first)
    assert second.in_force(claims, NOW) is claims
    assert (first.changed, second.changed) == ({"a"}, {"a"})


def test_after_a_session_that_had_ended_the_token_is_compared_with():
    before = loaded(LOG, 5, None)
    held = loaded(LOG, 6, session(a=2), before)
    held.in_force(token(a=1, b=1), NOW)
    assert held.changed == {"a", "b"}


# --- how many -----------------------------------------------------------------------------


def test_ten_thousand_sessions_are_remembered_and_no_more():
    assert SIZE == 10_000
    overlay = Overlay()
    held = loaded(LOG, 1, None)
    for number in range(SIZE + 5):
        overlay.keep(f"sess_{number}", held)
    assert len(overlay) == SIZE
    assert [overlay.find(f"sess_{number}") for number in (0, 4, 5, SIZE + 4)] == [
        None, None, held, held,
    ]  # fmt: skip


def test_the_one_that_was_loaded_longest_ago_goes(monkeypatch):
    monkeypatch.setattr(module, "SIZE", 3)
    overlay = Overlay()
    for name in ("a", "b", "c", "a", "d"):
        overlay.keep(name, loaded(LOG, 1, None))
    assert [name for name in "abcd" if overlay.find(name)] == ["a", "c", "d"]


def test_a_later_load_stands_in_place_of_the_one_before():
    overlay = Overlay()
    overlay.keep("a", loaded(LOG, 1, session(a=1)))
    overlay.keep("a", loaded(LOG, 2, None))
    assert len(overlay) == 1
    assert overlay.find("a").position == 2
