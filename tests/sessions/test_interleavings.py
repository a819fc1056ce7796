"""Refresh, refresh, revoke and merge in every order, with a death at every point.

What must hold is checked by what a bystander saw: who was answered what, and in which order the
commits took place. The tests at the end break the library on purpose; each break is found.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from flask_session_claims.sessions import rotation, tokens
from flask_session_claims.sessions.faults import RefreshRefused
from flask_session_claims.sessions.limits import Limits
from flask_session_claims.sessions.model import Session, encode
from flask_session_claims.sessions.rotation import Refreshed, Verdict
from flask_session_claims.stores.memory import MemoryStore

from . import interleave
from .interleave import DEAD, explore
from .stage import Stage, copied, remember


@functools.cache
def opening(refreshes):
    """A store with one session that was refreshed so often: it, the id, and all its tokens."""
    stage = Stage()
    session_id, token = stage.sign_in(claims={"plan": "free"})
    texts = [token]
    for _ in range(refreshes):
        texts.append(stage.refresh(texts[-1]).refresh_token)
    return stage.store, session_id, tuple(texts)


def scene(store=MemoryStore, refreshes=0, limits=None):
    """(makes a stage on which it is that session's turn, its id, its tokens)"""
    opened, session_id, texts = opening(refreshes)

    stage = Stage(limits=limits)

    def make():
        return stage.begin(copied(opened, store()))

    return make, session_id, texts


def refresh(text):
    return lambda stage: stage.flows.refresh(text)


def revoke(session_id):
    return lambda stage: stage.flows.revoke(session_id)


def merge(session_id, name):
    return lambda stage: stage.flows.merge_claims(session_id, {name: name, "plan": None})


def wait(seconds):
    def pass_by(stage):
        stage.now += seconds

    return pass_by


def attempt(stage, text):
    """What a client gets who presents a token once all is over: (text, code)."""
    try:
        return stage.refresh(text).refresh_token, None
    except RefreshRefused as error:
        return None, error.code


# --- the invariants -----------------------------------------------------------------------


def by(run, kind):
    return [actor for actor in run.actors if actor.name.startswith(kind)]


def check_nobody_failed(run):
    for actor in run.actors:
        if isinstance(actor.outcome, Exception):
            assert isinstance(actor.outcome, RefreshRefused), f"{actor.name}: {actor.outcome!r}"


def check_one_successor(run):
    """S2, S7: at most one new generation, and everybody has the same token of it."""
    refreshes = by(run, "refresh")
    assert sum(len(actor.commits) for actor in refreshes) <= 1, "two rotations of one token"
    given = [actor.outcome for actor in refreshes if isinstance(actor.outcome, Refreshed)]
    for answer in given:
        remember(answer.refresh_token)
    assert len({answer.refresh_token for answer in given}) <= 1, "two successors of one token"
    assert sum(answer.rotated for answer in given) <= 1


def check_revocation(run, state):
    """S9: what was revoked stays so, and nobody is let in after it; nothing else revokes."""
    ends = [tick for actor in by(run, "revoke") for tick in actor.commits]
    assert len(ends) <= 1, "ended twice"
    assert (state.revoked_at is not None) == bool(ends), "revoked by nobody, or brought back"
    for actor in by(run, "refresh"):
        if isinstance(actor.outcome, Refreshed):
            assert not ends or actor.last <= ends[0] or actor.first < ends[0], "let in too late"
            assert not ends or not actor.commits or actor.commits[0] < ends[0]
        elif isinstance(actor.outcome, RefreshRefused):
            assert actor.outcome.code == "session-revoked", "a false alarm"
            assert ends, "refused without a reason"
            assert ends[0] < actor.last
    for actor in by(run, "revoke"):
        if actor.outcome is not DEAD:
            assert actor.outcome is bool(actor.commits)


def check_merges(run, state):
    """No merge that was answered is lost, whatever else happened."""
    ends = [tick for actor in by(run, "revoke") for tick in actor.commits]
    for actor in by(run, "merge"):
        name = actor.name
        if actor.commits:
            assert state.layers.own.get(name) == name, "a merge was lost"
        if isinstance(actor.outcome, Session):
            assert actor.commits
            assert actor.outcome.claims[name] == name
        elif actor.outcome is None and actor.over:
            assert ends, "a merge was turned away from a live session"
            assert ends[0] < actor.last


def check_records(run, state, session_id, before):
    """Version, journal and log tell of each commit once and in its order; refresh logs nothing."""
    done = sorted((tick, actor.name) for actor in run.actors for tick in actor.commits)
    assert state.version == before.version + len(done)
    said = [act.act for act in state.acts()][len(before.journal) :]
    assert said == [name.rstrip("0123456789") for _, name in done]
    page = run.stage.store.log_since(0)
    what = {"merge": "claims", "revoke": "revoked"}
    named = [what.get(name.rstrip("0123456789")) for _, name in done]
    assert [entry.what for entry in page.entries] == [word for word in named if word]
    assert [entry.position for entry in page.entries] == list(range(1, len(page.entries) + 1))
    assert {entry.key for entry in page.entries} <= {session_id}


def check_afterwards(run, state, text):
    """S8: whoever got no answer repeats the token, and goes on; a day later it is a theft."""
    stage = run.stage
    refreshes = by(run, "refresh")
    given = {a.outcome.refresh_token for a in refreshes if isinstance(a.outcome, Refreshed)}
    again, code = attempt(stage, text)
    if state.revoked_at is not None:
        assert (again, code) == (None, "session-revoked")
        for successor in given:
            assert attempt(stage, successor) == (None, "session-revoked")
        return
    assert code is None, "locked out within the grace"
    assert given <= {again}, "another successor for the one who asks again"
    following, code = attempt(stage, again)
    assert code is None
    stage.now += 31
    assert attempt(stage, again)[1] == "refresh-token-reused"
    assert attempt(stage, following)[1] == "session-revoked", "the thief's own token still works"


def check_all(session_id, text, before):
    ends = set()

    def check(run):
        state = run.stage.state(session_id)
        check_nobody_failed(run)
        check_one_successor(run)
        check_revocation(run, state)
        check_merges(run, state)
        check_records(run, state, session_id, before)
        given = frozenset(getattr(a.outcome, "refresh_token", None) for a in run.actors)
        end = encode(replace(state, journal=())), given
        if end not in ends:  # from the same end the same follows
            ends.add(end)
            check_afterwards(run, state, text)

    return check


def play(names, *, store=MemoryStore, deaths_at_most=1, asks=4):
    """Explore what these actors do with one session and its current token."""
    make, session_id, (text,) = scene(store)
    acts = {
        "refresh": refresh(text),
        "revoke": revoke(session_id),
    }
    cast = []
    for number, name in enumerate(names):
        if name == "merge":
            cast.append((f"merge{number}", merge(session_id, f"merge{number}")))
        else:
            cast.append((name, acts[name]))
    before = make().state(session_id)
    check = check_all(session_id, text, before)
    return explore(make, cast, check, asks=asks, deaths_at_most=deaths_at_most)


ALL = ("refresh", "refresh", "revoke", "merge")


@pytest.mark.parametrize(
    ("names", "deaths_at_most", "least"),
    [
        (("refresh", "refresh"), 2, 20),
        (("refresh", "revoke"), 2, 20),
        (("refresh", "merge"), 2, 20),
        (("merge", "merge"), 2, 20),
        (("revoke", "revoke"), 2, 20),
        (("refresh", "refresh", "revoke"), 2, 300),
        (("refresh", "refresh", "merge"), 2, 300),
        (("refresh", "merge", "merge"), 2, 300),
        (("refresh", "revoke", "merge"), 2, 300),
        pytest.param(ALL, 1, 10_000, marks=pytest.mark.long),
    ],
)
def test_every_order_and_every_death(names, deaths_at_most, least):
    assert play(names, deaths_at_most=deaths_at_most) >= least


def test_without_leaving_out_equal_orders_the_same_holds(monkeypatch):
    """The reduction is no more than that: all 4!/(2!2!) orders of two flows, then more."""
    reduced = play(("refresh", "merge"), deaths_at_most=0)
    monkeypatch.setattr(interleave.Run, "_only_reads", lambda run, number: False)
    full = play(("refresh", "merge"), deaths_at_most=0)
    assert reduced < full
    assert play(("refresh", "refresh", "revoke"), deaths_at_most=1) > 300


# --- time passes --------------------------------------------------------------------------


def check_grace(session_id):
    """S4, S6: a retry is within the grace of the rotation; beyond it is a theft."""

    def check(run):
        check_nobody_failed(run)
        state = run.stage.state(session_id)
        rotations = [actor for actor in by(run, "refresh") if actor.commits]
        for actor in by(run, "refresh"):
            outcome = actor.outcome
            if isinstance(outcome, Refreshed):
                remember(outcome.refresh_token)
            if isinstance(outcome, Refreshed) and not outcome.rotated:
                assert actor.began_at - state_rotated_at(run, session_id) <= 30, "a late retry"
            if isinstance(outcome, RefreshRefused) and outcome.code == "refresh-token-reused":
                first = next(a for a in rotations if a is not actor)
                assert actor.began_at - first.began_at > 30, "a false alarm"
                assert state.revoked_at is not None

    return check


def state_rotated_at(run, session_id):
    return run.stage.state(session_id).rotated_at


def play_time(store=MemoryStore):
    make, session_id, (text,) = scene(store)
    cast = [
        ("refresh1", refresh(text)),
        ("refresh2", refresh(text)),
        ("clock", wait(20)),
        ("clock", wait(15)),
    ]
    return explore(make, cast, check_grace(session_id), apart=True, deaths_at_most=1, asks=3)


def test_the_grace_ends_in_every_order():
    assert play_time() > 1000


# --- theft --------------------------------------------------------------------------------


def play_theft(store=MemoryStore):
    """A token two generations old beside the current one."""
    make, session_id, texts = scene(store, refreshes=2)

    def check(run):
        check_nobody_failed(run)
        state = run.stage.state(session_id)
        thief, victim, merging = run.actors
        if thief.outcome is not DEAD:
            assert isinstance(thief.outcome, RefreshRefused)
            assert thief.outcome.revoked
            assert state.revoked_at is not None, "a theft that was seen ended nothing"
        assert (state.revoked_at is not None) == bool(thief.commits)
        if isinstance(victim.outcome, RefreshRefused):
            assert victim.outcome.code == "session-revoked"
            assert thief.commits[0] < victim.last
        if isinstance(victim.outcome, Refreshed):
            remember(victim.outcome.refresh_token)
            if thief.commits:
                code = attempt(run.stage, victim.outcome.refresh_token)[1]
                assert code == "session-revoked"
        if merging.commits:
            assert state.layers.own["merge"] == "merge"

    cast = [
        ("thief", refresh(texts[0])),
        ("victim", refresh(texts[-1])),
        ("merge", merge(session_id, "merge")),
    ]
    return explore(make, cast, check, deaths_at_most=2)


def test_a_theft_ends_the_session_in_every_order():
    assert play_theft() > 500


# --- caps and replacing -------------------------------------------------------------------


def play_cap(store=MemoryStore):
    """Two sign-ins at once where a user may have one session, beside a refresh."""
    make, session_id, (text,) = scene(store, limits=Limits(per_user=1))

    def check(run):
        check_nobody_failed(run)
        live = run.stage.do(run.stage.flows.list_for_user("user_1"))
        signed_in = [actor for actor in by(run, "sign-in") if actor.commits]
        assert len(live) == 1, "more sessions than allowed"
        assert (live[0].session_id == session_id) == (not signed_in)
        revoked = [key for _, key, what in run.stage.log() if what == "revoked"]
        assert len(revoked) == len(set(revoked)) == len(signed_in)

    cast = [
        ("sign-in1", lambda stage: stage.flows.create("user_1")),
        ("sign-in2", lambda stage: stage.flows.create("user_1", replaces=session_id)),
        ("refresh", refresh(text)),
    ]
    return explore(make, cast, check, asks=5)


def test_a_cap_holds_in_every_order():
    assert play_cap() > 300


def test_two_sign_ins_never_take_one_place():
    make, session_id, _ = scene(limits=Limits(per_user=2))

    def check(run):
        check_nobody_failed(run)
        live = {
            session.session_id for session in run.stage.do(run.stage.flows.list_for_user("user_1"))
        }
        signed_in = [actor for actor in by(run, "sign-in") if actor.commits]
        assert len(live) == min(2, 1 + len(signed_in)), "more sessions than allowed"
        assert (session_id in live) == (len(signed_in) < 2)

    cast = [(f"sign-in{number}", lambda stage: stage.flows.create("user_1")) for number in (1, 2)]
    assert explore(make, cast, check, asks=5) > 20


# --- breaking it on purpose ---------------------------------------------------------------


class Careless(MemoryStore):
    """A store that does not look at the expected version."""

    def commit(self, puts, deletes=(), log=()):
        put = [replace(p, expected=self._version(p)) for p in puts]
        return super().commit(put, deletes, log)

    def _version(self, put):
        found = self.load(put.kind, put.key)
        return found.version if found else 0


class Talkative(MemoryStore):
    """A store that logs what it did not do."""

    def commit(self, puts, deletes=(), log=()):
        done = super().commit(puts, deletes, log)
        return done or not super().commit((), (), log)


def judge_without_revocation(state, token, now, grace):
    return TRUE_JUDGE(replace(state, revoked_at=None), token, now, grace)


def judge_without_previous(state, token, now, grace):
    verdict = TRUE_JUDGE(state, token, now, grace)
    return Verdict.REUSED if verdict is Verdict.RETRY else verdict


def judge_without_theft(state, token, now, grace):
    verdict = TRUE_JUDGE(state, token, now, grace)
    return Verdict.INVALID if verdict is Verdict.REUSED else verdict


TRUE_JUDGE = rotation.judge


@pytest.mark.parametrize("names", [ALL, ("refresh", "refresh"), ("merge", "merge")])
def test_without_the_version_check_the_checker_complains(names):
    with pytest.raises(AssertionError, match="after:"):
        play(names, store=Careless)


def test_without_the_version_check_caps_and_thefts_complain_too():
    for scenario in (play_cap, play_theft):
        with pytest.raises(AssertionError, match="after:"):
            scenario(Careless)


def test_without_the_end_of_the_grace_the_checker_complains(monkeypatch):
    monkeypatch.setattr(rotation, "within_grace", lambda state, now, grace: True)
    with pytest.raises(AssertionError, match=r"a late retry|still works|reused"):
        play_time()
    with pytest.raises(AssertionError, match="after:"):
        play(("refresh", "refresh"))


def test_without_any_grace_the_checker_complains(monkeypatch):
    monkeypatch.setattr(rotation, "within_grace", lambda state, now, grace: False)
    with pytest.raises(AssertionError, match=r"after:"):
        play(ALL)
    with pytest.raises(AssertionError, match="a false alarm"):
        play_time()


@pytest.mark.parametrize(
    ("judge", "scenario"),
    [
        (judge_without_revocation, lambda: play(ALL)),
        (judge_without_previous, lambda: play(ALL)),
        (judge_without_theft, play_theft),
    ],
)
def test_a_judge_that_forgets_a_row_is_found(judge, scenario, monkeypatch):
    monkeypatch.setattr(rotation, "judge", judge)
    with pytest.raises(AssertionError, match="after:"):
        scenario()


def test_a_successor_that_is_drawn_anew_is_found(monkeypatch):
    drawn = iter(range(10**9))
    monkeypatch.setattr(tokens, "successor", lambda secret, salt: b"%032d" % next(drawn))
    with pytest.raises(AssertionError, match="after:"):
        play(("refresh", "refresh"))


def test_a_log_that_tells_of_what_did_not_happen_is_found():
    with pytest.raises(AssertionError, match="after:"):
        play(ALL, store=Talkative)
