"""Who acts for a user, stops, refreshes and is signed out meanwhile, in every order.

What must hold: after the session of who acts has ended nobody is signed in as the user, by any
token that was ever given out; nothing else ends that session; and one of those who stop is given
tokens, with which they can go on.
"""

from __future__ import annotations

import pytest

from flask_session_claims import SessionError, TokenError
from flask_session_claims.core.auth import auth_from_claims
from flask_session_claims.sessions.composing import Composer
from flask_session_claims.sessions.faults import RefreshRefused
from flask_session_claims.sessions.model import Issued

from .office import Browser, Office, parts
from .test_feed_interleavings import process_of
from .test_people_interleavings import MAX_AGE, kind_of, play, sample, verify


def impersonator(name):
    """`stop a`: what, in which process."""
    what, where = name.split()
    if what == "wait":
        return lambda stage: stage.clock.advance(float(where))

    def begin(stage):
        office, own = stage.processes[where], stage.actor
        issuer, jar = office.issuing.issuer, stage.acting_for
        flow = {
            "begin": lambda: in_request(office, Browser(office, own), begins),
            "stop": lambda: in_request(office, Browser(office, jar=jar), stops),
            "refresh": lambda: issuer.refresh(jar[issuer.cookies.refresh]),
            "own": lambda: issuer.refresh(own.refresh_token),
            "revoke": lambda: issuer.revoke(own.session.session_id),
            "everywhere": lambda: issuer.revoke_all("amy"),
            "verify": lambda: verify(office, acting_claims(office, jar)),
        }[what]()
        return stage.inside(flow)

    return begin


def acting_claims(office, jar):
    return parts(jar[office.issuing.issuer.cookies.session])[1]


def begins(office, exchange):
    return office.issuing.impersonations.begin(exchange, "ben", reason="why", minutes=30)


def stops(office, exchange):
    return office.issuing.impersonations.end(exchange)


def in_request(office, browser, act):
    """The browser after a request that does it."""
    exchange = browser.exchange()
    claims = yield from verify(office, parts(browser.token)[1])
    exchange.settled, exchange.token = auth_from_claims(claims, "cookie"), browser.token
    yield from act(office, exchange)
    browser.keep(exchange)
    return browser


#: How an act may end that came too late.
TOO_LATE = {"session-missing", "session-revoked"}


def check_impersonation(run):
    stage = run.stage
    ended = [one for one in run.actors if kind_of(one) in ("revoke", "everywhere") and one.commits]
    stopped = [one for one in run.actors if kind_of(one) == "stop" and one.commits]
    for one in run.actors:
        if isinstance(one.outcome, Exception):
            fault = one.outcome
            assert isinstance(fault, TokenError | SessionError), f"{one.name}: {fault!r}"
            code = "refresh-token-replaced" if stopped and kind_of(one) == "own" else None
            assert fault.code in {*TOO_LATE, code}, f"{one.name}: {fault!r}"
            assert not getattr(fault, "revoked", False), "a false alarm"
            assert ended or stopped, "refused without a reason"
    for reader in (one for one in run.actors if kind_of(one) == "verify"):
        for end in ended:
            here = process_of(reader) == process_of(end) and reader.began > end.ended
            if here or reader.began_at - end.ended_at >= MAX_AGE:
                assert isinstance(reader.outcome, TokenError), "let in too late"
    stage.clock.advance(MAX_AGE)
    fresh = Office(stage.store, stage.clock)
    own = fresh.session(stage.actor.session.session_id)
    assert (own is None) == bool(ended), "her own session ended by itself, or lives on"
    for office in (*stage.processes.values(), fresh):
        for token, refresh_token in tokens_for_ben(run):
            lives = own is not None and office.session(parts(token)[1]["sid"]) is not None
            assert (office.code_of(token) is None) == lives, "signed in as the user"
            if refresh_token is not None and own is None:
                with pytest.raises(RefreshRefused):
                    office.run(office.issuing.issuer.refresh(refresh_token))
    if own is None:
        assert fresh.issuing.sessions.list_for_user("ben") == ()
    elif stopped:
        assert fresh.session(acting_claims(fresh, stage.acting_for)["sid"]) is None
        check_back(run, fresh)


def check_back(run, fresh):
    """One of those who stopped is themselves again, and can go on."""
    (back,) = [one.outcome for one in run.actors if kind_of(one) == "stop" and one.commits]
    assert back.user == "amy"
    again = fresh.run(fresh.issuing.issuer.refresh(back.refresh_token))
    assert again.session.user_id == "amy"


def tokens_for_ben(run):
    """(session token, refresh token) of all that were given out, before and meanwhile."""
    names = run.stage.processes["a"].issuing.issuer.cookies
    jar = run.stage.acting_for
    yield jar[names.session], jar[names.refresh]
    for one in run.actors:
        if isinstance(one.outcome, Issued) and one.outcome.session.user_id == "ben":
            yield one.outcome.session_token, one.outcome.refresh_token
        elif isinstance(one.outcome, Browser) and kind_of(one) == "begin":
            yield one.outcome.token, one.outcome.refresh_token


def impersonate(*names):
    return play(*names, check=check_impersonation, begin=impersonator)


ACTING = [
    (("begin a", "revoke b"), 10),
    (("begin a", "everywhere b"), 10),
    (("stop a", "revoke b"), 10),
    (("stop a", "refresh b"), 10),
    (("stop a", "stop b"), 10),
    (("refresh a", "revoke b"), 10),
    (("verify a", "revoke b", "wait 1"), 10),
    (("verify a", "stop b", "wait 1"), 10),
    (("stop a", "own b"), 10),
]
MORE = [
    ("begin a", "revoke b", "verify a", "wait 1"),
    ("begin a", "begin b", "everywhere a"),
    ("stop a", "refresh b", "revoke b"),
    ("stop a", "stop b", "own b", "verify a"),
    ("refresh a", "refresh b", "revoke a", "verify b"),
    ("stop a", "revoke b", "verify a", "wait 1"),
    ("begin a", "stop b", "refresh a", "revoke b", "verify a", "wait 1"),
]


@pytest.mark.parametrize(("names", "least"), ACTING, ids=str)
def test_every_order_of_acting_for_a_user(names, least):
    assert impersonate(*names) >= least


@pytest.mark.parametrize("names", MORE, ids=str)
def test_many_orders_of_more_of_it(names):
    sample(*names, orders=60, check=check_impersonation, begin=impersonator)


@pytest.mark.long
@pytest.mark.parametrize("names", MORE, ids=str)
def test_very_many_orders_of_more_of_it(names):
    sample(*names, orders=1_000, check=check_impersonation, begin=impersonator)


def test_an_actor_whom_nobody_looks_at_is_found(monkeypatch):
    def acts(composer, actor):
        yield from ()
        return True

    monkeypatch.setattr(Composer, "_acts", acts)
    for names in (("refresh a", "revoke b"), ("verify a", "revoke b", "wait 1")):
        with pytest.raises(AssertionError, match="after:"):
            impersonate(*names)
