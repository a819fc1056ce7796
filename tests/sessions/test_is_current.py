"""Whether somebody's claims still hold, long after the request came: streams and sockets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_session_claims import Auth, UnavailableError
from flask_session_claims.core.auth import auth_from_claims
from flask_session_claims.core.jsontext import FrozenDict
from flask_session_claims.core.settings import GateSettings, VerifierSettings
from flask_session_claims.io.reading import Reading
from flask_session_claims.io.transports import Wsgi
from flask_session_claims.sessions.limits import LOG_LIFETIME
from flask_session_claims.testing import LocalIssuer, shared_key

from .workers import Worker, crowd_of


class Stream:
    """A process that serves it, another one that changes the session, and who it is."""

    def __init__(self, **given):
        self.here = Worker()
        self.there = self.here.beside()
        issued = self.there.sign_in(**{"claims": {"plan": "free"}, **given})
        self.session_id = issued.session.session_id
        self.claims = self.here.verify(issued.session_token)

    def is_current(self):
        return self.here.run(self.here.freshness.is_current(self.claims))

    def later(self, seconds=1):
        self.here.clock.advance(seconds)


@pytest.fixture
def stream():
    return Stream()


def test_it_holds_as_long_as_nothing_has_changed_and_costs_a_look_an_interval(stream):
    assert stream.is_current()

    def ten_seconds():
        for _ in range(40):
            stream.later(0.25)
            assert stream.is_current() is True

    assert stream.here.spent(ten_seconds) == (20, 0)


@pytest.mark.parametrize("past", [False, True], ids=["good", "past its exp"])
@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (lambda stream: stream.there.revoke(stream.session_id), False),
        (lambda stream: stream.there.merge(stream.session_id, plan="pro"), False),
        (lambda stream: stream.there.merge(stream.session_id, new=1), False),
        (lambda stream: stream.there.merge(stream.session_id, plan=None), False),
        (lambda stream: stream.there.merge(stream.session_id, plan="free"), True),
        (lambda stream: stream.there.tell("user", "user_1"), True),
        (lambda stream: stream.there.tell("all"), True),
        (lambda stream: stream.there.sign_in(), True),
        (lambda stream: stream.there.run(stream.there.flows.revoke_all("user_1")), False),
        (lambda stream: stream.there.run(stream.there.flows.revoke_all("user_2")), True),
    ],
)  # fmt: skip
def test_it_turns_with_the_session(stream, change, holds, past):
    if past:
        stream.later(400)
        assert stream.is_current()
    change(stream)
    stream.later()
    assert stream.is_current() is holds
    assert stream.is_current() is holds


def test_a_change_that_was_taken_back_holds_again(stream):
    stream.there.merge(stream.session_id, plan="pro")
    stream.later()
    assert not stream.is_current()
    stream.there.merge(stream.session_id, plan="free")
    stream.later()
    assert stream.is_current()


def test_claims_that_were_in_force_in_place_of_the_tokens_are_told_from_later_ones(stream):
    """A view that began after the change has what was loaded, not what its token says."""
    stream.there.merge(stream.session_id, plan="pro")
    stream.later()
    stream.claims = stream.here.run(stream.here.freshness.settle(stream.claims))
    assert stream.claims["plan"] == "pro"
    assert stream.is_current()
    stream.there.merge(stream.session_id, plan="free")
    stream.later()
    assert not stream.is_current()


def test_past_its_time_a_token_is_judged_by_its_session(stream):
    stream.later(400)
    assert stream.here.spent(stream.is_current) == (1, 1), "the log may have forgotten"
    assert stream.is_current()

    def minutes():
        for _ in range(10):
            stream.later(0.5)
            assert stream.is_current()

    assert stream.here.spent(minutes) == (10, 0), "what was loaded serves"
    stream.there.revoke(stream.session_id)
    stream.later()
    assert not stream.is_current()


@pytest.mark.parametrize("asked_between", [False, True])
def test_an_entry_that_was_dropped_before_anybody_looked_is_not_missed(stream, asked_between):
    """Nobody asks for hours; what the log said of the session meanwhile is gone from it."""
    if asked_between:
        stream.later(400)
        assert stream.is_current()
    stream.there.revoke(stream.session_id)
    stream.later(LOG_LIFETIME + 10)
    stream.there.tell("session", "sess_9")
    stream.later()
    assert stream.here.store.log_since(0).oldest == 2
    assert not stream.is_current()


def test_an_entry_that_was_read_and_forgotten_since_is_not_missed(stream):
    """Others' requests have read it; by the time the stream asks, no live token needs it."""
    stream.later(400)
    assert stream.is_current()
    look = lambda: stream.here.run(stream.here.feed.catch_up())  # noqa: E731
    stream.there.revoke(stream.session_id)
    crowd_of(stream.there, 1_000)
    stream.later()
    assert look()
    stream.later(LOG_LIFETIME + 10)
    crowd_of(stream.there, 1_100)
    assert look()
    assert len(stream.here.feed.known) == 1_100, "of the new ones"
    assert not stream.is_current()


def test_a_session_that_is_refreshed_elsewhere_outlives_what_was_loaded_of_it():
    """A refresh is not in the log; without one the session would have ended."""
    stream = Stream()
    here = Worker(stream.here.store.behind, stream.here.clock, idle_lifetime=600)
    there = here.beside(idle_lifetime=600)
    issued = there.sign_in()
    claims = here.verify(issued.session_token)
    is_current = lambda: here.run(here.freshness.is_current(claims))  # noqa: E731
    here.clock.advance(310)
    assert is_current()
    there.run(there.issuing.issuer.refresh(issued.refresh_token))
    here.clock.advance(310)
    assert is_current()
    here.clock.advance(310)
    assert not is_current()


def test_a_session_that_has_run_out_does_not_hold():
    stream = Stream(lifetime=1_000)
    stream.later(999)
    assert stream.is_current()
    stream.later(2)
    assert not stream.is_current()


@pytest.mark.parametrize("past", [False, True])
def test_what_cannot_be_told_is_neither(stream, past):
    stream.later(400 if past else 1)
    stream.here.store.away = {"log", "load session"}
    with pytest.raises(UnavailableError):
        stream.is_current()
    stream.here.store.away = set()
    stream.later()
    assert stream.is_current()


# --- by an `Auth` -------------------------------------------------------------------------


def reading(worker):
    return Reading(
        GateSettings(), VerifierSettings(issuer="self"), Wsgi(), clock=worker.clock,
        rejected=lambda reason, source: None, issuing=worker.issuing,
    )  # fmt: skip


def test_an_auth_is_judged_by_its_claims(stream):
    side, auth = reading(stream.here), auth_from_claims(stream.claims, "cookie")
    assert side.is_current(auth)
    assert side.is_current(replace(auth, source="header"))
    stream.there.revoke(stream.session_id)
    stream.later()
    assert not side.is_current(auth)


def test_nobody_is_never_current(stream):
    assert reading(stream.here).is_current(Auth()) is False
    assert stream.here.store.looks == 1


@pytest.mark.parametrize(
    "missing", [("sid",), ("rev",), ("exp",), ("sid", "rev", "exp", "sub", "iss")]
)
@pytest.mark.parametrize("past", [False, True])
def test_claims_that_are_none_of_ours_end_in_an_answer(stream, missing, past):
    """An `Auth` may be anybody's: another issuer's, or made by hand in a test."""
    stream.later(400 if past else 0)
    kept = {name: value for name, value in stream.claims.items() if name not in missing}
    auth = replace(auth_from_claims(stream.claims, "cookie"), session_claims=FrozenDict(kept))
    current = reading(stream.here).is_current(auth)
    assert current is (missing == ("rev",)), "by its record, or not at all"


def test_of_another_issuers_session_only_the_time_is_known():
    worker = Worker()
    issuer = LocalIssuer(key=shared_key("ES256"))
    settings = VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks())
    side = Reading(
        GateSettings(), settings, Wsgi(), clock=worker.clock, rejected=lambda reason, source: None
    )
    auth = Auth(is_authenticated=True, expires_at=int(worker.clock()) + 60, reason=None)
    assert side.is_current(auth) is True
    worker.clock.advance(60)
    assert side.is_current(auth) is False
