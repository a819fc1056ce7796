"""The freshness seam: asked on every verification, settled where it does not know.

Sync and async verifiers stand in every test; the Freshness classes are small, but real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from flask_session_claims import (
    AsyncVerifier,
    Auth,
    TokenError,
    UnavailableError,
    Verifier,
    VerifierSettings,
    credentials_from,
)
from flask_session_claims.core.flow import Flow, play
from flask_session_claims.core.freshness import AlwaysFresh, Claims, Standing
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key


class Ledger:
    """Knows sessions by their id; what it does not know is fresh."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        #: Session -> claims in force, or the error that settling ends in.
        self.outcomes: dict[str, Mapping[str, Any] | Exception] = {}
        self.checked: list[str] = []
        self.settled: list[str] = []

    def check(self, claims: Claims) -> Standing:
        self.checked.append(claims["sid"])
        return self.standings.get(claims["sid"], Standing.FRESH)

    def settle(self, claims: Claims) -> Flow[Claims]:
        yield from ()
        self.settled.append(claims["sid"])
        outcome = self.outcomes.get(claims["sid"], claims)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if outcome is claims else Claims({**claims, **outcome})


class Bench:
    """A verifier of either kind, asked in the plain way."""

    def __init__(self, kind: str, cache_size: int = 100) -> None:
        self.clock = FrozenClock()
        self.issuer = LocalIssuer(clock=self.clock, key=shared_key("ES256"))
        self.ledger = Ledger()
        self.settings = VerifierSettings(
            issuer=self.issuer.issuer, jwks=self.issuer.jwks(), token_cache_size=cache_size
        )
        make = Verifier if kind == "sync" else AsyncVerifier
        self.verifier = make(self.settings, clock=self.clock, freshness=self.ledger)

    def verify(self, token: str) -> Mapping[str, Any]:
        if isinstance(self.verifier, Verifier):
            return self.verifier.verify(token)
        return asyncio.run(self.verifier.verify(token))

    def authenticate(self, token: str, source: str = "header") -> Auth:
        fields = ([f"Bearer {token}"], []) if source == "header" else ([], [f"__session={token}"])
        credentials = credentials_from(*fields, self.settings)
        if isinstance(self.verifier, Verifier):
            return self.verifier.authenticate(credentials)
        return asyncio.run(self.verifier.authenticate(credentials))

    @property
    def cached(self) -> int:
        return len(self.verifier.flows.cache)


@pytest.fixture(params=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


@pytest.fixture(params=[0, 100], ids=["cold", "cached"])
def either(request: pytest.FixtureRequest, bench: Bench) -> Bench:
    """The same without and with a token cache."""
    kind = "sync" if isinstance(bench.verifier, Verifier) else "async"
    return Bench(kind, request.param)


def test_every_verification_checks_also_when_the_token_is_cached(bench: Bench) -> None:
    token = bench.issuer.mint()
    for times in range(1, 5):
        bench.verify(token)
        assert len(bench.ledger.checked) == times
    bench.authenticate(token)
    bench.authenticate(token, "cookie")
    assert bench.ledger.checked == ["sess_1"] * 6
    assert bench.cached == 1
    assert bench.ledger.settled == []


def test_only_verified_tokens_are_checked(either: Bench) -> None:
    stranger = LocalIssuer(clock=either.clock, key=shared_key("ES256", 1), kid=either.issuer.kid)
    for token in ("a.b.c", stranger.mint(), either.issuer.mint(lifetime=-100)):
        with pytest.raises(TokenError):
            either.verify(token)
    assert either.ledger.checked == []


def test_an_expired_token_is_not_asked_about(bench: Bench) -> None:
    token = bench.issuer.mint(lifetime=60)
    bench.verify(token)
    bench.clock.advance(66)
    bench.ledger.standings["sess_1"] = Standing.REVOKED
    with pytest.raises(TokenError) as caught:
        bench.verify(token)
    assert caught.value.code == "token-expired"
    assert len(bench.ledger.checked) == 1


@pytest.mark.parametrize("standing", [Standing.STALE, Standing.UNKNOWN])
def test_what_settle_says_is_served(standing: Standing, either: Bench) -> None:
    token = either.issuer.mint(role="admin", sub="user_1")
    assert either.verify(token)["role"] == "admin"
    either.ledger.standings["sess_1"] = standing
    either.ledger.outcomes["sess_1"] = {"role": "member"}
    assert either.verify(token)["role"] == "member"
    auth = either.authenticate(token)
    assert auth.is_authenticated
    assert (auth.user_id, auth.session_claims["role"]) == ("user_1", "member")
    assert either.ledger.settled == ["sess_1"] * 2


@pytest.mark.parametrize("standing", [Standing.STALE, Standing.UNKNOWN])
def test_the_first_sight_of_a_token_may_need_settling(standing: Standing, either: Bench) -> None:
    either.ledger.standings["sess_1"] = standing
    either.ledger.outcomes["sess_1"] = {"role": "member"}
    auth = either.authenticate(either.issuer.mint(role="admin"))
    assert (auth.is_authenticated, auth.session_claims["role"]) == (True, "member")
    assert either.ledger.settled == ["sess_1"]


def test_settled_claims_do_not_replace_the_tokens_own(bench: Bench) -> None:
    token = bench.issuer.mint(role="admin")
    own = bench.verify(token)
    bench.ledger.standings["sess_1"] = Standing.STALE
    for role in ("member", "guest", "owner"):
        bench.ledger.outcomes["sess_1"] = {"role": role}
        assert bench.verify(token)["role"] == role
        assert bench.authenticate(token).session_claims["role"] == role
    del bench.ledger.standings["sess_1"]
    assert bench.verify(token) is own
    assert bench.authenticate(token).session_claims["role"] == "admin"


def test_settling_may_find_that_nothing_has_changed(bench: Bench) -> None:
    token = bench.issuer.mint()
    own = bench.verify(token)
    bench.ledger.standings["sess_1"] = Standing.UNKNOWN
    assert bench.verify(token) is own
    assert bench.ledger.settled == ["sess_1"]


def test_settled_claims_may_say_that_the_session_is_pending(either: Bench) -> None:
    token = either.issuer.mint_v2()
    assert either.authenticate(token).is_authenticated
    either.ledger.standings["sess_1"] = Standing.STALE
    either.ledger.outcomes["sess_1"] = {"sts": "pending"}
    auth = either.authenticate(token)
    assert (auth.is_authenticated, auth.reason) == (False, "session-pending")
    with pytest.raises(TokenError) as caught:
        either.verify(token)
    assert caught.value.code == "session-pending"


def test_a_revoked_session_is_refused_at_once_also_where_its_token_is_cached(
    either: Bench,
) -> None:
    token = either.issuer.mint()
    assert either.authenticate(token).is_authenticated
    either.ledger.standings["sess_1"] = Standing.REVOKED
    with pytest.raises(TokenError) as caught:
        either.verify(token)
    assert (caught.value.code, caught.value.status) == ("session-revoked", 401)
    for source in ("header", "cookie"):
        auth = either.authenticate(token, source)
        assert (auth.is_authenticated, auth.reason, auth.source) == (
            False, "session-revoked", source,
        )  # fmt: skip
        assert dict(auth.session_claims) == {}
    assert either.ledger.settled == []  # nothing is left to ask


def test_one_revoked_session_leaves_the_others_alone(either: Bench) -> None:
    first, second = either.issuer.mint(sid="sess_1"), either.issuer.mint(sid="sess_2")
    either.verify(first)
    either.verify(second)
    either.ledger.standings["sess_1"] = Standing.REVOKED
    assert either.authenticate(first).reason == "session-revoked"
    assert either.authenticate(second).is_authenticated


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("standing", [Standing.STALE, Standing.UNKNOWN])
def test_settling_may_end_in_a_refusal(standing: Standing, warm: bool, either: Bench) -> None:
    token = either.issuer.mint()
    if warm:
        either.verify(token)
    either.ledger.standings["sess_1"] = standing
    either.ledger.outcomes["sess_1"] = TokenError("session-revoked")
    with pytest.raises(TokenError) as caught:
        either.verify(token)
    assert caught.value.code == "session-revoked"
    assert either.authenticate(token).reason == "session-revoked"


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("standing", [Standing.STALE, Standing.UNKNOWN])
def test_what_cannot_be_settled_lets_nobody_in_and_nobody_out(
    standing: Standing, warm: bool, either: Bench
) -> None:
    token = either.issuer.mint()
    if warm:
        either.verify(token)
    either.ledger.standings["sess_1"] = standing
    down = UnavailableError("the store does not answer", retry_after=7)
    either.ledger.outcomes["sess_1"] = down
    for ask in (either.verify, either.authenticate):
        with pytest.raises(UnavailableError) as caught:
            ask(token)
        assert caught.value is down
        assert caught.value.retry_after == 7
    del either.ledger.outcomes["sess_1"]  # the store is back
    assert either.authenticate(token).is_authenticated


def test_a_check_that_cannot_tell_is_not_taken_for_fresh(either: Bench) -> None:
    class Down(Ledger):
        def check(self, claims: Claims) -> Standing:
            raise UnavailableError("the list of revocations is too old")

    make = type(either.verifier)
    either.verifier = make(either.settings, clock=either.clock, freshness=Down())
    token = either.issuer.mint()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            either.authenticate(token)


def test_always_fresh_is_what_stands_where_nothing_is_given(bench: Bench) -> None:
    given = type(bench.verifier)
    for freshness in (None, AlwaysFresh()):
        bench.verifier = given(bench.settings, clock=bench.clock, freshness=freshness)
        token = bench.issuer.mint(role="admin")
        assert bench.verify(token)["role"] == "admin"
        assert bench.verify(token) is bench.verify(token)


def test_always_fresh_asks_nothing() -> None:
    claims = Claims({"sub": "user_1"})
    assert AlwaysFresh().check(claims) is Standing.FRESH
    assert play(AlwaysFresh().settle(claims), []) is claims
