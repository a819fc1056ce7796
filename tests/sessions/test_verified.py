"""When each factor was last verified (`fva`), and the id of the last time that was done anew."""

from __future__ import annotations

import pytest

from flask_session_claims.core.freshness import Standing
from flask_session_claims.sessions.faults import ActorRefused

from .office import Browser, Office

AGES = {"sign-in": [0, -1], "first": [0, -1], "second": [0, 0]}


@pytest.fixture
def here():
    return Office()


@pytest.fixture
def issued(here):
    return here.sign_in("ada")


def verified(office, session_id, first=False, second=False):
    return office.run(office.flows.verify(session_id, first=first, second=second))


def minted(office, session_id):
    return office.verify(office.issuing.sessions.mint(session_id))


#: (first at, second at, now) in seconds -> the claim; None: never.
MINUTES = [
    (0, None, 0, [0, -1]),
    (0, None, 59, [0, -1]),
    (0, None, 60, [1, -1]),
    (0, None, 119, [1, -1]),
    (0, 0, 3_600, [60, 60]),
    (0, 30, 89, [1, 0]),
    (0, 30, 90, [1, 1]),
    (None, 30, 90, [-1, 1]),
    (None, None, 90, None),
    (0, 0, 60 * 1_440, [1_440, 1_440]),
    # of a clock that was set back: verified in the future is verified now
    (100, None, 0, [0, -1]),
]


@pytest.mark.parametrize(("first", "second", "now", "expected"), MINUTES)
def test_it_says_whole_minutes_since_each_factor(here, issued, first, second, now, expected):
    session_id, start = issued.session.session_id, here.clock()
    at = lambda seconds: None if seconds is None else start + seconds  # noqa: E731
    here.rewrite(session_id, first_at=at(first), second_at=at(second))
    here.clock.advance(now)
    assert minted(here, session_id).get("fva") == expected


def test_a_sign_in_verifies_the_first_factor_and_no_other(issued):
    assert issued.claims["fva"] == [0, -1]
    assert issued.session.first_verified_at == issued.session.created_at
    assert issued.session.second_verified_at is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(True, False, [0, 10]), (False, True, [10, 0]), (True, True, [0, 0])],
)
def test_what_is_verified_again_is_of_now_and_the_other_stays(
    here, issued, first, second, expected
):
    session_id = issued.session.session_id
    here.rewrite(session_id, second_at=here.clock())
    here.clock.advance(600)
    session = verified(here, session_id, first, second)
    times = (session.first_verified_at, session.second_verified_at)
    assert times == tuple(here.clock() - 60 * age for age in expected)
    assert minted(here, session_id)["fva"] == expected
    assert here.refresh(issued).claims["fva"] == expected


def test_a_worker_whose_token_says_the_old_ages_goes_by_the_new(here, issued):
    there, session_id = here.beside(), issued.session.session_id
    assert there.verify(issued.session_token)["fva"] == [0, -1]
    here.clock.advance(200)
    verified(here, session_id, first=True, second=True)
    here.clock.advance(1)
    for office in (here, there):
        assert office.verify(issued.session_token)["fva"] == [0, 0]
    here.clock.advance(60)
    fresh = here.beside()
    assert fresh.verify(issued.session_token)["fva"] == [1, 1]


def test_a_token_that_says_an_age_of_its_own_moment_is_fresh_for_all(here, issued):
    """Two tokens of one session, minutes apart, of which nothing has changed."""
    session_id = issued.session.session_id
    here.clock.advance(130)
    second = here.issuing.sessions.mint(session_id)
    here.tell("session", session_id)
    for office in (here, here.beside()):
        for token, ages in ((issued.session_token, [0, -1]), (second, [2, -1])) * 2:
            claims = office.verify(token)
            assert claims["fva"] == ages
            assert office.freshness.check(claims) is Standing.FRESH
            assert office.verify(token) is claims
            assert office.freshness.take_changed(session_id) is None


def test_what_has_changed_is_told_by_its_name(here, issued):
    there, session_id = here.beside(), issued.session.session_id
    there.verify(issued.session_token)
    here.clock.advance(61)
    verified(here, session_id, first=True)
    here.clock.advance(1)
    assert there.verify(issued.session_token)["fva"] == [0, -1]
    assert there.freshness.take_changed(session_id) in (None, {"fva"})
    verified(here, session_id, second=True)
    here.clock.advance(1)
    assert there.verify(issued.session_token)["fva"] == [0, 0]
    assert there.freshness.take_changed(session_id) == {"fva"}


def test_a_token_for_an_outdated_one_says_the_ages_of_now(here, issued):
    there, session_id = here.beside(), issued.session.session_id
    here.clock.advance(150)
    verified(here, session_id, second=True)
    here.clock.advance(90)
    browser = Browser(there, issued)
    assert browser.visit().session_claims["fva"] == [4, 1]
    assert browser.token != issued.session_token
    assert there.verify(browser.token)["fva"] == [4, 1]
    assert there.freshness.outdated(there.verify(browser.token)) is None


def test_each_verification_has_an_id_of_its_own_that_templates_can_name(here, issued):
    here.save({"rvf": "{{session.reverification_id}}"})
    session_id = issued.session.session_id
    here.clock.advance(1)
    assert here.verify(issued.session_token)["rvf"] is None
    seen = set()
    for first in (True, False, True):
        _ = verified(here, session_id, first=first, second=True)
        seen.add(minted(here, session_id)["rvf"])
        assert minted(here, session_id)["rvf"] in seen, "it stays until the next time"
    assert len(seen) == 3
    assert all(one.startswith("rvf_") and len(one) > 20 for one in seen)


def test_it_is_in_the_journal_and_in_the_log(here, issued):
    session_id = issued.session.session_id
    position = here.store.behind.log_since(0).newest
    verified(here, session_id, first=True, second=True)
    act = here.state(session_id).acts()[-1]
    assert (act.act, act.detail) == ("verify", "first second")
    (entry,) = here.store.behind.log_since(position).entries
    assert (entry.subject, entry.key, entry.what) == ("session", session_id, "verified")


def test_an_ended_session_verifies_nothing(here, issued):
    session_id = issued.session.session_id
    assert here.revoke(session_id)
    before = here.state(session_id)
    assert verified(here, session_id, first=True) is None
    assert verified(here, "sess_none", first=True) is None
    assert here.state(session_id) == before


def test_who_acts_for_a_user_verifies_nothing_for_them(here, issued):
    session = here.session(issued.session.session_id)
    acting = here.sign_in("ben", actor={"sub": "ada", "sid": session.session_id})
    assert "fva" not in acting.claims
    before = here.state(acting.session.session_id)
    with pytest.raises(ActorRefused):
        verified(here, acting.session.session_id, first=True)
    assert here.state(acting.session.session_id) == before


def test_in_a_request_the_next_token_says_it(here, issued):
    browser = Browser(here, issued)
    here.clock.advance(100)
    visits = here.issuing.visits
    auth = browser.visit(lambda one: visits.mark_verified(one, first=False, second=True))
    assert auth.factor_verification_age == (1, 0)
    assert here.verify(browser.token)["fva"] == [1, 0]
    assert browser.token != issued.session_token
    assert browser.visit().has(reverification="strict")
