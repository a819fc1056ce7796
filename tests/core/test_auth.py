"""`Auth` as plain data, and `RequestAuth` before the view over an exchange."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle

import pytest

from flask_session_claims import (
    AsyncRequestAuth,
    Auth,
    RequestAuth,
    UnavailableError,
    Verifier,
    VerifierSettings,
    credentials_from,
)
from flask_session_claims.core.auth import NOBODY, auth_from_claims, signed_out
from flask_session_claims.core.jsontext import freeze
from flask_session_claims.core.request import Exchange, RequestFacts
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.testing import LocalIssuer, shared_key

ISSUER = "https://issuer.example"
CLAIMS = freeze(
    {
        "iss": ISSUER,
        "sub": "user_1",
        "sid": "sess_1",
        "v": 2,
        "sts": "active",
        "iat": 1_800_000_000.75,
        "exp": 1_800_000_060.5,
        "fva": [3, -1],
        "act": {"sub": "user_2", "iss": ISSUER},
        "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "read", "fpm": "1"},
        "fea": "o:teams",
        "scope": "read  write",
        "tags": ["a", {"b": [1]}],
    }
)
SIGNED_IN = auth_from_claims(CLAIMS, "cookie")
FIELDS = [field.name for field in dataclasses.fields(Auth)]
TOKEN = "the.token.itself"
DOWN = UnavailableError("The keys cannot be had now.")


class Looked:
    """A side over one outcome, which counts how often it is asked; and its own transport."""

    gates = GateSettings()
    wants_page = None

    def __init__(self, outcome: Auth | UnavailableError, token: str | None = None) -> None:
        self.transport = self
        self.asked = 0
        self._outcome = outcome
        self._token = token

    def recall(self, exchange: Exchange) -> Auth | None:
        return None

    def now(self, exchange: Exchange) -> Auth:
        self.asked += 1
        if isinstance(self._outcome, UnavailableError):
            raise self._outcome
        exchange.token = self._token
        return self._outcome

    def acts(self, request: object) -> bool:
        return False

    def fields(self, request: object) -> tuple[list[str], list[str]]:
        return [], []

    def facts(self, request: object) -> RequestFacts:
        return RequestFacts()


def exchange_of(outcome: Auth | UnavailableError = SIGNED_IN) -> Exchange:
    return Exchange(None, Looked(outcome, TOKEN))


# Auth


@pytest.mark.parametrize("auth", [SIGNED_IN, NOBODY], ids=["signed in", "signed out"])
def test_an_auth_is_frozen(auth):
    before = copy.deepcopy(auth)
    for name in FIELDS:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(auth, name, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(auth, name)
    with pytest.raises((AttributeError, TypeError)):
        auth.something_else = 1
    with pytest.raises(TypeError):
        auth.session_claims["sub"] = "user_2"
    assert auth == before
    assert not hasattr(auth, "__dict__")


@pytest.mark.parametrize("auth", [SIGNED_IN, NOBODY], ids=["signed in", "signed out"])
def test_an_auth_is_plain_data(auth):
    twins = [copy.copy(auth), copy.deepcopy(auth), dataclasses.replace(auth)]
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        twins.append(pickle.loads(pickle.dumps(auth, protocol)))  # noqa: S301 (made here)
    for twin in twins:
        assert type(twin) is Auth
        assert twin == auth
        assert hash(twin) == hash(auth)
        assert type(twin.session_claims) is type(auth.session_claims)
        with pytest.raises(TypeError):
            twin.session_claims["sub"] = "user_2"
    assert len({auth, *twins}) == 1
    assert SIGNED_IN != NOBODY


def test_a_repr_has_no_claims():
    assert "user_1" in repr(SIGNED_IN)
    assert "tags" not in repr(SIGNED_IN)
    assert "session_claims" not in repr(SIGNED_IN)


@pytest.mark.parametrize("name", ["full_name", "fullname", "Full-Name", "FULLNAME"])
def test_a_claim_that_is_written_otherwise_is_named(name):
    with pytest.raises(KeyError) as caught:
        freeze({"sub": "user_1", "fullName": "Ada"})[name]
    assert caught.value.args == (f"{name} is not in the session claims, but fullName is",)


def test_a_missing_claim_says_why():
    for auth in (SIGNED_IN, pickle.loads(pickle.dumps(SIGNED_IN))):  # noqa: S301 (made here)
        with pytest.raises(KeyError) as caught:
            auth.session_claims["email"]
        (text,) = caught.value.args
        assert text.startswith("email is not in the session claims: add it where")
        assert auth.session_claims.get("email") is None
        assert "email" not in auth.session_claims
    for auth in (NOBODY, Auth(), pickle.loads(pickle.dumps(NOBODY))):  # noqa: S301 (made here)
        with pytest.raises(KeyError) as caught:
            auth.session_claims["email"]
        (text,) = caught.value.args
        assert text.startswith("email cannot be read: nobody is signed in")
        assert "is_authenticated" in text
        assert "login_required" in text
        assert auth.session_claims == {}
        assert auth.session_claims.get("email") is None


# From claims


def test_the_fields_of_a_session():
    assert (
        Auth(
            is_authenticated=True,
            user_id="user_1",
            session_id="sess_1",
            session_claims=CLAIMS,
            session_status="active",
            actor={"sub": "user_2", "iss": ISSUER},
            org_id="org_1",
            org_slug="acme",
            org_role="org:admin",
            org_permissions=("org:teams:read",),
            scopes=(),
            factor_verification_age=(3, -1),
            token_type="session_token",
            issuer=ISSUER,
            source="cookie",
            issued_at=1_800_000_000,
            expires_at=1_800_000_060,
            reason=None,
        )
        == SIGNED_IN
    )
    assert SIGNED_IN.session_claims is CLAIMS


def test_the_fields_of_an_access_token():
    auth = auth_from_claims(CLAIMS, "header", token_use="access")
    assert auth == dataclasses.replace(
        SIGNED_IN,
        session_id=None,
        scopes=("read", "write"),
        token_type="oauth_token",
        source="header",
    )


def test_the_fields_of_the_fewest_claims():
    claims = freeze({"iss": ISSUER, "sub": "user_1", "exp": 2})
    bare = Auth(
        is_authenticated=True,
        user_id="user_1",
        session_claims=claims,
        token_type="session_token",
        issuer=ISSUER,
        source="header",
        expires_at=2,
        reason=None,
    )
    assert auth_from_claims(claims, "header") == bare
    access = auth_from_claims(claims, "header", token_use="access")
    assert access == dataclasses.replace(bare, token_type="oauth_token")


@pytest.mark.parametrize("scope", [None, 1, ["read"], {"read": True}, True, ""])
def test_odd_scopes_grant_nothing(scope):
    claims = freeze({"iss": ISSUER, "sub": "user_1", "exp": 2, "scope": scope})
    assert auth_from_claims(claims, "header", token_use="access").scopes == ()


# Signed out


def test_nobody_has_a_reason():
    for auth in (Auth(), NOBODY, signed_out()):
        assert auth.reason == "session-token-missing"
        assert not auth.is_authenticated
    pending = signed_out("session-pending", source="cookie", session_status="pending")
    assert (pending.reason, pending.source, pending.session_status) == (
        "session-pending",
        "cookie",
        "pending",
    )
    assert pending.user_id is None
    assert pending.session_claims == {}


def test_the_verifier_always_gives_a_reason():
    issuer = LocalIssuer(ISSUER, key=shared_key("ES256"))
    settings = VerifierSettings(issuer=ISSUER, jwks=issuer.jwks())
    verifier = Verifier(settings)
    stranger = LocalIssuer(ISSUER, key=shared_key("ES256", 1), kid=issuer.kid)
    sent = {
        None: "session-token-missing",
        "x": "token-invalid",
        "x" * 9000: "token-too-large",
        issuer.mint(lifetime=-60): "token-expired",
        issuer.mint(drop=["exp"]): "token-missing-claim",
        issuer.mint(iss="https://other.example"): "token-invalid-issuer",
        issuer.mint_v2(sts="pending"): "session-pending",
        issuer.mint_template(): "token-type-mismatch",
        stranger.mint(): "token-invalid-signature",
    }
    for token, reason in sent.items():
        fields = [] if token is None else [f"Bearer {token}"]
        auth = verifier.authenticate(credentials_from(fields, [], settings))
        assert auth.reason == reason
        assert not auth.is_authenticated
        assert auth.user_id is None
        assert auth.session_claims == {}
    good = verifier.authenticate(credentials_from([f"Bearer {issuer.mint()}"], [], settings))
    assert good.is_authenticated
    assert good.reason is None


# RequestAuth

KINDS = [RequestAuth, AsyncRequestAuth]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("auth", [SIGNED_IN, NOBODY], ids=["signed in", "signed out"])
def test_it_has_what_the_auth_has(kind, auth):
    for name in FIELDS:
        exchange = exchange_of(auth)
        here = kind(exchange)
        assert not exchange.was_read
        assert getattr(here, name) == getattr(auth, name)
        assert exchange.was_read
    exchange = exchange_of(auth)
    here = kind(exchange)
    assert here.value is auth
    assert here.has(role="admin") is auth.is_authenticated
    assert here.has() is False
    assert here.user_id == here.user_id
    assert exchange.side.asked == 1
    with pytest.raises(AttributeError):
        here.user_id = "user_2"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_equal_to_the_auth(kind):
    here, again, other = kind(exchange_of()), kind(exchange_of()), kind(exchange_of(NOBODY))
    assert here == SIGNED_IN
    assert here == SIGNED_IN
    assert here == again
    assert here != other
    assert here != NOBODY
    assert here != "user_1"
    assert hash(here) == hash(SIGNED_IN)
    assert len({here, again, SIGNED_IN}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_pickles_are_the_plain_auth(kind):
    here = kind(exchange_of())
    for plain in (
        copy.copy(here),
        copy.deepcopy(here),
        *(
            pickle.loads(pickle.dumps(here, protocol))  # noqa: S301 (made here)
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
    ):
        assert type(plain) is Auth
        assert plain == SIGNED_IN
    assert TOKEN.encode() not in pickle.dumps(here)


@pytest.mark.parametrize("kind", KINDS)
def test_a_repr_neither_verifies_nor_reads(kind):
    exchange = exchange_of()
    here = kind(exchange)
    assert "unresolved" in repr(here)
    assert str(here) == f"{here}" == repr(here)
    assert exchange.side.asked == 0
    assert exchange.settled is None
    exchange.outcome()
    assert repr(here) == f"<RequestAuth {SIGNED_IN!r}>"
    assert TOKEN not in repr(here)
    assert not exchange.was_read


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_is_raised_at_each_reading(kind):
    exchange = exchange_of(DOWN)
    here = kind(exchange)
    for read in (
        lambda: here.value,
        lambda: here.user_id,
        lambda: here.has(role="admin"),
        lambda: copy.copy(here),
        lambda: here == NOBODY,
    ):
        with pytest.raises(UnavailableError):
            read()
    assert exchange.side.asked == 1
    assert exchange.was_read
    assert repr(here).startswith("<RequestAuth ")
    assert exchange.outcome() is DOWN


def test_get_token_gives_the_token_of_the_request():
    exchange = exchange_of()
    assert RequestAuth(exchange).get_token() == TOKEN
    assert exchange.was_read
    assert RequestAuth(exchange_of(NOBODY)).get_token() is None
    assert asyncio.run(AsyncRequestAuth(exchange_of()).get_token()) == TOKEN
    assert asyncio.run(AsyncRequestAuth(exchange_of(NOBODY)).get_token()) is None


def test_nobody_has_no_token_of_a_template():
    assert RequestAuth(exchange_of(NOBODY)).get_token("supabase") is None
    assert asyncio.run(AsyncRequestAuth(exchange_of(NOBODY)).get_token("supabase")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_looking_away_shows_nobody(kind):
    exchange = exchange_of()
    exchange.looks_away = True
    here = kind(exchange)
    assert here == NOBODY
    assert here.user_id is None
    assert not here.has(role="admin")
    assert (exchange.side.asked, exchange.was_read, exchange.settled) == (0, False, None)
    exchange.looks_away = False  # as a gate does
    assert here == SIGNED_IN
    assert (exchange.side.asked, exchange.was_read) == (1, True)


def test_looking_away_hides_the_token():
    exchange = exchange_of()
    exchange.looks_away = True
    assert RequestAuth(exchange).get_token() is None
    exchange.outcome()
    assert RequestAuth(exchange).get_token() is None
    assert not exchange.was_read
