"""What must not happen to a keyring: another app's key, a broken record, a set nobody takes."""

from __future__ import annotations

import dataclasses
import random

import pytest

from flask_session_claims import ConfigurationError, SessionError, UnavailableError
from flask_session_claims.core.flow import run
from flask_session_claims.core.keyset import MAX_KEYS, fetched_keys
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.keyring import (
    KEYRING,
    MAX_RING,
    RING,
    KeyPolicy,
    KeyringFlows,
    Ring,
    encode,
    key_set,
)
from flask_session_claims.sessions.records import Put, record_handlers
from flask_session_claims.stores.memory import MemoryStore

NOW = 1_800_000_000.0
POLICY = KeyPolicy()


class Bench:
    def __init__(self):
        self.store, self.now = MemoryStore(), NOW
        handlers = record_handlers(self.store)
        self.perform = lambda ask: handlers[type(ask)](ask)
        self.use("secret")

    def use(self, *secrets):
        wrapping = [vault.wrapping_key(secret) for secret in secrets]
        self.flows = KeyringFlows(POLICY, wrapping, clock=lambda: self.now, random=random.randbytes)

    def do(self, flow):
        return run(flow, self.perform)


@pytest.fixture
def bench():
    made = Bench()
    made.do(made.flows.ensure())
    return made


@pytest.mark.parametrize("act", ["rotate", "rotate at once", "static"])
def test_with_a_wrong_secret_no_key_comes_into_the_ring(bench, act):
    """Else the app itself cannot sign any more as soon as it is that key's turn."""
    before = bench.store.load(KEYRING, RING)
    bench.use("another secret")
    flow = {
        "rotate": lambda: bench.flows.rotate(),
        "rotate at once": lambda: bench.flows.rotate(at_once=True),
        "static": lambda: bench.flows.static(),
    }[act]()
    with pytest.raises(ConfigurationError) as caught:
        bench.do(flow)
    assert caught.value.code == "keyring-locked"
    assert bench.store.load(KEYRING, RING) == before


@pytest.mark.parametrize(
    "members",
    [
        {"wrapped": "é"}, {"wrapped": "A"}, {"wrapped": 7}, {"signs_from": "x"},
        {"signs_from": None}, {"created_at": True}, {"kid": 7}, {"use": "other"}, {"jwk": {}},
        {"jwk": {"kty": "EC"}}, {"jwk": {"kty": "oct", "k": "x"}}, {"algorithm": None},
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_read_is_a_declared_error(bench, members):
    (key,) = bench.do(bench.flows.ensure()).keys
    bad = encode(Ring((dataclasses.replace(key, **members),)))
    assert bench.store.commit([Put(KEYRING, RING, 1, bad)])
    with pytest.raises(UnavailableError) as caught:
        key_set(bench.do(bench.flows.ensure()))
    assert caught.value.code == "keyring-unreadable"


def test_the_key_set_is_never_larger_than_verifiers_take(bench):
    for _ in range(MAX_RING - 1):
        bench.do(bench.flows.rotate(at_once=True))
        bench.now += 1
    with pytest.raises(SessionError) as caught:
        bench.do(bench.flows.rotate(at_once=True))
    assert caught.value.code == "keyring-full"
    ring = bench.do(bench.flows.ensure())
    assert len(fetched_keys(key_set(ring).body)[0]) == MAX_RING < MAX_KEYS


@pytest.mark.parametrize("by_command", [True, False])
def test_a_worker_whose_clock_is_a_year_ahead_does_not_stop_the_rotation(bench, by_command):
    bench.now += 365 * 86_400
    bench.do(bench.flows.ensure())
    bench.now = NOW + (0 if by_command else POLICY.rotate_every)
    ring = bench.do(bench.flows.rotate() if by_command else bench.flows.ensure())
    soon = bench.now + POLICY.publish_ahead
    assert ring.signing("session", soon).signs_from > NOW


def test_a_session_key_is_published_for_as_long_as_its_tokens_live():
    """Only what lives for more than a day is signed by the static key."""
    assert POLICY.keep_after >= 86_400 + 300 + 60


def test_without_a_wrapping_key_the_flows_are_refused_when_made():
    with pytest.raises(ConfigurationError):
        KeyringFlows(POLICY, [], clock=lambda: NOW, random=random.randbytes)
