"""The template at hand: read once for each change, and never older than what was told of it."""

from __future__ import annotations

import itertools

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.core.flow import run
from flask_session_claims.sessions.records import LOG_PAGE, LoadRecord, LogEntry
from flask_session_claims.sessions.shelf import LOOK_EVERY, TemplateShelf
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from .office import Office, custom
from .workers import backup, crowd_of, rolled_back


class Loads:
    """A shelf; each load is an ask that the test answers."""

    def __init__(self):
        self.clock = FrozenClock()
        self.shelf = TemplateShelf(self._load, self.clock)
        self.stored, self.count = "first", 0

    def _load(self):
        yield from LoadRecord("template", "it")
        self.count += 1
        return self.stored

    def now(self):
        """The template in force, and how often it was loaded for that."""
        before = self.count
        return run(self.shelf.template(), lambda ask: None), self.count - before

    def begun(self):
        """A flow that has asked for the record."""
        flow = self.shelf.template()
        assert isinstance(next(flow), LoadRecord)
        return flow

    def end(self, flow, stored):
        """The same when its load has given that."""
        now, self.stored = self.stored, stored
        with pytest.raises(StopIteration) as over:
            flow.send(None)
        self.stored = now
        return over.value.value


@pytest.fixture
def loads():
    return Loads()


@pytest.mark.parametrize("stored", ["first", None])
def test_it_is_loaded_once_also_where_there_is_none(loads, stored):
    loads.stored = stored
    assert [loads.now() for _ in range(3)] == [(stored, 1), (stored, 0), (stored, 0)]


def test_each_change_that_is_told_of_costs_one_load(loads):
    loads.now()
    for name in ("second", None, "third"):
        loads.stored = name
        loads.shelf.look_again()
        loads.shelf.look_again()
        assert [loads.now(), loads.now()] == [(name, 1), (name, 0)]


@pytest.mark.parametrize(
    ("seconds", "loaded"), [(0, 0), (29.9, 0), (30, 1), (31, 1), (1e6, 1), (-0.1, 1), (-1e6, 1)]
)
def test_untold_it_serves_half_a_minute_by_a_clock_that_only_goes_on(loads, seconds, loaded):
    assert LOOK_EVERY == 30
    loads.now()
    loads.stored = "second"
    loads.clock.step_wall(seconds)
    assert loads.now() == (("second", 1) if loaded else ("first", 0))


def test_what_was_told_while_it_was_loading_counts_again(loads):
    flow = loads.begun()
    loads.stored = "second"
    loads.shelf.look_again()
    assert loads.end(flow, "first") == "first"
    assert loads.now() == ("second", 1)
    assert loads.now() == ("second", 0)


def test_who_is_told_while_another_loads_does_not_take_what_that_one_has(loads):
    """The other began before; what it brings may be of before, too."""
    slow = loads.begun()
    loads.stored = "second"
    loads.shelf.look_again()
    assert loads.now() == ("second", 1)
    loads.end(slow, "first")
    assert loads.now()[0] == "second"


def test_no_order_of_loads_and_changes_leaves_an_older_template_than_was_told(loads):
    """Two load, and it changes twice; each change is told of after it is in the store."""
    acts = ["load a", "load b", "end a", "end b", "change 1", "change 2"]
    checked = 0
    for order in itertools.permutations(acts):
        place = {act: at for at, act in enumerate(order)}
        if place["load a"] > place["end a"] or place["load b"] > place["end b"]:
            continue
        if place["change 1"] > place["change 2"]:
            continue
        loads = Loads()
        flows, read, stored = {}, {}, "0"
        for act in order:
            what, which = act.split()
            if what == "load":
                flows[which], read[which] = loads.shelf.template(), stored
                if next(flows[which], "at hand") == "at hand":
                    flows[which] = None
            elif what == "change":
                loads.stored = stored = which
                loads.shelf.look_again()
            elif flows[which] is not None:
                assert loads.end(flows[which], read[which]) == read[which]
        assert loads.now()[0] == "2", order
        checked += 1
    assert checked == 90


def test_a_load_that_fails_is_the_callers_and_the_next_tries_again(loads):
    loads.now()
    loads.shelf.look_again()
    flow = loads.begun()
    with pytest.raises(UnavailableError):
        flow.throw(UnavailableError("away"))
    loads.stored = "second"
    assert loads.now() == ("second", 1)


# --- in a process -------------------------------------------------------------------------


def loaded(office, act):
    return office.cost(act).get("load template", 0)


@pytest.fixture
def two():
    """Two processes that know of a template, and the token of a session."""
    here = Office()
    here.save({"n": 1})
    issued = here.sign_in("ada")
    there = here.beside()
    for office in (here, there):
        office.verify(issued.session_token)
        office.session(issued.session.session_id)
    return here, there, issued


def test_a_process_loads_it_once_for_a_change_however_many_sessions_there_are(two):
    here, there, _ = two
    tokens = [here.sign_in(f"user_{number}").session_token for number in range(5)]
    here.save({"n": 2})
    here.clock.advance(1)

    def all_verify():
        for token in tokens:
            assert there.said(token) == {"n": 2}

    assert loaded(there, all_verify) == 1


def test_a_process_that_signs_in_alone_has_what_the_log_had_before(two):
    """Whatever it had at hand before it first read the log."""
    here, _, issued = two
    alone = here.beside()
    assert alone.session(issued.session.session_id).claims == {"n": 1}
    here.save({"n": 2})
    created = alone.sign_in("ben")
    assert custom(created.claims) == {"n": 2}
    assert created.claims["rev"] == here.store.behind.log_since(0).newest


@pytest.mark.parametrize("entries", [1, LOG_PAGE - 1, LOG_PAGE, LOG_PAGE + 5])
def test_a_process_that_signs_in_alone_hears_of_it(two, entries):
    here, _, _ = two
    alone = here.beside()
    assert custom(alone.sign_in("ben").claims) == {"n": 1}
    here.save({"n": 2})
    crowd_of(here, entries)
    assert custom(alone.sign_in("ben").claims) == {"n": 2}
    assert loaded(alone, lambda: alone.sign_in("ben")) == 0


def test_entries_that_are_gone_unread_may_have_been_about_it(two):
    here, there, issued = two
    here.save({"n": 2})
    log = here.store.behind
    # Another machine's clock, hours ahead, drops what is live here.
    ahead = here.clock() + 10_000
    assert log.commit((), (), [LogEntry("session", "sess_other", "claims", ahead, ahead + 9)])
    assert [entry.subject for entry in log.log_since(0).entries] == ["session"]
    here.clock.advance(1)
    assert there.said(issued.session_token) == {"n": 2}


def test_entries_that_are_gone_unread_are_missed_by_who_signs_in_alone_too(two):
    here, _, _ = two
    alone = here.beside()
    assert custom(alone.sign_in("ben").claims) == {"n": 1}
    here.save({"n": 2})
    ahead = here.clock() + 10_000
    entry = LogEntry("session", "sess_other", "claims", ahead, ahead + 9)
    assert here.store.behind.commit((), (), [entry])
    assert custom(alone.sign_in("ben").claims) == {"n": 2}


def other_store(before):
    """A store of others, with a template of its own and as many entries in its log."""
    office = Office(MemoryStore())
    office.save({"n": 9})
    while office.store.behind.log_since(0).newest < before:
        office.tell("session", "sess_x")
    return office.store.behind


@pytest.mark.parametrize("verifies", [True, False])
@pytest.mark.parametrize("more", [0, 5])
def test_another_store_in_its_place_has_its_own(two, verifies, more):
    here, there, _ = two
    alone = there if verifies else here.beside()
    assert custom(alone.sign_in("ben").claims) == {"n": 1}
    alone.store.behind = other_store(here.store.behind.log_since(0).newest + more)
    assert custom(alone.sign_in("ben").claims) == {"n": 9}


@pytest.mark.parametrize("verifies", [True, False])
def test_a_store_that_was_set_back_has_the_one_of_then(two, verifies):
    here, there, _ = two
    office = there if verifies else here.beside()
    saved = backup(here.store.behind)
    here.save({"n": 2})
    assert custom(office.sign_in("ben").claims) == {"n": 2}
    office.store.behind = rolled_back(here.store.behind, *saved)
    assert custom(office.sign_in("ben").claims) == {"n": 1}


def test_untold_a_process_has_it_within_half_a_minute(two):
    """The log is silent where an entry was lost; nobody goes on for ever."""
    here, there, issued = two
    session_id = issued.session.session_id
    here.save({"n": 2})
    assert there.session(session_id).claims == {"n": 1}
    here.clock.advance(LOOK_EVERY)
    assert there.session(session_id).claims == {"n": 2}


# --- told by another thread ---------------------------------------------------------------


def test_who_knows_a_position_has_the_template_of_that_position(two, monkeypatch):
    """Another thread enters the log's page; at each of its steps one loads a session here."""
    here, there, issued = two
    known = there.feed.known
    claims = there.verify(issued.session_token)
    here.save({"n": 2})
    here.clock.advance(1)
    entering, met = type(known).enter, []

    def enter(self, entries):
        entering(self, entries)
        position = self.position
        in_force = there.run(there.freshness.confirm(claims))
        held = there.freshness._overlay.find(claims["sid"])
        met.append((held.position >= position, custom(in_force)))

    monkeypatch.setattr(type(known), "enter", enter)
    there.run(there.feed.catch_up())
    assert met == [(True, {"n": 2})]


@pytest.mark.parametrize("at_hand", [True, False])
def test_a_token_lacks_no_change_that_it_claims_to_know(two, at_hand):
    """Another thread tells of the template between any two asks of who mints."""
    here, there, issued = two
    for step in itertools.count():
        minter = here.beside()
        minter.verify(issued.session_token)
        if at_hand:
            minter.session(issued.session.session_id)
        flow = minter.issuing.issuer.create("ben")
        asks, ask = 0, next(flow)
        try:
            while True:
                if asks == step:
                    here.save({"n": 100 + step, "name": "{{user.username}}"})
                    minter.run(minter.feed.newest())
                ask = flow.send(minter.issuing.handlers[type(ask)](ask))
                asks += 1
        except StopIteration as over:
            minted = over.value
        position = next(
            entry.position
            for entry in reversed(here.store.behind.log_since(0).entries)
            if entry.subject == "template"
        )
        if asks <= step:
            break
        if minted.claims["rev"] >= position:
            assert minted.claims["n"] == 100 + step
        here.clock.advance(1)
        assert there.verify(minted.session_token)["n"] == 100 + step, step
    assert step >= 3
