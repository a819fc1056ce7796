"""The keys of one process: when they are read, and what it does while they cannot be."""

from __future__ import annotations

import random

import pytest

from flask_session_claims import ConfigurationError, UnavailableError, verify_jws
from flask_session_claims.core.flow import play, run
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.athand import LOOK_EVERY, PAUSE, STALE_FOR, KeysAtHand
from flask_session_claims.sessions.keyring import (
    KEYRING,
    RING,
    KeyPolicy,
    KeyringFlows,
    SigningKey,
    decode,
    encode,
)
from flask_session_claims.sessions.records import LoadRecord, Put, record_handlers
from flask_session_claims.sessions.tokens import b64url
from flask_session_claims.stores.memory import MemoryStore

from .stage import NOW

POLICY = KeyPolicy()


class Place:
    """A store with a clock, and whether it can be had."""

    def __init__(self):
        self.store, self.now, self.gone, self.asked = MemoryStore(), NOW, False, 0
        self._handlers = record_handlers(self.store)

    def perform(self, ask):
        self.asked += 1
        if self.gone:
            raise UnavailableError("The store is away.")
        return self._handlers[type(ask)](ask)


class Worker:
    """A process of the app, with its secrets."""

    def __init__(self, place, *secrets):
        self.place = place
        wrapping = [vault.wrapping_key(secret) for secret in secrets or ("secret",)]
        clock = self.clock
        self.flows = KeyringFlows(POLICY, wrapping, clock=clock, random=random.randbytes)
        self.hand = KeysAtHand(self.flows, clock=clock)

    def clock(self):
        return self.place.now

    def do(self, flow):
        return run(flow, self.place.perform)

    def kid(self):
        return self.do(self.hand.signer()).kid

    def keys(self):
        return self.do(self.hand.keys())

    def sign(self):
        signer = self.do(self.hand.signer())
        header = b64url(f'{{"alg":"{signer.algorithm}","kid":"{signer.kid}"}}'.encode())
        signed = f"{header}.{b64url(b'payload')}"
        return f"{signed}.{b64url(signer.sign(signed.encode()))}"

    def takes(self, compact):
        return verify_jws(compact, self.keys(), vault.ALGORITHMS) == b"payload"


@pytest.fixture
def place():
    return Place()


@pytest.fixture
def worker(place):
    return Worker(place)


def test_what_signs_is_published_and_verifies_without_another_read(place, worker):
    compact = worker.sign()
    asked = place.asked
    for _ in range(5):
        assert worker.takes(compact)
        assert worker.kid().encode() in worker.do(worker.hand.document()).body
    assert place.asked == asked


def test_who_only_verifies_writes_nothing(place, worker):
    assert len(worker.keys()) == 0
    assert worker.hand.at_hand() is not None
    assert place.store.identity() is None
    kid = worker.kid()
    assert [key.kid for key in worker.keys().keys] == [kid]


def test_the_keys_are_read_again_after_a_while_and_when_the_log_tells(place, worker):
    kid = worker.kid()
    assert Worker(place).do(worker.flows.revoke(kid))
    place.now += LOOK_EVERY / 2
    assert worker.kid() == kid
    worker.hand.look_again()
    new = worker.kid()
    assert new != kid
    asked = place.asked
    worker.kid()
    assert place.asked == asked, "told once, read once"
    assert Worker(place).do(worker.flows.revoke(new))
    place.now += LOOK_EVERY
    assert worker.kid() not in (kid, new)


def test_a_clock_that_goes_back_reads_again_and_goes_on(place, worker):
    signer = worker.do(worker.hand.signer())
    asked = place.asked
    place.now -= 86_400
    assert worker.do(worker.hand.signer()) is signer, "opened once"
    assert place.asked > asked
    asked = place.asked
    assert worker.do(worker.hand.signer()) is signer
    assert place.asked == asked


def test_no_token_is_refused_by_another_worker_through_rotations(place):
    workers = [Worker(place) for _ in range(3)]
    chance = random.Random(3)
    kids = set()
    for _ in range(900):
        place.now += chance.choice([1, 30, 59, 61, 4_000, 40_000])
        compact = chance.choice(workers).sign()
        assert all(worker.takes(compact) for worker in workers)
        kids |= {worker.kid() for worker in workers}
    assert place.now - NOW > 2 * POLICY.rotate_every
    assert len(kids) > 2


def test_who_remembers_the_key_that_verified_still_finds_it(place, worker):
    """Else every look at the ring would cost the cache of verified tokens."""
    _ = worker.kid()
    before = worker.keys()
    place.now += LOOK_EVERY
    assert worker.keys() is before
    _ = worker.do(worker.flows.rotate())
    place.now += LOOK_EVERY
    after = worker.keys()
    assert len(after) == 2
    assert all(after.holds(key) for key in before.keys)


def test_while_the_store_is_away_the_keys_serve_for_an_hour(place, worker):
    kid = worker.kid()
    place.gone = True
    place.now += LOOK_EVERY
    asked = place.asked
    assert worker.kid() == worker.kid() == kid
    assert place.asked == asked + 1, "the store is left alone for a while"
    place.now += PAUSE
    assert worker.kid() == kid
    assert place.asked == asked + 2
    place.now = NOW + STALE_FOR - 1
    assert worker.kid() == kid
    place.now = NOW - 1
    worker.hand.look_again()
    assert worker.kid() == kid, "a clock that went back makes nothing older"
    place.now = NOW + STALE_FOR
    with pytest.raises(UnavailableError):
        worker.kid()
    place.gone = False
    assert worker.kid() == kid


def test_what_was_told_while_the_store_was_away_is_seen_when_it_is_back(place, worker):
    kid = worker.kid()
    assert Worker(place).do(worker.flows.revoke(kid))
    place.gone = True
    worker.hand.look_again()
    assert worker.kid() == kid
    place.gone = False
    place.now += PAUSE
    assert worker.kid() != kid


def test_without_a_store_there_is_nothing_to_begin_with(place, worker):
    place.gone = True
    with pytest.raises(UnavailableError):
        worker.kid()
    place.gone = False
    assert worker.kid()


def test_a_wrong_secret_is_an_error_at_the_start(place, worker):
    worker.kid()
    with pytest.raises(ConfigurationError) as caught:
        Worker(place, "another secret").kid()
    assert caught.value.code == "keyring-locked"


def test_workers_of_the_last_release_go_on_while_the_secret_is_changed(place):
    """The new ones have wrapped the keys anew; the old ones know the keys already."""
    old = Worker(place, "one")
    kid = old.kid()
    new = Worker(place, "two", "one")
    assert new.kid() == kid
    old.hand.look_again()
    assert old.kid() == kid
    # A rotation meanwhile: the old ones cannot open the key, but they know and publish it.
    _ = new.do(new.flows.rotate())
    place.now += POLICY.publish_ahead + LOOK_EVERY
    assert new.kid() != kid
    assert old.kid() == kid
    assert old.takes(new.sign())
    assert new.takes(old.sign())
    assert old.do(old.hand.document()) == new.do(new.hand.document())


def test_a_worker_of_the_last_release_signs_with_the_newest_key_that_it_has(place):
    old = Worker(place, "one")
    old.kid()
    second = old.do(old.flows.rotate(at_once=True)).signing("session", place.now).kid
    place.now += 1
    pending = old.do(old.flows.rotate()).keys[-1].kid
    old.hand.look_again()
    assert old.kid() == second
    new = Worker(place, "two", "one")
    _ = new.do(new.flows.rotate(at_once=True))
    old.hand.look_again()
    assert new.kid() not in (second, pending)
    assert old.kid() == second, "not everybody knows the one that is to come"


def test_a_worker_of_the_last_release_that_has_no_key_left_says_so(place):
    old = Worker(place, "one")
    kid = old.kid()
    new = Worker(place, "two", "one")
    assert new.kid() == kid
    assert new.do(new.flows.revoke(kid))
    old.hand.look_again()
    with pytest.raises(ConfigurationError) as caught:
        old.kid()
    assert caught.value.code == "keyring-locked"


def test_the_private_half_of_a_revoked_key_is_not_kept(place, worker):
    kid = worker.kid()
    assert worker.do(worker.flows.revoke(kid))
    worker.hand.look_again()
    worker.kid()
    assert kid not in worker.hand._held.signers


def test_a_ring_in_which_nothing_can_sign_is_declared(place, worker):
    """Between two reads another process may have thrown the keys away."""
    worker.kid()
    other = Worker(place, "two", "secret")
    _ = other.do(other.flows.ensure())
    locked = place.store.load(KEYRING, RING)
    ring = decode(locked)
    (key,) = ring.keys
    bare = {name: getattr(key, name) for name in SigningKey.__slots__} | {"wrapped": ""}
    assert place.store.commit(
        [Put(KEYRING, RING, ring.version, encode(type(ring)((SigningKey(**bare),))))]
    )
    emptied = place.store.load(KEYRING, RING)
    worker.hand.look_again()
    with pytest.raises(UnavailableError) as caught:
        play(worker.hand.signer(), [(LoadRecord, locked), (LoadRecord, emptied)])
    assert caught.value.code == "keyring-empty"


def test_nothing_private_is_in_a_repr(worker):
    signer = worker.do(worker.hand.signer())
    assert repr(signer.der) not in repr(worker.hand._held)
    assert "sign" not in repr(worker.hand._held).replace("signers", "")
