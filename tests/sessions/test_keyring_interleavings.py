"""Processes that make, rotate, revoke and rewrap keys at once: every order, a death at every point.

What must hold: whoever was answered can sign, with a key that everybody publishes; one new key
whoever asked for it; a revoked key never comes back; each commit is in the log. The tests at the
end break the store on purpose, and the checker finds it.
"""

from __future__ import annotations

import itertools

import pytest

from flask_session_claims.core.flow import run as drive
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.keyring import (
    KEYRING,
    RING,
    KeyPolicy,
    KeyringFlows,
    Ring,
    decode,
)
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.stores.memory import MemoryStore

from .interleave import DEAD, explore
from .stage import NOW, copied

POLICY = KeyPolicy()


class KeyStage:
    """One keyring over a memory store; `flows` have the new secret and the one before it."""

    def __init__(self, store=None):
        self.store = store if store is not None else MemoryStore()
        self.now = NOW
        self.flows = self.having("new", "old")
        self.before = self.having("old")
        self._handlers = record_handlers(self.store)

    def having(self, *secrets):
        count = itertools.count()
        return KeyringFlows(
            POLICY,
            [vault.wrapping_key(secret) for secret in secrets],
            clock=lambda: self.now,
            # Nonces: the same key never wraps the same thing twice on one stage.
            random=lambda size: next(count).to_bytes(size, "big"),
        )

    def perform(self, ask):
        return self._handlers[type(ask)](ask)

    def do(self, flow):
        return drive(flow, self.perform)

    def ring(self):
        return decode(self.store.load(KEYRING, RING))


def opening(*acts, store=MemoryStore, at=NOW):
    """Makes stages on which these acts have been done; the clock then stands at `at`."""
    first = KeyStage()
    for act in acts:
        first.do(act(first))

    def make():
        stage = KeyStage(copied(first.store, store()))
        stage.now = at
        return stage

    return make, first.ring()


def ensure(stage):
    return stage.flows.ensure()


def ensure_old(stage):
    return stage.before.ensure()


def rotate_old(stage):
    return stage.before.rotate()


def rotate(stage):
    return stage.flows.rotate()


def rotate_at_once(stage):
    return stage.flows.rotate(at_once=True)


def static(stage):
    return stage.flows.static()


def rewrap(stage):
    return stage.flows.rewrap()


def discard(stage):
    return stage.flows.discard()


def revoke(kid):
    return lambda stage: stage.flows.revoke(kid)


def check(run, before):
    """What holds after whatever happened; the ring as it is then."""
    stage = run.stage
    ring = stage.ring()
    commits = [tick for actor in run.actors for tick in actor.commits]
    assert ring.version == before.version + len(commits)
    entries = stage.store.log_since(0).entries
    assert [(entry.subject, entry.key) for entry in entries] == [("keys", "")] * len(commits)
    kids = [key.kid for key in ring.keys]
    assert len(set(kids)) == len(kids)
    for actor in run.actors:
        assert not isinstance(actor.outcome, Exception), f"{actor.name}: {actor.outcome!r}"
        if isinstance(actor.outcome, Ring) and actor.name not in ("rewrap", "static"):
            signing = actor.outcome.signing("session", stage.now)
            assert signing.kid in kids or ended(run), "an answer without a key behind it"
            assert stage.flows.signer(signing).kid == signing.kid
    for key in ring.keys:
        assert stage.flows.signer(key).jwk == key.jwk
    return ring


def ended(run):
    return [actor for actor in run.actors if actor.name.startswith("revoke") and actor.commits]


def made(before, ring, use="session"):
    """The keys that are new."""
    known = {key.kid for key in before.keys}
    return [key for key in ring.keys if key.kid not in known and key.use == use]


@pytest.mark.parametrize(("count", "dying"), [(2, 2), (3, 2), (4, 0)])
def test_workers_that_start_at_once_have_one_key(count, dying):
    make, before = opening()

    def holds(run):
        ring = check(run, before)
        alive = [actor for actor in run.actors if actor.outcome is not DEAD]
        assert len(ring.keys) == 1 or (not alive and not ring.keys)
        for actor in alive:
            assert actor.outcome == ring, "everybody is answered the same"

    cast = [(f"ensure{n}", ensure) for n in range(count)]
    assert explore(make, cast, holds, deaths_at_most=dying) > 2


@pytest.mark.parametrize("acts", [(ensure, ensure, ensure), (ensure, rotate, rotate)])
def test_workers_that_rotate_at_once_make_one_key_more(acts):
    at = NOW + POLICY.rotate_every - POLICY.publish_ahead
    make, before = opening(ensure, at=at)

    def holds(run):
        ring = check(run, before)
        assert len(made(before, ring)) <= 1
        assert ring.keys[0].kid == before.keys[0].kid
        assert ring.signing("session", at).kid == before.keys[0].kid, "nobody knows the new one"
        if any(actor.outcome is not DEAD for actor in run.actors):
            assert len(ring.keys) == 2

    cast = [(f"{act.__name__}{n}", act) for n, act in enumerate(acts)]
    assert explore(make, cast, holds, deaths_at_most=2) > 100


def test_a_revoked_key_never_comes_back_whoever_acts_besides():
    make, before = opening(ensure, rotate)
    kid = before.signing("session", NOW).kid

    def holds(run):
        ring = check(run, before)
        gone = kid not in [key.kid for key in ring.keys]
        assert gone == bool(ended(run))
        for actor in run.actors:
            if actor.name.startswith("revoke") and actor.outcome is not DEAD:
                assert actor.outcome is bool(actor.commits)
        assert sum(len(actor.commits) for actor in ended(run)) <= 1
        assert ring.signing("session", NOW) is not None

    for other in (ensure, rotate, rotate_at_once, static, rewrap, discard):
        cast = [("revoke1", revoke(kid)), (other.__name__, other), ("revoke2", revoke(kid))]
        assert explore(make, cast, holds) > 50


def test_the_first_static_key_is_made_once():
    make, before = opening(ensure)

    def holds(run):
        ring = check(run, before)
        assert len(made(before, ring, "static")) <= 1
        for actor in run.actors:
            if actor.name.startswith("static") and actor.outcome is not DEAD:
                assert actor.outcome.signing("static", NOW).kid in [k.kid for k in ring.keys]

    cast = [("static1", static), ("static2", static), ("rotate", rotate)]
    assert explore(make, cast, holds) > 50


def test_workers_with_the_new_secret_rewrap_and_lose_no_key():
    make, before = opening(ensure_old, rotate_old)
    name = vault.wrapping_key("new").name

    def holds(run):
        ring = check(run, before)
        assert {key.kid for key in before.keys} <= {key.kid for key in ring.keys}
        if any(actor.outcome is not DEAD for actor in run.actors):
            assert {key.wrapped_by for key in ring.keys} == {name}

    cast = [("ensure1", ensure), ("rewrap", rewrap), ("ensure2", ensure)]
    assert explore(make, cast, holds, deaths_at_most=2) > 50


# --- broken on purpose --------------------------------------------------------------------


class Careless(MemoryStore):
    """Takes a change whatever version it was made from."""

    def commit(self, puts, deletes=(), log=()):
        current = [self.load(put.kind, put.key) for put in puts]
        fitting = [
            type(put)(put.kind, put.key, found.version if found else 0, put.data)
            for put, found in zip(puts, current, strict=True)
        ]
        return super().commit(fitting, deletes, log)


def test_without_the_version_check_two_first_keys_are_found():
    make, before = opening(store=Careless)

    def holds(run):
        check(run, before)

    with pytest.raises(AssertionError, match="an answer without a key behind it"):
        explore(make, [("ensure1", ensure), ("ensure2", ensure)], holds)


def test_without_the_version_check_a_revoked_key_that_is_back_is_found():
    make, before = opening(ensure, store=Careless)
    kid = before.keys[0].kid

    def holds(run):
        ring = check(run, before)
        assert not ended(run) or kid not in [key.kid for key in ring.keys], "it is back"

    with pytest.raises(AssertionError, match="it is back"):
        explore(make, [("revoke", revoke(kid)), ("rotate", rotate)], holds)
