"""Own tokens before the verifier: what they must say, their keys, how their session stands."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace

import pytest

from flask_session_claims import TokenError, UnavailableError, Verifier, VerifierSettings
from flask_session_claims.core.flow import run
from flask_session_claims.core.jsontext import FrozenDict
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.athand import KeysAtHand
from flask_session_claims.sessions.claims import Layers
from flask_session_claims.sessions.consult import Tell
from flask_session_claims.sessions.feed import Feed
from flask_session_claims.sessions.issuer import Issuer
from flask_session_claims.sessions.keyring import KeyPolicy, KeyringFlows
from flask_session_claims.sessions.lifecycle import SessionFlows
from flask_session_claims.sessions.mint import TokenPolicy, mint
from flask_session_claims.sessions.model import decode, log_entry
from flask_session_claims.sessions.records import Delete, record_handlers
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.sessions.tokens import b64url
from flask_session_claims.sessions.verifying import PAUSE, OwnFreshness, OwnKeySource
from flask_session_claims.stores.memory import MemoryStore

from .stage import NOW

#: Seconds after which nothing that is known of the log counts any more.
AGE = 1.0


class House:
    """A store with a clock that processes share."""

    def __init__(self):
        self.store, self.now = MemoryStore(), NOW
        self.loads = 0

    def clock(self):
        return self.now


class Process:
    def __init__(self, house, **settings):
        self.house = house
        wrapping = [vault.wrapping_key("secret")]
        random_ = random.randbytes
        self.keyring = KeyringFlows(KeyPolicy(), wrapping, clock=house.clock, random=random_)
        self.hand = KeysAtHand(self.keyring, clock=house.clock)
        limits = IssuingSettings(**settings)
        self.flows = SessionFlows(limits.limits, clock=house.clock, random=random_)
        self.told = []
        self.feed = Feed(
            clock=house.clock,
            monotonic=house.clock,
            interval=0.5,
            max_age=1.0,
            keys_changed=self.hand.look_again,
        )
        self.freshness = OwnFreshness(
            self.feed, house.clock, say=lambda session, at: self.issuer.say(session, at)
        )
        self.issuer = Issuer(
            limits,
            self.flows,
            self.hand,
            self.feed,
            clock=house.clock,
            random=random_,
            provide=lambda: None,
            secure=True,
        )
        self.handlers = {**record_handlers(house.store)}
        self.handlers[Tell] = lambda ask: self.told.append(ask.event)

    def do(self, flow):
        return run(flow, self.perform)

    def perform(self, ask):
        self.house.loads += 1
        return self.handlers[type(ask)](ask)

    def verifier(self, **more):
        name = self.do(self.issuer.opened()) or "self"
        return Verifier(
            VerifierSettings(issuer=name, own=True, **more),
            clock=self.house.clock,
            keys=OwnKeySource(self.hand, self.feed, self.house.clock),
            freshness=self.freshness,
            handlers=dict.fromkeys(self.handlers, self.perform),
        )


@pytest.fixture
def house():
    return House()


@pytest.fixture
def process(house):
    return Process(house)


def code_of(verifier, token):
    with pytest.raises(TokenError) as caught:
        verifier.verify(token)
    return caught.value.code


def test_an_own_token_verifies_and_is_remembered(house, process):
    issued = process.do(process.issuer.create("user_1", claims={"plan": "pro"}))
    verifier = process.verifier()
    claims = verifier.verify(issued.session_token)
    assert claims == issued.claims
    asked = house.loads
    for _ in range(100):
        assert verifier.verify(issued.session_token) is claims
    assert house.loads == asked, "nothing is read for a session that has not changed"
    house.now += AGE
    assert verifier.verify(issued.session_token) is claims
    assert house.loads == asked + 1, "the log"


def test_a_change_and_a_revocation_are_in_force_within_a_second(house, process):
    other = Process(process.house)
    issued = process.do(process.issuer.create("user_1", claims={"flag": True}))
    verifier = process.verifier()
    verifier.verify(issued.session_token)
    sid = issued.session.session_id
    other.do(other.flows.merge_claims(sid, {"flag": 1, "new": "x"}))
    house.now += AGE
    claims = verifier.verify(issued.session_token)
    assert (claims["flag"], type(claims["flag"]), claims["new"]) == (1, int, "x")
    assert claims["sid"] == sid
    other.do(other.flows.merge_claims(sid, {"flag": None}))
    house.now += AGE
    assert "flag" not in verifier.verify(issued.session_token)
    assert other.do(other.issuer.revoke(sid))
    house.now += AGE
    assert code_of(verifier, issued.session_token) == "session-revoked"


def test_a_session_that_ran_out_takes_its_token_along(house, process):
    issued = process.do(process.issuer.create("user_1", lifetime=100))
    assert issued.expires_at == NOW + 100, "no token outlives its session"
    long = process.do(process.issuer.create("user_1"))
    verifier = process.verifier()
    verifier.verify(long.session_token)
    house.now = NOW + 299
    verifier.verify(long.session_token)
    record = house.store.load("session", long.session.session_id)
    assert record is not None
    gone = log_entry("session", record.key, "revoked", house.now)
    house.store.commit((), [deleted(record)], [gone])
    house.now += AGE
    assert code_of(verifier, long.session_token) == "session-revoked"


@pytest.mark.parametrize(("loaded", "last"), [(False, 104), (True, 99)])
def test_a_token_that_is_remembered_ends_with_its_session(house, process, loaded, last):
    """Tokens have a leeway, sessions have none where their record was read."""
    issued = process.do(process.issuer.create("user_1", lifetime=100))
    verifier = process.verifier()
    if loaded:
        process.do(process.flows.merge_claims(issued.session.session_id, {"a": 1}))
        process.feed.look_again()
    for second in (0, last):
        house.now = NOW + second
        verifier.verify(issued.session_token)
    house.now = NOW + last + 1
    if not loaded:
        assert code_of(verifier, issued.session_token) == "token-expired"
        return
    assert code_of(verifier, issued.session_token) == "session-revoked"


def test_a_change_of_type_alone_is_in_force_too(process):
    issued = process.do(process.issuer.create("user_1", claims={"flag": True}))
    process.do(process.flows.merge_claims(issued.session.session_id, {"flag": 1}))
    assert type(process.verifier().verify(issued.session_token)["flag"]) is int


def test_a_record_says_nothing_of_what_is_the_issuers(house, process):
    issued = process.do(process.issuer.create("user_1"))
    record = house.store.load("session", issued.session.session_id)
    assert record is not None
    own = FrozenDict({"sub": "root", "iss": "x", "exp": 1, "plan": "pro"})
    state = replace(decode(record), layers=Layers(own=own))
    assert house.store.commit([state.put()], (), [state.entry(NOW, "claims")])
    claims = process.verifier().verify(issued.session_token)
    assert claims == {**issued.claims, "plan": "pro"}


def deleted(record):
    return Delete(record.kind, record.key, record.version)


def test_a_token_of_another_users_session_is_refused(process):
    """As after another history of the store: the id is known, and its user another one."""
    issued = process.do(process.issuer.create("user_1"))
    signer = process.do(process.hand.signer())
    forged = replace(issued.session, user_id="user_2")
    policy = TokenPolicy(issuer=process.issuer.name)
    token = mint(forged, signer, policy, now=NOW, rev=0, token_id=b"x" * 16).token
    process.do(process.flows.merge_claims(forged.session_id, {"a": 1}))
    assert code_of(process.verifier(), token) == "session-revoked"


@pytest.mark.parametrize("missing", ["sid", "cat"])
def test_an_own_token_without_session_or_category_is_refused(process, missing):
    issued = process.do(process.issuer.create("user_1"))
    signer = process.do(process.hand.signer())
    header = {"alg": "ES256", "kid": signer.kid, "typ": "JWT", "cat": "cl_B7d4PD111AAA"}
    claims = dict(issued.claims)
    _ = (header if missing == "cat" else claims).pop(missing)
    signed = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
    token = f"{signed}.{b64url(signer.sign(signed.encode()))}"
    assert code_of(process.verifier(), token) == "token-type-mismatch"


@pytest.mark.parametrize(("ahead", "good"), [(4, True), (15, True), (16, False)])
def test_workers_clocks_may_differ(house, process, ahead, good):
    """By the ten seconds that a token is dated back, and the leeway."""
    house.now = NOW + ahead
    token = process.do(process.issuer.create("user_1")).session_token
    verifier = process.verifier()
    house.now = NOW
    if not good:
        assert code_of(verifier, token) == "token-not-active-yet"
        return
    for _ in range(2):  # judged, and remembered
        assert verifier.verify(token)["iat"] == NOW + ahead


def test_a_key_that_another_process_has_just_made_is_found(house, process):
    other = Process(house)
    assert len(process.do(process.hand.keys())) == 0
    issued = other.do(other.issuer.create("user_1"))
    assert process.verifier().verify(issued.session_token)["sub"] == "user_1"


def test_a_removed_key_is_refused_within_a_second(house, process):
    other = Process(house)
    issued = process.do(process.issuer.create("user_1"))
    verifier = process.verifier()
    verifier.verify(issued.session_token)
    kid = other.do(other.hand.signer()).kid
    assert other.do(other.keyring.revoke(kid))
    house.now += AGE
    assert code_of(verifier, issued.session_token) == "jwk-kid-mismatch"


def test_a_flood_of_unknown_keys_costs_few_reads(house, process):
    issued = process.do(process.issuer.create("user_1"))
    verifier = process.verifier()
    head, rest = issued.session_token.split(".", 1)
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    asked = house.loads
    for number in range(1000):
        header["kid"] = f"kid-{number}"
        head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        assert code_of(verifier, f"{head}.{rest}") == "jwk-kid-mismatch"
    assert house.loads - asked <= 3, "the log, and the keys twice"
    house.now += PAUSE
    assert code_of(verifier, f"{head}.{rest}") == "jwk-kid-mismatch"
    assert house.loads - asked <= 5


def test_without_a_store_nobody_is_let_in_and_nobody_out(house, process):
    issued = process.do(process.issuer.create("user_1"))
    verifier = process.verifier()
    verifier.verify(issued.session_token)

    def gone(ask):
        raise UnavailableError("away")

    kept = dict(process.handlers)
    process.handlers.update(dict.fromkeys(kept, gone))
    verifier.verify(issued.session_token)
    house.now += AGE
    with pytest.raises(UnavailableError):
        verifier.verify(issued.session_token)
    process.handlers.update(kept)
    verifier.verify(issued.session_token)
