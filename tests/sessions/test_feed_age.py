"""How old what is known may be: clocks, slow stores, stores that are away; nobody is let in."""

from __future__ import annotations

import pytest

from flask_session_claims import TokenError, UnavailableError
from flask_session_claims.core.asks import AwaitFlight
from flask_session_claims.core.flow import run
from flask_session_claims.core.freshness import Standing
from flask_session_claims.sessions import feed
from flask_session_claims.sessions.feed import PATIENCE
from flask_session_claims.sessions.model import log_entry
from flask_session_claims.sessions.records import LoadRecord, ReadLog

from .workers import Worker

REVOKED = "session-revoked"


class Signed:
    """A session that another process ends, and the process that does not know of it yet."""

    def __init__(self, **settings):
        self.here = Worker(**settings)
        self.there = self.here.beside()
        self.clock = self.here.clock
        issued = self.there.sign_in()
        self.token, self.session_id = issued.session_token, issued.session.session_id
        self.claims = self.here.verify(self.token)

    def revoke(self):
        assert self.there.revoke(self.session_id)

    @property
    def code(self):
        return self.here.code_of(self.token)


@pytest.fixture
def signed():
    return Signed()


# --- how old ------------------------------------------------------------------------------


def test_before_the_interval_nobody_looks_and_after_it_the_first_one_does(signed):
    signed.revoke()
    signed.clock.advance(0.499)
    assert signed.here.spent(lambda: signed.here.verify(signed.token)) == (0, 0)
    signed.clock.advance(0.002)
    assert signed.code == REVOKED


@pytest.mark.parametrize(
    ("wall", "steady"),
    [
        (1.0, 1.0),
        (1.0, 0.0),  # suspended: the one clock stood still
        (3600.0, 0.0),
        (0.0, 1.0),  # the other did
        (0.0, 3600.0),
        (-1.0, 0.0),  # set back
        (-1.0, 1.0),
        (-3600.0, 0.2),
        (-0.001, 0.0),
        (1.0, 0.001),
    ],
)
def test_whichever_clock_goes_on_what_is_known_is_never_too_old(signed, wall, steady):
    signed.revoke()
    signed.clock.advance(steady)
    signed.clock.step_wall(wall - steady)
    assert signed.here.freshness.check(signed.claims) is not Standing.FRESH
    with pytest.raises(TokenError) as caught:
        signed.here.run(signed.here.freshness.settle(signed.claims))
    assert caught.value.code == REVOKED


@pytest.mark.parametrize("step", [10, -10, 3600])
def test_a_clock_that_was_set_is_gone_by_from_then_on(signed, step):
    """The process looks once, and then again by the interval."""
    signed.clock.advance(0.1)
    signed.clock.step_wall(step)
    claims = signed.claims
    settle = lambda: signed.here.run(signed.here.freshness.settle(claims))  # noqa: E731
    assert signed.here.spent(settle) == (1, 0)
    assert signed.here.freshness.check(claims) is Standing.FRESH
    signed.clock.advance(0.499)
    assert signed.here.freshness.check(claims) is Standing.FRESH
    signed.clock.advance(0.002)
    assert signed.here.spent(settle) == (1, 0)


# --- a store that is away -----------------------------------------------------------------


def test_while_it_is_young_what_is_known_serves_and_then_nobody_is_let_in(signed):
    signed.here.store.away = {"log", "load session"}
    signed.clock.advance(0.75)
    signed.here.verify(signed.token)
    signed.clock.advance(0.249)
    signed.here.verify(signed.token)
    signed.clock.advance(0.002)
    for _ in range(3):
        with pytest.raises(UnavailableError) as caught:
            signed.here.verify(signed.token)
        assert caught.value.code == "store-gone"
    signed.here.store.away.clear()
    signed.clock.advance(0.5)
    assert signed.here.verify(signed.token) is signed.claims


def test_a_log_that_fails_costs_a_load_each_request_and_a_look_each_interval(signed):
    signed.here.store.away = {"log"}
    signed.clock.advance(1)

    def ten():
        for _ in range(10):
            assert signed.here.verify(signed.token) == signed.claims

    assert signed.here.spent(ten) == (1, 10)
    assert signed.here.spent(ten) == (0, 10)
    signed.clock.advance(0.5)
    assert signed.here.spent(ten) == (1, 10)
    signed.revoke()
    assert signed.code == REVOKED, "by the record"


def test_without_the_log_the_record_of_each_session_says_how_it_stands():
    here = Worker()
    there = here.beside()
    here.store.away = {"log"}
    here.issuing.issuer._be("https://app.example")  # as after the first request
    live, ended = there.sign_in(claims={"n": 1}), there.sign_in()
    there.merge(live.session.session_id, n=2)
    there.revoke(ended.session.session_id)
    assert here.verify(live.session_token)["n"] == 2
    assert here.code_of(ended.session_token) == REVOKED


@pytest.mark.parametrize("away", [{"log"}, {"log", "load session"}])
def test_what_was_never_known_lets_nobody_in(away):
    here = Worker()
    there = here.beside()
    ended = there.sign_in()
    there.revoke(ended.session.session_id)
    here.store.away = away
    with pytest.raises(Exception) as caught:  # noqa: PT011
        here.verify(ended.session_token)
    assert caught.value.code == (REVOKED if away == {"log"} else "store-gone")


def test_a_record_that_cannot_be_read_is_neither_in_nor_out(signed):
    signed.there.tell("session", signed.session_id)
    signed.clock.advance(1)
    signed.here.store.away = {"load session"}
    with pytest.raises(UnavailableError):
        signed.here.verify(signed.token)
    signed.here.store.away.clear()
    signed.here.verify(signed.token)


def test_a_page_in_the_middle_that_fails_leaves_what_was_read_and_nothing_young(signed):
    signed.revoke()
    for number in range(1_500):
        signed.there.store.behind.commit((), (), [entry_of(signed, number)])
    reads = iter(("first", "second"))

    def fail_at_the_second(call):
        if call == "log" and next(reads, "second") == "second":
            signed.here.store.away = {"log", "load session"}

    signed.here.store.before = fail_at_the_second
    signed.clock.advance(1)
    with pytest.raises(UnavailableError):
        signed.here.verify(signed.token)
    signed.here.store.away, signed.here.store.before = set(), lambda call: None
    signed.clock.advance(0.5)
    assert signed.code == REVOKED


def entry_of(signed, number):
    return log_entry("session", f"sess_{number}", "claims", signed.clock())


# --- a slow store -------------------------------------------------------------------------


@pytest.mark.parametrize("takes", [0.4, 3.0, 30.0])
def test_a_slow_store_answers_and_does_not_fail(takes):
    """What was read at a moment after the request came is new enough for it."""
    signed = Signed()
    signed.here.store.before = lambda call: signed.clock.advance(takes)
    for _ in range(3):
        signed.clock.advance(1)
        assert signed.here.verify(signed.token) == signed.claims
    assert signed.here.store.loads == 0
    signed.revoke()
    signed.clock.advance(1)
    assert signed.code == REVOKED


@pytest.mark.parametrize("takes", [0.0, 3.0])
def test_a_process_that_keeps_changing_sessions_goes_on_answering(signed, takes):
    """What others change here while this request's look is out need not be in it."""

    def before(call):
        if call == "log":
            signed.clock.advance(takes)
            signed.here.tell("session", "sess_9")

    signed.here.store.before = before
    signed.clock.advance(1)
    spent = signed.here.spent(lambda: signed.here.verify(signed.token))
    assert spent[0] <= 2
    assert spent[1] == 0
    signed.revoke()
    signed.clock.advance(1)
    assert signed.code == REVOKED


def test_the_age_counts_from_before_the_look():
    signed = Signed()
    signed.here.store.before = lambda call: signed.clock.advance(0.9)
    signed.clock.advance(1)
    signed.here.verify(signed.token)
    signed.here.store.before = lambda call: None
    signed.revoke()
    signed.clock.advance(0.1)
    assert signed.code == REVOKED


def test_what_this_process_did_during_a_look_is_not_taken_for_known(signed):
    flow = signed.here.feed.catch_up()
    signed.clock.advance(1)
    ask = next(flow)
    page = signed.here.store.log_since(ask.position)
    signed.here.revoke(signed.session_id)  # after the log was read, before the answer is here
    with pytest.raises(StopIteration):
        flow.send(page)
    assert signed.code == REVOKED


# --- waiting for another ------------------------------------------------------------------


@pytest.mark.parametrize("passed", [PATIENCE, 1.5])
def test_who_waits_for_anothers_look_waits_no_longer_than_a_store_may_take(signed, passed):
    signed.clock.advance(1)
    looking = signed.here.feed.catch_up()
    assert isinstance(next(looking), ReadLog)
    asked = []

    def perform(ask):
        asked.append(ask)
        signed.clock.advance(passed)  # and the look is not done

    with pytest.raises(UnavailableError) as caught:
        run(signed.here.freshness.settle(signed.claims), perform)
    assert caught.value.code == "store-timeout"
    assert [(type(ask), ask.timeout) for ask in asked] == [(AwaitFlight, PATIENCE)]
    looking.close()


@pytest.mark.parametrize(("wall", "steady"), [(0.4, 0.4), (0.4, 0.0), (0.0, 0.4)])
def test_while_another_looks_what_is_young_serves(signed, wall, steady):
    signed.clock.advance(0.6)
    looking = signed.here.feed.catch_up()
    next(looking)
    assert signed.here.freshness.check(signed.claims) is Standing.FRESH
    signed.clock.advance(steady)
    signed.clock.step_wall(wall - steady)
    assert signed.here.freshness.check(signed.claims) is Standing.UNKNOWN
    looking.close()


def test_the_deadline_is_one_of_seconds_that_pass(signed, monkeypatch):
    """The clocks of the test stand: what was waited is short, so the record is asked."""
    monkeypatch.setattr(feed, "PATIENCE", 0.05)
    signed.clock.advance(1)
    looking = signed.here.feed.catch_up()
    next(looking)
    assert signed.here.spent(lambda: signed.here.verify(signed.token)) == (0, 1)
    looking.close()


@pytest.mark.parametrize("end", ["closed", "thrown", "failed"])
def test_a_look_that_comes_to_nothing_holds_nobody_up(signed, end):
    signed.clock.advance(1)
    looking = signed.here.feed.catch_up()
    next(looking)
    if end == "closed":
        looking.close()
    elif end == "thrown":
        with pytest.raises(KeyboardInterrupt):
            looking.throw(KeyboardInterrupt)
    else:
        with pytest.raises(StopIteration) as ended:
            looking.throw(UnavailableError("away"))
        assert ended.value.value is False
    assert signed.here.freshness.check(signed.claims) is Standing.UNKNOWN
    expected = (0, 1) if end == "failed" else (1, 0)
    assert signed.here.spent(lambda: signed.here.verify(signed.token)) == expected


def test_who_waited_for_two_looks_in_vain_reads_the_record_itself(signed):
    """No request goes round for ever."""
    catch_up = signed.here.feed.catch_up
    signed.clock.advance(1)
    first = catch_up()
    next(first)
    waiting = signed.here.freshness.settle(signed.claims)
    assert isinstance(next(waiting), AwaitFlight)
    first.close()
    second = catch_up()
    next(second)
    assert isinstance(waiting.send(None), AwaitFlight)
    second.close()
    ask = waiting.send(None)
    assert isinstance(ask, LoadRecord)
    assert signed.here.answered(waiting, ask) == signed.claims
