"""Verify, revoke, merge, refresh and poll in every order, in two processes over one store.

What must hold: who begins to verify after a revocation or a change was acknowledged sees it, in
the same process at once, in another one MAX_AGE later; and no token stays outdated for ever.
The tests at the end break the library or the store on purpose; each break is found.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import pytest

from flask_session_claims import TokenError
from flask_session_claims.core.asks import AwaitFlight
from flask_session_claims.core.flow import Ask, run
from flask_session_claims.core.freshness import Standing
from flask_session_claims.sessions import overlay, verifying
from flask_session_claims.sessions.consult import Tell
from flask_session_claims.sessions.feed import Feed
from flask_session_claims.sessions.givenkey import GivenAtHand, given_key
from flask_session_claims.sessions.issuer import Issuer
from flask_session_claims.sessions.model import SESSION, Issued, log_entry
from flask_session_claims.sessions.records import Commit, LoadRecord, ReadLog
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.sessions.verifying import OwnFreshness
from flask_session_claims.stores.memory import MemoryStore

from .interleave import DEAD, Actor, Run, deaths, runs
from .stage import Stage, copied
from .workers import PEM

INTERVAL, MAX_AGE = 0.5, 1.0
KEYS = GivenAtHand(given_key(PEM, "signing_key"))
SETTINGS = IssuingSettings(signing_key=PEM, issuer_url="https://app.example")
PATCHES = {"merge1": {"one": 1}, "merge2": {"two": 2}}


@dataclass(frozen=True)
class Pause(Ask):
    """Between a commit and what its process makes of it, others may act."""


@dataclass(frozen=True)
class Reserve(Ask):
    """What a store does that gives positions before it commits."""

    count: int


@dataclass(frozen=True)
class Publish(Ask):
    """The commit that such a store makes later."""

    commit: Commit
    positions: tuple[int, ...]


class Process:
    """What one process has."""

    def __init__(self, stage):
        clock = lambda: stage.now  # noqa: E731
        self.feed = Feed(
            clock=clock, monotonic=clock, interval=INTERVAL, max_age=MAX_AGE,
            keys_changed=lambda: None,
        )  # fmt: skip
        self.freshness = OwnFreshness(
            self.feed, clock, say=lambda session, at: self.issuer.say(session, at)
        )
        self.issuer = Issuer(
            SETTINGS, stage.flows, KEYS, self.feed, clock=clock, random=bytes,
            provide=lambda: None, secure=True,
        )  # fmt: skip

    def inside(self, flow, early=False):
        """A flow of this process, with what goes with its commits there."""
        try:
            ask = next(flow)
            while True:
                if isinstance(ask, Tell):
                    reply = None
                elif isinstance(ask, Commit) and ask.log:
                    try:
                        if early:
                            ask = Publish(ask, (yield Reserve(len(ask.log))))
                        reply = yield ask
                        yield Pause()
                    finally:
                        self.feed.look_again()
                else:
                    reply = yield ask
                ask = flow.send(reply)
        except StopIteration as end:
            return end.value
        finally:
            flow.close()

    def verify(self, claims):
        standing = self.freshness.check(claims)
        if standing is Standing.FRESH:
            return claims
        if standing is Standing.REVOKED:
            raise TokenError("session-revoked")
        return (yield from self.freshness.settle(claims))


class Scene(Stage):
    """Two processes, `a` and `b`, that have looked at an empty log; some sessions."""

    early = changed = False

    def open(self, store, sessions):
        self.begin(store)
        self.sessions = sessions
        if self.changed:
            assert store.commit((), (), [log_entry(SESSION, sessions[0][0], "claims", self.now)])
        self.processes = {"a": Process(self), "b": Process(self)}
        for process in self.processes.values():
            assert self.do(process.feed.catch_up())
        return self

    def perform(self, ask):
        if isinstance(ask, Pause | AwaitFlight):
            return None
        if isinstance(ask, Reserve):
            self.store._newest += ask.count
            return tuple(range(self.store._newest - ask.count + 1, self.store._newest + 1))
        if isinstance(ask, Publish):
            return self._publish(ask)
        return super().perform(ask)

    def _publish(self, ask):
        newest = self.store._newest
        done = self.store.commit(ask.commit.puts, ask.commit.deletes)
        if done:
            given = zip(ask.commit.log, ask.positions, strict=True)
            self.store._log += [replace(entry, position=place) for entry, place in given]
            self.store._log.sort(key=lambda entry: entry.position)
        self.store._newest = newest
        return done


@functools.cache
def opening():
    """A store with two sessions: it, and (id, claims of the token, refresh token) of each."""
    stage = Stage()
    process = Process(stage)
    sessions = []
    for user_id in ("user_1", "user_2"):
        issued = run(process.inside(process.issuer.create(user_id)), stage.perform)
        sessions.append((issued.session.session_id, issued.claims, issued.refresh_token))
    return stage.store, tuple(sessions)


def scene(early, changed, kind):
    opened, sessions = opening()
    stage = Scene()
    stage.early, stage.changed = early, changed
    return lambda: stage.open(copied(opened, kind()), sessions)


# --- who acts -----------------------------------------------------------------------------


def actor(name):
    """`verify b 0`: what, in which process, on which session."""
    what, *where = name.split()
    if what == "wait":
        return wait(float(where[0]))

    def begin(stage):
        process, which = stage.processes[where[0]], int(where[1]) if len(where) > 1 else 0
        session_id, claims, refresh_token = stage.sessions[which]
        issuer = process.issuer
        flow = {
            "verify": lambda: process.verify(claims),
            "poll": process.feed.catch_up,
            "revoke": lambda: issuer.revoke(session_id),
            "refresh": lambda: issuer.refresh(refresh_token),
            "merge1": lambda: issuer.change(session_id, merging(issuer, "merge1")),
            "merge2": lambda: issuer.change(session_id, merging(issuer, "merge2"), outdated=True),
        }[what]
        return process.inside(flow(), stage.early)

    return begin


def merging(issuer, which):
    return lambda session_id: issuer.flows.merge_claims(session_id, PATCHES[which])


def wait(seconds):
    def pass_by(stage):
        stage.now += seconds

    return pass_by


class Order(Run):
    """As `Run`; of two reads only one order is run where their processes differ."""

    def _begin(self, actor):
        actor.began = self.tick
        super()._begin(actor)
        self._note(actor)

    def act(self, number):
        actor = self.actors[number]
        ask = actor.ask
        super().act(number)
        if isinstance(ask, Publish):
            actor.commits.append(self.tick)
        self._note(actor)

    def _note(self, actor):
        if actor.over:
            actor.ended, actor.ended_at = self.tick, self.stage.now

    def choices(self):
        if any(a.over and a.dies_after is not None and a.outcome is not DEAD for a in self.actors):
            return []
        able = [number for number, actor in enumerate(self.actors) if not actor.over]
        free = [number for number in able if not self._waits(number)]
        assert free or not able, f"nobody can go on after: {', '.join(self.history)}"
        if self._before is None:
            return free
        last, read = self._before
        place = process_of(self.actors[last])
        return [
            n for n in free
            if not (n < last and read and self._only_reads(n)
                    and process_of(self.actors[n]) != place)
        ]  # fmt: skip

    def _waits(self, number):
        ask = self.actors[number].ask
        return isinstance(ask, AwaitFlight) and not ask.flight.done()

    def _only_reads(self, number):
        return isinstance(self.actors[number].ask, LoadRecord | ReadLog | AwaitFlight)


def process_of(actor):
    return actor.name.split()[1]


def session_of(actor):
    return [*actor.name.split(), "0"][2]


def by(run, kind):
    return [actor for actor in run.actors if actor.name.startswith(kind)]


# --- the invariants -----------------------------------------------------------------------


def must_see(reader, writer):
    """Whether a change was acknowledged so long before that it has to be in force."""
    if session_of(reader) != session_of(writer) or reader.began <= writer.ended:
        return False
    here = process_of(reader) == process_of(writer)
    return here or reader.began_at - writer.ended_at >= MAX_AGE


def is_refused(actor):
    return isinstance(actor.outcome, TokenError)


def check_failures(run):
    for actor in run.actors:
        failed = isinstance(actor.outcome, Exception)
        refused = getattr(actor.outcome, "code", None) == "session-revoked"
        assert refused or not failed, f"{actor.name}: {actor.outcome!r}"
        if is_refused(actor) or (failed and refused):
            ends = [t for one in by(run, "revoke") for t in one.commits
                    if session_of(one) == session_of(actor)]  # fmt: skip
            assert ends, "refused without a reason"
            assert ends[0] <= actor.ended


def check_revocations(run):
    verified = [actor for actor in by(run, "verify") if actor.outcome is not DEAD]
    for end in by(run, "revoke"):
        if end.outcome is DEAD or not end.outcome:
            continue
        for reader in verified:
            assert is_refused(reader) or not must_see(reader, end), f"{reader.name} let in too late"
    for first in filter(is_refused, verified):
        for later in verified:
            same = process_of(first) == process_of(later)
            if same and session_of(first) == session_of(later) and first.ended < later.began:
                assert is_refused(later), "let in again"


def seen_by(actor):
    return (
        set() if is_refused(actor) else {name for name in ("one", "two") if name in actor.outcome}
    )


def check_claims(run):
    done = sorted((t, actor) for actor in by(run, "merge") for t in actor.commits)
    order = [next(iter(PATCHES[actor.name.split()[0]])) for _, actor in done]
    prefixes = [set(order[:n]) for n in range(len(order) + 1)]
    readers = [a for a in by(run, "verify") if a.outcome is not DEAD and not is_refused(a)]
    for reader in readers:
        assert seen_by(reader) in prefixes, "claims that never were in force"
        for merging in by(run, "merge"):
            if isinstance(merging.outcome, Issued) and must_see(reader, merging):
                name = next(iter(PATCHES[merging.name.split()[0]]))
                assert name in seen_by(reader), f"{reader.name} missed {merging.name}"
        for later in readers:
            if process_of(reader) == process_of(later) and reader.ended < later.began:
                assert seen_by(reader) <= seen_by(later), "older claims came back"


def check_afterwards(run):
    """Once all is over, each token tells the truth, or is replaced by one that does."""
    stage = run.stage
    stage.now += MAX_AGE
    issued = [a.outcome.claims for a in run.actors if isinstance(a.outcome, Issued)]
    for process in stage.processes.values():
        for claims in [*issued, *(claims for _, claims, _ in stage.sessions)]:
            state = stage.state(claims["sid"])
            try:
                told = stage.do(process.verify(claims))
            except TokenError:
                assert state.revoked_at is not None, "locked out"
                continue
            assert state.revoked_at is None, "a revoked session is let in for ever"
            expected = dict(state.layers.effective)
            assert {n: v for n, v in told.items() if n in ("one", "two")} == expected
            check_remint(stage, process, claims, expected)


def check_remint(stage, process, claims, expected):
    held = process.freshness.outdated(claims)
    if held is None:
        assert stage.store.log_since(claims["rev"]).entries == () or not any(
            entry.key == claims["sid"] for entry in stage.store.log_since(claims["rev"]).entries
        ), "outdated, and not to be made anew"
        return
    flow = process.issuer.remint(
        held.session, held.position, expires_at=claims["exp"], azp=claims.get("azp")
    )
    new = run(process.inside(flow), stage.perform).claims
    assert process.freshness.outdated(new) is None, "outdated for ever"
    assert process.freshness.check(new) is Standing.FRESH
    assert {name: new[name] for name in ("one", "two") if name in new} == expected
    assert (new["exp"], new["sid"]) == (claims["exp"], claims["sid"])


def check_all(run):
    check_failures(run)
    check_revocations(run)
    check_claims(run)
    check_afterwards(run)


def play(*names, deaths_at_most=0, asks=4, early=False, changed=False, kind=MemoryStore):
    """Every order in which these act; how many there were.

    Args:
        early: the store gives positions before it commits.
        changed: the log already tells of the session, which nobody has loaded.
    """
    make, total = scene(early, changed, kind), 0
    for dying in deaths(len(names), asks, deaths_at_most):

        def begin(dying=dying):
            actors = [Actor(name, actor(name), dying.get(n)) for n, name in enumerate(names)]
            return Order(make(), actors, True)

        for one in runs(begin):
            total += 1
            try:
                check_all(one)
            except AssertionError as error:
                raise AssertionError(f"{error}\nafter: {', '.join(one.history)}") from error
    return total


# --- what is played -----------------------------------------------------------------------


QUICK = [
    (("revoke a", "verify a", "verify a"), 1, 100),
    (("revoke a", "verify b", "wait 1"), 1, 100),
    (("revoke a", "verify b", "verify b", "wait 1"), 0, 500),
    (("revoke a", "poll b", "verify b", "wait 0.6"), 0, 200),
    (("revoke a", "poll a", "verify a", "verify b"), 0, 100),
    (("merge1 a", "verify b", "wait 1"), 0, 100),
    (("merge1 a", "verify a", "poll a"), 0, 100),
    (("merge1 a", "merge2 b"), 0, 50),
    (("merge1 a", "refresh b"), 0, 50),
    (("merge1 a", "revoke b"), 0, 50),
    (("refresh a", "revoke b", "verify a"), 0, 100),
]
LONG = [
    (("merge1 a", "verify a", "verify a"), 1, 300),
    (("merge1 a", "verify b", "verify b", "wait 1"), 0, 1_000),
    (("merge1 a", "merge2 b", "verify b"), 0, 5_000),
    (("merge1 a", "refresh b", "verify b"), 0, 1_000),
    (("merge1 a", "revoke b", "verify a"), 0, 5_000),
]


@pytest.mark.parametrize(("names", "deaths_at_most", "least"), QUICK, ids=str)
def test_every_order(names, deaths_at_most, least):
    assert play(*names, deaths_at_most=deaths_at_most) >= least


@pytest.mark.long
@pytest.mark.parametrize(("names", "deaths_at_most", "least"), LONG, ids=str)
def test_every_order_of_more(names, deaths_at_most, least):
    assert play(*names, deaths_at_most=deaths_at_most) >= least


# --- breaking it on purpose ---------------------------------------------------------------


class Silent(MemoryStore):
    """A store that forgets to log."""

    def commit(self, puts, deletes=(), log=()):
        return super().commit(puts, deletes)


def test_a_store_that_gives_positions_before_it_commits_loses_entries():
    """What a naive poller over a sequence would do; positions must be given in the commit."""
    names = ("revoke a 0", "revoke b 1", "verify b 0")
    assert play(*names) > 100
    with pytest.raises(AssertionError, match="let in"):
        play(*names, early=True)


def test_a_store_that_logs_nothing_is_found():
    with pytest.raises(AssertionError, match="let in"):
        play("revoke a", "verify b", "wait 1", kind=Silent)
    with pytest.raises(AssertionError, match="after: merge1 a"):
        play("merge1 a", "verify b", "wait 1", kind=Silent)


def test_a_process_that_does_not_hear_of_its_own_changes_is_found(monkeypatch):
    monkeypatch.setattr(Feed, "look_again", lambda feed: None)
    with pytest.raises(AssertionError, match="let in too late"):
        play("revoke a", "verify a")


def test_a_load_that_counts_for_more_than_it_knew_is_found(monkeypatch):
    """The feed's position has to be taken before the record is read."""

    def confirm(freshness, claims):
        record = yield from LoadRecord(SESSION, claims["sid"])
        state = verifying.decode(record)
        session = state.session() if state.is_live(freshness._clock()) else None
        known = freshness._feed.known
        yield Pause()
        held = overlay.Held(known, known.position, session, say=freshness._say)
        freshness._overlay.keep(claims["sid"], held)
        if session is None:
            raise TokenError("session-revoked")
        return held.in_force(claims, freshness._clock())

    monkeypatch.setattr(OwnFreshness, "confirm", confirm)
    with pytest.raises(AssertionError, match="after:"):
        play("verify b", "wait 0.6", "revoke a", "poll b", changed=True)


def test_a_token_that_claims_to_know_more_than_its_minter_is_found(monkeypatch):
    """The position of the log has to be read before the session is."""
    true = Issuer._mint

    def mint(issuer, session, ready, **given):
        page = yield from issuer._feed.newest()
        return (yield from true(issuer, session, replace(ready, rev=page.newest), **given))

    monkeypatch.setattr(Issuer, "_mint", mint)
    with pytest.raises(AssertionError, match="after:"):
        play("merge1 a", "refresh b")
