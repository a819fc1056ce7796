"""Signing keys: their life by the clock, their wrapping, and what is published of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.core.flow import play, run
from flask_session_claims.core.jose import key_from_jwk
from flask_session_claims.core.keyset import fetched_keys
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.keyring import (
    KEYRING,
    MAX_AGE,
    RING,
    KeyPolicy,
    KeyringFlows,
    Ring,
    SigningKey,
    decode,
    key_set,
    plan,
)
from flask_session_claims.sessions.limits import ATTEMPTS
from flask_session_claims.sessions.records import Commit, LoadRecord, Put, record_handlers
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing import LocalIssuer, shared_key
from flask_session_claims.testing.store_contract import in_threads

DAY = 86_400.0
NOW = 1_800_000_000.0
POLICY = KeyPolicy()


class Bench:
    """A keyring over a store, with a clock to turn."""

    def __init__(self, store=None, secrets=("secret",), policy=POLICY):
        self.store = store if store is not None else MemoryStore()
        self.now = NOW
        self.policy = policy
        self.use(*secrets)
        handlers = record_handlers(self.store)
        self.perform = lambda ask: handlers[type(ask)](ask)

    def use(self, *secrets):
        """The app starts with these secrets."""
        wrapping = [vault.wrapping_key(secret) for secret in secrets]
        self.flows = KeyringFlows(
            self.policy, wrapping, clock=lambda: self.now, random=random.randbytes
        )

    def do(self, flow):
        return run(flow, self.perform)

    def ensure(self):
        return self.do(self.flows.ensure())

    def sign(self, ring=None, use="session"):
        """(kid, data, signature) by the key that signs now."""
        key = (ring or self.ensure()).signing(use, self.now)
        return key.kid, b"data", self.flows.signer(key).sign(b"data")

    def kids(self):
        return [key.kid for key in self.ensure().keys]


@pytest.fixture
def bench():
    return Bench()


def verifies(ring, signed):
    """Whether somebody who has the published set takes what was signed."""
    kid, data, signature = signed
    published = json.loads(key_set(ring).body)["keys"]
    keys = [key_from_jwk(jwk) for jwk in published if jwk["kid"] == kid]
    return bool(keys) and keys[0].verify(data, signature)


# --- one key ------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_a_key_signs_what_our_own_verifier_takes_and_comes_back_from_its_wrapping(algorithm):
    made = vault.generate(algorithm)
    signature = made.sign(b"data")
    public = key_from_jwk(made.jwk)
    assert (public.algorithm, public.kid) == (algorithm, made.kid)
    assert public.verify(b"data", signature)
    assert not public.verify(b"other", signature)
    again = vault.from_der(made.der)
    assert (again.kid, again.jwk) == (made.kid, made.jwk)
    assert public.verify(b"data", again.sign(b"data"))
    assert "sign=" not in repr(made)
    assert repr(made.der) not in repr(made)


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_the_name_of_a_key_is_its_thumbprint(algorithm):
    """RFC 7638, as another implementation has it."""
    issuer = LocalIssuer("https://issuer.example", key=shared_key(algorithm))
    pem = issuer._key.private_pem()
    for text in (pem, pem.replace("\n", "\\n"), pem.replace("\n", "\r\n")):
        signer = vault.from_pem(text)
        assert signer.jwk == issuer._key.public_jwk()


def pem(private, encryption=None):
    encryption = encryption or NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "\ud7ff",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
        pem(x25519.X25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"password")),
        vault.generate("ES256").jwk["x"],
    ],
)
def test_key_material_that_cannot_be_used_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"key|curve") as caught:
        vault.from_pem(text)
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize("der", [b"", b"nonsense", b"\x30\x00"])
def test_bytes_that_are_no_key_are_a_value_error(der):
    with pytest.raises(ValueError, match="no private key that can be read"):
        vault.from_der(der)


def test_an_algorithm_that_is_not_ours_is_refused():
    with pytest.raises(ValueError, match="ES256, RS256, EdDSA"):
        vault.generate("HS256")
    with pytest.raises(ConfigurationError, match="'none'"):
        Bench(policy=KeyPolicy(algorithm="none"))


def test_wrapping_opens_with_the_same_key_for_the_same_purpose_only():
    one, other = vault.wrapping_key("one"), vault.wrapping_key(b"other")
    wrapped = vault.wrap(b"plain", one, b"n" * 12, "session kid")
    assert vault.unwrap(wrapped, one, "session kid") == b"plain"
    assert b"plain" not in wrapped
    for bad in (
        vault.unwrap(wrapped, other, "session kid"),
        vault.unwrap(wrapped, one, "static kid"),
        vault.unwrap(wrapped[:-1], one, "session kid"),
        vault.unwrap(bytes([wrapped[0] ^ 1]) + wrapped[1:], one, "session kid"),
        vault.unwrap(b"", one, "session kid"),
    ):
        assert bad is None


def test_a_wrapping_key_follows_from_its_secret_and_shows_nothing_of_it():
    assert vault.wrapping_key("é") == vault.wrapping_key("é".encode())
    assert vault.wrapping_key("a") != vault.wrapping_key("b")
    key = vault.wrapping_key("the secret")
    assert len(key.key) == 32
    assert key.key.hex()[:16] != key.name
    assert repr(key) == f"WrappingKey(name='{key.name}')"
    assert vault.wrapping_key("\ud800").name


# --- the life of keys ---------------------------------------------------------------------


def test_the_first_key_is_made_once_and_signs_at_once(bench):
    ring = bench.ensure()
    (key,) = ring.keys
    assert (key.use, key.algorithm, key.signs_from) == ("session", "ES256", NOW)
    assert ring.signing("session", NOW) is key
    assert verifies(ring, bench.sign(ring))
    assert bench.ensure() == ring
    entries = bench.store.log_since(0).entries
    assert [(entry.subject, entry.what) for entry in entries] == [("keys", "changed")]


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_other_algorithms(algorithm):
    bench = Bench(policy=KeyPolicy(algorithm=algorithm))
    ring = bench.ensure()
    assert ring.keys[0].algorithm == algorithm
    assert verifies(ring, bench.sign(ring))


def test_the_whole_life_of_a_key(bench):
    """Published, signing, retired, deleted: each at its time."""
    (first,) = bench.kids()
    end = POLICY.rotate_every
    steps = [
        (end - POLICY.publish_ahead - 1, 1, first),
        (end - POLICY.publish_ahead, 2, first),
        (end - 1, 2, first),
        (end, 2, None),
        (end + POLICY.keep_after - 1, 2, None),
        (end + POLICY.keep_after, 1, None),
    ]
    for seconds, count, signing in steps:
        bench.now = NOW + seconds
        ring = bench.ensure()
        assert len(ring.keys) == count, seconds
        kid = ring.signing("session", bench.now).kid
        assert (kid == first) == (signing == first), seconds
    assert first not in bench.kids()


def test_a_process_that_slept_through_the_rotation_still_publishes_ahead(bench):
    (first,) = bench.kids()
    bench.now += 100 * DAY
    ring = bench.ensure()
    assert ring.signing("session", bench.now).kid == first
    assert ring.keys[1].signs_from == bench.now + POLICY.publish_ahead
    bench.now += POLICY.publish_ahead
    assert bench.ensure().signing("session", bench.now).kid != first


def test_no_valid_token_is_refused_through_many_rotations():
    """Four verifiers that keep the key set for its max-age and whose clocks differ by a minute."""
    bench, chance = Bench(), random.Random(7)
    caches = [(-1e9, Ring()) for _ in range(4)]
    skews = [-60, -20, 20, 60]
    signed = []
    checked = 0
    for _ in range(3000):
        bench.now += chance.choice([10, 60, 300, 3600, 10_000])
        ring = bench.ensure()
        signed.append((bench.now, bench.sign(ring)))
        signed = [(at, token) for at, token in signed if bench.now - at < 3600]
        for number, (fetched, _) in enumerate(caches):
            if bench.now + skews[number] - fetched >= MAX_AGE:
                caches[number] = (bench.now + skews[number], ring)
        for at, token in chance.sample(signed, min(3, len(signed))):
            number = chance.randrange(4)
            assert verifies(caches[number][1], token), (bench.now - NOW, at)
            checked += 1
    assert checked > 3000
    assert bench.now - NOW > 3 * POLICY.rotate_every


def test_the_clock_may_be_before_all_keys(bench):
    ring = bench.ensure()
    bench.now -= 365 * DAY
    assert bench.ensure() == ring
    assert verifies(ring, bench.sign(ring))


def test_a_rotation_by_command_publishes_first_and_only_one(bench):
    (first,) = bench.kids()
    ring = bench.do(bench.flows.rotate())
    assert [key.signs_from - NOW for key in ring.keys] == [0, POLICY.publish_ahead]
    assert bench.do(bench.flows.rotate()) == ring, "one is under way"
    at_once = bench.do(bench.flows.rotate(at_once=True))
    assert at_once.signing("session", NOW).kid not in (first, ring.keys[1].kid)
    assert len(at_once.keys) == 3


def test_a_rotation_before_there_is_a_key(bench):
    ring = bench.do(bench.flows.rotate())
    assert verifies(ring, bench.sign(ring))


def test_a_key_that_is_revoked_is_gone_at_once(bench):
    ring = bench.ensure()
    signed = bench.sign(ring)
    assert bench.do(bench.flows.revoke(signed[0])) is True
    after = bench.ensure()
    assert not verifies(after, signed)
    assert verifies(after, bench.sign(after)), "another one signs at once"
    assert bench.do(bench.flows.revoke(signed[0])) is False
    assert bench.do(bench.flows.revoke("nonsense")) is False
    assert len(bench.store.log_since(0).entries) == 2


def test_a_static_key_is_made_when_needed_and_never_rotates(bench):
    ring = bench.do(bench.flows.static())
    signed = bench.sign(ring, "static")
    assert bench.do(bench.flows.static()) == ring
    bench.now += 400 * DAY
    for _ in range(3):
        bench.ensure()
        bench.now += POLICY.publish_ahead + POLICY.keep_after
    ring = bench.ensure()
    assert verifies(ring, signed)
    assert ring.signing("static", bench.now).kid == signed[0]
    assert ring.signing("session", bench.now).kid != signed[0]


def test_planning_is_pure_and_leaves_a_good_ring_as_it_is():
    numbers = itertools.count()

    def new_key(use, signs_from):
        kid = str(next(numbers))
        return SigningKey(
            kid=kid, use=use, algorithm="ES256", created_at=0, signs_from=signs_from,
            jwk={}, wrapped="x", wrapped_by="x",
        )  # fmt: skip

    ring = plan(Ring(), NOW, POLICY, new_key)
    assert plan(ring, NOW + 1, POLICY, new_key) is ring
    assert [key.kid for key in plan(ring, NOW + 90 * DAY, POLICY, new_key).keys] == ["0", "1"]


# --- several processes --------------------------------------------------------------------


def test_sixteen_who_make_the_first_key_make_one(tmp_path):
    store = SqliteStore(tmp_path / "s.db", timeout=30)
    rings = in_threads(16, lambda _: Bench(store).ensure())
    assert len({ring.keys[0].kid for ring in rings}) == 1
    assert {len(ring.keys) for ring in rings} == {1}
    store.close()


def test_sixteen_who_rotate_make_one_more(tmp_path):
    store = SqliteStore(tmp_path / "s.db", timeout=30)
    Bench(store).ensure()

    def rotate(_):
        bench = Bench(store)
        bench.now += POLICY.rotate_every
        return bench.ensure()

    rings = in_threads(16, rotate)
    assert {tuple(key.kid for key in ring.keys) for ring in rings} == {
        tuple(key.kid for key in rings[0].keys)
    }
    assert len(rings[0].keys) == 2
    store.close()


def test_who_always_loses_is_told_to_come_again(bench):
    script = [(LoadRecord, None), (Commit, False)] * ATTEMPTS
    with pytest.raises(UnavailableError) as caught:
        play(bench.flows.rotate(), script)
    assert caught.value.code == "busy"


# --- secrets ------------------------------------------------------------------------------


def test_no_private_key_is_in_the_record_or_in_the_key_set(bench):
    ring = bench.do(bench.flows.static())
    ring = bench.ensure()
    data = bench.store.load(KEYRING, RING).data
    for key in ring.keys:
        signer = bench.flows.signer(key)
        private = signer.der
        for text in (data, key_set(ring).body, repr(ring).encode()):
            assert private not in text
            assert private.hex().encode() not in text
            assert private[40:70] not in text
            assert b"PRIVATE" not in text
        assert key.wrapped not in repr(key)
        assert key.wrapped.encode() not in key_set(ring).body


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        ("ES256", {"kty", "crv", "x", "y", "kid", "use", "alg"}),
        ("RS256", {"kty", "n", "e", "kid", "use", "alg"}),
        ("EdDSA", {"kty", "crv", "x", "kid", "use", "alg"}),
    ],
)
def test_the_key_set_has_public_members_only(algorithm, members):
    bench = Bench(policy=KeyPolicy(algorithm=algorithm))
    ring = bench.ensure()
    planted = dataclasses.replace(ring.keys[0], jwk={**ring.keys[0].jwk, "d": "secret"})
    for held in (ring, Ring((planted,))):
        document = key_set(held)
        (jwk,) = json.loads(document.body)["keys"]
        assert set(jwk) == members
        assert document.max_age <= 300
        found, skipped = fetched_keys(document.body)
        assert (len(found.keys), skipped) == (1, [])


def test_the_tag_of_a_key_set_changes_with_it(bench):
    ring = bench.ensure()
    first = key_set(ring)
    assert key_set(bench.ensure()).etag == first.etag
    assert first.etag.startswith('"')
    assert key_set(bench.do(bench.flows.rotate())).etag != first.etag


def test_with_a_wrong_secret_nothing_is_made_and_the_error_says_what_to_do(bench):
    ring = bench.ensure()
    record = bench.store.load(KEYRING, RING)
    bench.use("another secret")
    for flow in (bench.flows.ensure(), bench.flows.rewrap()):
        with pytest.raises(ConfigurationError, match=r"keys rewrap.*keys discard") as caught:
            bench.do(flow)
        assert caught.value.code == "keyring-locked"
    with pytest.raises(ConfigurationError):
        bench.flows.signer(ring.keys[0])
    assert bench.store.load(KEYRING, RING) == record


def test_a_secret_before_the_present_one_opens_and_the_keys_come_under_the_new_one(bench):
    bench.do(bench.flows.static())
    ring = bench.ensure()
    bench.use("new", "older", "secret")
    signed = bench.sign()
    after = bench.ensure()
    assert verifies(ring, signed)
    assert {key.wrapped_by for key in after.keys} == {vault.wrapping_key("new").name}
    assert [key.kid for key in after.keys] == [key.kid for key in ring.keys]
    bench.use("new")
    assert verifies(ring, bench.sign())


def test_rewrapping_by_command(bench):
    ring = bench.ensure()
    bench.use("new", "secret")
    after = bench.do(bench.flows.rewrap())
    assert after.keys[0].wrapped_by != ring.keys[0].wrapped_by
    assert bench.do(bench.flows.rewrap()) == after


def test_discarding_goes_on_with_a_new_key_and_old_tokens_stay_good(bench):
    bench.do(bench.flows.static())
    ring = bench.ensure()
    session, static = bench.sign(ring), bench.sign(ring, "static")
    bench.use("another secret")
    after = bench.do(bench.flows.discard())
    assert verifies(after, session)
    assert verifies(after, static)
    assert verifies(after, bench.sign(after))
    assert after.signing("session", NOW).kid != session[0]
    assert after.signing("static", NOW) is None
    assert bench.do(bench.flows.rewrap()) == after
    bench.now += POLICY.keep_after
    later = bench.ensure()
    assert not verifies(later, session)
    assert verifies(later, static), "nobody knows how long those live"
    assert bench.do(bench.flows.discard()) == later, "what opens is not thrown away"


def test_a_key_that_was_thrown_away_before_it_signed_goes_in_the_end(bench):
    bench.ensure()
    bench.do(bench.flows.rotate())
    pending = bench.ensure().keys[1]
    bench.use("another secret")
    after = bench.do(bench.flows.discard())
    assert [bool(key.wrapped) for key in after.keys] == [False, True, False]
    bench.now = pending.signs_from + POLICY.keep_after
    assert [bool(key.wrapped) for key in bench.ensure().keys] == [True]


def test_a_wrapped_key_that_was_tampered_with_does_not_open(bench):
    ring = bench.do(bench.flows.static())
    one = bench.ensure().signing("session", NOW)
    static = ring.signing("static", NOW)
    swapped = dataclasses.replace(one, wrapped=static.wrapped)
    with pytest.raises(ConfigurationError):
        bench.flows.signer(swapped)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format":2,"keys":[]}', b'{"format":1,"keys":[{}]}']
)
def test_a_record_that_cannot_be_read_is_an_error(bench, data):
    bench.store.commit([Put(KEYRING, RING, 0, data)])
    with pytest.raises(UnavailableError) as caught:
        bench.ensure()
    assert caught.value.code == "keyring-unreadable"
    assert decode(None) == Ring()
