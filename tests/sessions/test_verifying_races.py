"""What another thread does between two steps of a verification."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from flask_session_claims import TokenError, UnavailableError
from flask_session_claims.core.asks import AwaitFlight
from flask_session_claims.core.freshness import Standing
from flask_session_claims.core.jsontext import FrozenDict
from flask_session_claims.sessions.feed import PATIENCE
from flask_session_claims.sessions.records import LoadRecord

from .workers import Worker


class Interrupted(FrozenDict):
    """Claims at whose n-th reading another thread comes between."""

    __slots__ = ("left", "other")

    def get(self, name, *default):
        if name == "sid":
            self.left -= 1
            if self.left == 0:
                self.other()
        return super().get(name, *default)


def test_a_change_while_the_record_is_on_its_way_is_loaded_again():
    """Its position is above the one that was known before the load."""
    here = Worker()
    there = here.beside()
    issued = there.sign_in()
    claims = here.verify(issued.session_token)
    there.tell("session", claims["sid"])
    here.clock.advance(1)
    assert here.run(here.feed.catch_up())
    loading = here.freshness.settle(claims)
    ask = next(loading)
    assert isinstance(ask, LoadRecord)
    record = here.store.load(ask.kind, ask.key)
    there.revoke(claims["sid"])
    here.clock.advance(1)
    assert here.run(here.feed.catch_up())
    here.answered(loading, loading.send(record))
    assert here.freshness.check(claims) is Standing.UNKNOWN
    assert here.code_of(issued.session_token) == "session-revoked"


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_session_that_ends_in_another_thread_leaves_no_half_of_its_claims(nth):
    """Either who it was, with all claims, or nobody."""
    here = Worker()
    there = here.beside()
    issued = there.sign_in(claims={"plan": "free", "restricted": True})
    claims = here.verify(issued.session_token)
    there.merge(claims["sid"], plan="pro")
    here.clock.advance(1)
    here.verify(issued.session_token)
    there.revoke(claims["sid"])

    def other():
        with pytest.raises(TokenError):
            here.run(here.freshness.confirm(claims))

    mine = Interrupted(claims)
    mine.left, mine.other = nth, other
    with contextlib.suppress(TokenError):
        in_force = here.run(here.freshness.settle(mine))
        assert in_force["restricted"] is True
        assert in_force["plan"] in ("free", "pro")


# --- one load for all who wait ------------------------------------------------------------


class Crowd:
    """A process that knows of a revocation or a change, and has not loaded the session."""

    def __init__(self, *, ends):
        self.here = Worker()
        there = self.here.beside()
        issued = there.sign_in(claims={"n": 0})
        self.token = issued.session_token
        self.claims = self.here.verify(self.token)
        if ends:
            there.revoke(self.claims["sid"])
        else:
            there.merge(self.claims["sid"], n=1)
        self.here.clock.advance(1)
        assert self.here.run(self.here.feed.catch_up())

    def settle(self):
        return self.here.freshness.settle(self.claims)

    def answer(self):
        try:
            return self.here.run(self.settle())["n"]
        except TokenError as error:
            return error.code


@pytest.mark.parametrize(("ends", "answer"), [(True, "session-revoked"), (False, 1)])
def test_of_a_crowd_one_loads_the_session(ends, answer):
    crowd = Crowd(ends=ends)
    reached, go_on = threading.Event(), threading.Event()

    def stand_still(call):
        if call == "load session":
            reached.set()
            assert go_on.wait(20)

    crowd.here.store.before = stand_still
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(crowd.answer())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert reached.wait(20)
    time.sleep(0.05)
    assert answers == []
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert answers == [answer] * 8
    assert crowd.here.store.loads == 1


@pytest.mark.parametrize("end", ["closed", "failed"])
def test_who_waits_for_a_load_that_comes_to_nothing_loads_itself(end):
    crowd = Crowd(ends=True)
    loading, waiting = crowd.settle(), crowd.settle()
    assert isinstance(next(loading), LoadRecord)
    assert isinstance(next(waiting), AwaitFlight)
    if end == "closed":
        loading.close()
    else:
        with pytest.raises(UnavailableError):
            loading.throw(UnavailableError("away"))
    ask = waiting.send(None)
    assert isinstance(ask, LoadRecord)
    with pytest.raises(TokenError):
        waiting.send(crowd.here.store.load(ask.kind, ask.key))
    assert crowd.answer() == "session-revoked"


def test_who_waits_for_a_load_that_hangs_is_told_so_in_time():
    crowd = Crowd(ends=True)
    loading, waiting = crowd.settle(), crowd.settle()
    next(loading)
    ask = next(waiting)
    assert (type(ask), ask.timeout) == (AwaitFlight, PATIENCE)
    with pytest.raises(UnavailableError) as caught:
        waiting.send(None)
    assert caught.value.code == "store-timeout"
    loading.close()
