"""Changes of directory and template against sessions, in every order, in two processes.

What must hold: who begins to verify after a change was acknowledged sees it, in the same process
at once, in another one MAX_AGE later; nobody sees older claims after newer ones in one process;
and a token lacks no change at a position that it claims to know. The tests at the end break the
library on purpose; each break is found.
"""

from __future__ import annotations

import functools
import random
from dataclasses import replace

import pytest

from flask_session_claims import TokenError
from flask_session_claims.core.asks import AwaitFlight
from flask_session_claims.core.freshness import Standing
from flask_session_claims.sessions.consult import Consult, Tell
from flask_session_claims.sessions.issuer import Issuer
from flask_session_claims.sessions.known import Known
from flask_session_claims.sessions.model import Issued
from flask_session_claims.sessions.shelf import TemplateShelf
from flask_session_claims.testing import FrozenClock

from .interleave import Actor, runs
from .office import Browser, Office, custom
from .test_feed_interleavings import Order, process_of
from .workers import backup, rolled_back

MAX_AGE = 1.0
TEMPLATE, NEW_TEMPLATE = {"n": 1}, {"n": 2}


class Scene:
    """Two processes, `a` and `b`, over a store with a session of a member of two organisations."""

    acting = "a"

    def __init__(self):
        saved, self.issued, self.actor, self.acting_for = opening()
        self.clock = FrozenClock()
        self.store = rolled_back(*saved)
        self.processes = {"a": Office(self.store, self.clock), "b": Office(self.store, self.clock)}
        for office in self.processes.values():
            office.issuing.hooks.may_impersonate = lambda auth, user_id: True
            assert office.run(office.feed.catch_up())
            office.session(self.issued.session.session_id)  # the template is at hand

    @property
    def now(self):
        return self.clock()

    def perform(self, ask):
        if isinstance(ask, AwaitFlight):
            return None
        return self.processes[self.acting].issuing.handlers[type(ask)](ask)

    def inside(self, flow):
        """A flow of a process; what it tells the app, and asks of it, takes no time."""
        try:
            ask = next(flow)
            while True:
                told = isinstance(ask, Tell | Consult)
                ask = flow.send(self.perform(ask) if told else (yield ask))
        except StopIteration as end:
            return end.value
        finally:
            flow.close()


@functools.cache
def opening():
    """(what the store held, tokens of ada's session, of amy's, and of hers for ben)"""
    office = Office(clock=FrozenClock())
    for org_id in ("org_a", "org_b"):
        office.join("ada", org_id)
    office.save({**TEMPLATE, "plan": "{{user.public_metadata.plan}}"})
    issued = office.sign_in("ada", org_id="org_a")
    actor = office.sign_in("amy")
    office.issuing.hooks.may_impersonate = lambda auth, user_id: True
    browser = Browser(office, actor)
    browser.impersonate("ben")
    return (office.store.behind, *backup(office.store.behind)), issued, actor, browser.jar


# --- who acts -----------------------------------------------------------------------------


def actor(name):
    """`verify b`: what, in which process."""
    what, where = name.split()
    if what == "wait":
        return lambda stage: stage.clock.advance(float(where))

    def begin(stage):
        office, session_id = stage.processes[where], stage.issued.session.session_id
        sources, issuer = office.issuing.sources, office.issuing.issuer
        plan = {"plan": "{{user.public_metadata.plan}}"}
        flow = {
            "verify": lambda: verify(office, stage.issued.claims),
            "poll": office.feed.catch_up,
            "metadata": lambda: sources.directory.update_user_metadata(
                "ada", public={"plan": "pro"}
            ),
            "leave": lambda: sources.directory.remove_member("org_a", "ada"),
            "template": lambda: sources.templates.save({**NEW_TEMPLATE, **plan}),
            "rename": lambda: sources.directory.update_organization("org_a", slug="new"),
            "switch": lambda: issuer.change(
                session_id, lambda one: office.flows.switch(one, "org_b")
            ),
            "merge": lambda: issuer.change(
                session_id, lambda one: office.flows.merge_claims(one, {"own": 1})
            ),
            "refresh": lambda: issuer.refresh(stage.issued.refresh_token),
            "revoke": lambda: issuer.revoke(session_id),
        }[what]()
        return stage.inside(flow)

    return begin


def verify(office, claims):
    standing = office.freshness.check(claims)
    if standing is Standing.FRESH:
        return claims
    if standing is Standing.REVOKED:
        raise TokenError("session-revoked")
    return (yield from office.freshness.settle(claims))


class InTurn(Order):
    """As `Order`; each acts in its process, and where its changes stand in the log is noted."""

    def _begin(self, actor):
        self._in(actor)
        super()._begin(actor)

    def act(self, number):
        actor, before = self.actors[number], self.stage.store._newest
        self._in(actor)
        super().act(number)
        if self.stage.store._newest > before:
            actor.position = self.stage.store._newest

    def _in(self, actor):
        where = actor.name.split()[1]
        if where in self.stage.processes:
            self.stage.acting = where


def seen(claims):
    """What of the changes some claims show."""
    shown = {
        "metadata": claims.get("plan") == "pro",
        "leave": claims.get("org_id") != "org_a",
        "template": claims.get("n") == 2,
        "rename": claims.get("org_slug") != "org_a" and claims.get("org_slug") != "org-a",
        "switch": claims.get("org_id") == "org_b",
        "merge": claims.get("own") == 1,
    }
    return {name for name, is_so in shown.items() if is_so}


def kind_of(actor):
    return actor.name.split()[0]


def seen_kinds(run):
    kinds = {"metadata", "leave", "template", "rename", "switch", "merge"}
    if any(kind_of(one) in ("switch", "leave") for one in run.actors):
        kinds.discard("rename")  # of an organisation that one may have left
    if {"switch", "leave"} <= {kind_of(one) for one in run.actors}:
        kinds.discard("leave")
    return kinds


def check_outcomes(run):
    for one in run.actors:
        if not isinstance(one.outcome, Exception):
            continue
        assert isinstance(one.outcome, TokenError), f"{one.name}: {one.outcome!r}"
        assert one.outcome.code == "session-revoked"
        ends = [end for end in run.actors if kind_of(end) == "revoke" and end.commits]
        assert ends, "refused without a reason"
        assert ends[0].commits[0] <= one.ended


def check_seen(run):
    kinds = seen_kinds(run)
    readers = [one for one in run.actors if kind_of(one) == "verify"]
    for reader in readers:
        lets_in = not isinstance(reader.outcome, Exception)
        for writer in run.actors:
            if kind_of(writer) not in {*kinds, "revoke"} or not writer.commits:
                continue
            here = process_of(reader) == process_of(writer)
            if not (here or reader.began_at - writer.ended_at >= MAX_AGE):
                continue
            if reader.began <= writer.ended:
                continue
            if kind_of(writer) == "revoke":
                assert not lets_in, f"{reader.name} let in too late"
            elif lets_in:
                shown = seen(reader.outcome)
                assert kind_of(writer) in shown, f"{reader.name} missed {writer.name}"
        for later in readers:
            if process_of(reader) == process_of(later) and reader.ended < later.began:
                if not lets_in:
                    assert isinstance(later.outcome, Exception), "let in again"
                elif not isinstance(later.outcome, Exception):
                    before, after = seen(reader.outcome) & kinds, seen(later.outcome) & kinds
                    assert before <= after, "older claims came back"


def check_tokens(run):
    """A token lacks no change that it claims to know."""
    for one in run.actors:
        if not isinstance(one.outcome, Issued):
            continue
        for writer in run.actors:
            if kind_of(writer) in seen_kinds(run) and getattr(writer, "position", None):
                if writer.position <= one.outcome.claims["rev"]:
                    shown = seen(one.outcome.claims)
                    assert kind_of(writer) in shown, f"{one.name} claims to know {writer.name}"


def check_afterwards(run):
    """Every token tells the truth once all is over, in every process."""
    stage = run.stage
    stage.clock.advance(MAX_AGE)
    truth = Office(stage.store, stage.clock).session(stage.issued.session.session_id)
    issued = [one.outcome for one in run.actors if isinstance(one.outcome, Issued)]
    for office in stage.processes.values():
        for claims in [stage.issued.claims, *(one.claims for one in issued)]:
            try:
                told = office.run(verify(office, claims))
            except TokenError:
                assert truth is None, "locked out"
                continue
            assert truth is not None, "let in for ever"
            assert custom(told) == dict(truth.claims)
            org = (truth.org_id, truth.org_slug, truth.org_role)
            assert tuple(map(told.get, ("org_id", "org_slug", "org_role"))) == org


def check_all(run):
    check_outcomes(run)
    check_seen(run)
    check_tokens(run)
    check_afterwards(run)


def play(*names, check=check_all, begin=actor, scene=Scene):
    """Every order in which these act; how many there were."""
    total = 0

    def make():
        return InTurn(scene(), [Actor(name, begin(name)) for name in names], True)

    for one in runs(make):
        total += 1
        try:
            check(one)
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter: {', '.join(one.history)}") from error
    return total


def sample(*names, orders, check=check_all, begin=actor):
    """That many orders by chance, the same each time."""
    chance = random.Random(str(names))
    for _ in range(orders):
        one = InTurn(Scene(), [Actor(name, begin(name)) for name in names], True)
        while choices := one.choices():
            one.act(chance.choice(choices))
            one._before = None
        assert one.is_whole()
        try:
            check(one)
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter: {', '.join(one.history)}") from error


CHANGES = ("metadata", "leave", "template", "rename")
QUICK = [
    *(((f"{change} a", "verify a"), 3) for change in CHANGES),
    *(((f"{change} a", "verify b", "wait 1"), 10) for change in CHANGES),
    *(((f"{change} a", "refresh b"), 5) for change in CHANGES),
    *(((f"{change} a", "merge b"), 5) for change in CHANGES if change != "template"),
    (("switch a", "verify b", "wait 1"), 10),
    (("leave a", "switch b"), 10),
    (("template a", "revoke b", "verify b"), 10),
]
MORE = [
    *((f"{change} a", "verify b", "verify b", "wait 1") for change in CHANGES),
    *((f"{change} a", "refresh b", "verify b", "wait 1") for change in CHANGES),
    *((f"{change} a", "switch b", "verify b") for change in CHANGES),
    ("template a", "merge b", "verify a"),
    ("template a", "poll b", "refresh b", "merge b"),
    ("template a", "metadata b", "refresh a", "verify b"),
    ("leave a", "switch b", "merge a", "verify b", "wait 1"),
    ("metadata a", "revoke b", "refresh a", "verify b"),
    ("metadata a", "leave b", "template a", "refresh b", "verify a", "wait 1"),
]


@pytest.mark.parametrize(("names", "least"), QUICK, ids=str)
def test_every_order(names, least):
    assert play(*names) >= least


@pytest.mark.parametrize("names", MORE, ids=str)
def test_many_orders_of_more(names):
    sample(*names, orders=60)


@pytest.mark.long
@pytest.mark.parametrize("names", MORE, ids=str)
def test_very_many_orders_of_more(names):
    sample(*names, orders=1_000)


# --- breaking it on purpose ---------------------------------------------------------------


def test_a_process_that_does_not_hear_of_users_is_found(monkeypatch):
    true = Known.latest
    monkeypatch.setattr(
        Known, "latest", lambda known, claims, now: true(known, {**claims, "sub": ""}, now)
    )
    for change in ("metadata", "leave"):
        with pytest.raises(AssertionError, match="after:"):
            play(f"{change} a", "verify b", "wait 1")


def test_a_template_at_hand_that_nobody_looks_at_again_is_found(monkeypatch):
    monkeypatch.setattr(TemplateShelf, "look_again", lambda shelf: None)
    with pytest.raises(AssertionError, match="after:"):
        play("template a", "verify b", "wait 1")
    with pytest.raises(AssertionError, match="claims to know"):
        play("template a", "refresh b")


@pytest.mark.parametrize("change", ["metadata", "leave"])
def test_a_token_that_claims_to_know_more_than_its_minter_is_found(monkeypatch, change):
    true = Issuer._mint

    def mint(issuer, session, ready, **given):
        page = yield from issuer._feed.newest()
        return (yield from true(issuer, session, replace(ready, rev=page.newest), **given))

    monkeypatch.setattr(Issuer, "_mint", mint)
    with pytest.raises(AssertionError, match="claims to know"):
        play(f"{change} a", "refresh b")
