"""What a planted fault once got past the other tests of the core (see tests/mutants)."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from typing import Any

import pytest

from flask_session_claims import (
    Auth,
    ConfigurationError,
    Verifier,
    VerifierSettings,
    credentials_from,
)
from flask_session_claims.core.auth import signed_out
from flask_session_claims.core.clerk import CookieChoice, Instance, choose
from flask_session_claims.core.credentials import plainly_given
from flask_session_claims.core.freshness import Standing
from flask_session_claims.core.request import Exchange, RequestFacts, admit, is_cross_site
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

from .outside import HandScene

OURS, OTHER = "https://app.example", "https://evil.example"
ORIGINS = (OURS, "https://admin.app.example")


# --- cross-site policy, without a framework -------------------------------------------------


def facts(**given: Any) -> RequestFacts:
    return RequestFacts(**{"method": "POST", "scheme": "https", **given})


REFUSED = {
    "nothing-said": facts(),
    "other-origin": facts(origin=OTHER),
    "null-origin": facts(origin="null"),
    "longer-origin": facts(origin=OURS + ".evil.example"),
    "port": facts(origin=OURS + ":8443"),
    "plain-http": facts(origin="http://app.example"),
    "other-referer": facts(referer=OTHER + "/" + OURS),
    "same-site-alone": facts(sec_fetch_site="same-site"),
    "same-site-other": facts(sec_fetch_site="same-site", origin="https://x.app.example"),
    "cross-site-alone": facts(sec_fetch_site="cross-site"),
    "cross-site-referer": facts(sec_fetch_site="cross-site", referer=OURS + "/"),
    "none-of-a-script": facts(sec_fetch_site="none", sec_fetch_mode="cors"),
    "unknown-site": facts(sec_fetch_site="same-planet", origin=OURS),
    "empty-site": facts(sec_fetch_site="", origin=OURS),
    "socket": facts(method="GET", scheme="wss", origin=OTHER),
    "socket-without-origin": facts(method="GET", scheme="ws", sec_fetch_site="same-origin"),
    **{
        method: facts(method=method)
        for method in ("PUT", "PATCH", "DELETE", "post", "get", "QUERY")
    },
}
TAKEN = {
    "same-origin": facts(sec_fetch_site="same-origin"),
    "same-origin-of-any-name": facts(sec_fetch_site="same-origin", origin=OTHER),
    "typed": facts(sec_fetch_site="none", sec_fetch_mode="navigate"),
    "typed-of-old": facts(sec_fetch_site="none"),
    "origin": facts(origin=OURS),
    "second-origin": facts(origin=ORIGINS[1]),
    "listed-same-site": facts(sec_fetch_site="same-site", origin=ORIGINS[1]),
    "listed-cross-site": facts(sec_fetch_site="cross-site", origin=OURS),
    "referer": facts(referer=OURS + "/form?a=b"),
    "socket": facts(method="GET", scheme="wss", origin=OURS),
    **{
        method: facts(method=method, sec_fetch_site="cross-site", origin=OTHER)
        for method in ("GET", "HEAD", "OPTIONS", "TRACE")
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_cookie_may_not_speak_for(name: str) -> None:
    assert is_cross_site(REFUSED[name], ORIGINS)
    assert is_cross_site(REFUSED[name], None)


@pytest.mark.parametrize("name", TAKEN)
def test_cookie_may_speak_for(name: str) -> None:
    assert not is_cross_site(TAKEN[name], ORIGINS)


class AsIs:
    """A side whose requests are the facts themselves."""

    gates: Any = None
    transport: Any

    def __init__(self) -> None:
        self.transport = self

    def facts(self, request: Any) -> RequestFacts:
        made: RequestFacts = request
        return made


@pytest.mark.parametrize("source", ["cookie", "header"])
def test_only_a_cookie_is_held_to_the_origins(source: Any) -> None:
    key = shared_key("ES256")
    issuer = LocalIssuer(key=key)
    settings = VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks(), origins=ORIGINS)
    auth = Auth(is_authenticated=True, user_id="user_1", source=source, reason=None)
    side: Any = AsIs()
    assert admit(Exchange(TAKEN["origin"], side), auth, settings) is auth
    admitted = admit(Exchange(REFUSED["other-origin"], side), auth, settings)
    if source == "header":
        assert admitted is auth
    else:
        assert admitted == signed_out("request-origin-refused", source="cookie")


# --- the short way for a token that was verified before ---------------------------------------


class Told:
    """Freshness as the test says."""

    standing = Standing.FRESH

    def check(self, claims: Any) -> Standing:
        return self.standing

    def settle(self, claims: Any) -> Generator[Any, Any, Any]:
        yield from ()
        return claims


class Warm:
    """A verifier that has met a token, and what the short way says to it."""

    def __init__(self, **claims: Any) -> None:
        self.clock = FrozenClock()
        self.told = Told()
        issuer = LocalIssuer(clock=self.clock, key=shared_key("ES256"))
        settings = VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks())
        self.verifier = Verifier(settings, clock=self.clock, freshness=self.told)
        self.token = issuer.mint(**claims)
        self.auth = self._signed_in()

    def _signed_in(self) -> Auth:
        sent = credentials_from([f"Bearer {self.token}"], [], self.verifier.settings)
        return self.verifier.authenticate(sent)

    def recall(self) -> Any:
        """Who the short way knows; None: nobody, so that the token must be verified."""
        found = self.verifier.flows.recall(f"Bearer {self.token}", None)
        assert found is not None
        assert found[1:] == (self.token, "header")
        return found[0]


def test_short_way_knows_the_token() -> None:
    warm = Warm()
    assert warm.recall() == warm.auth


@pytest.mark.parametrize(
    ("header", "is_ours"),
    [
        ("__session={}", True),
        ("a=b; __session={}", True),
        ("__session={}; a=b", True),
        ("x__session={}", False),
        ("a=b; x__session={}", False),
        ("a=b; x-__session={}; c=d", False),
        ("__session2={}", False),
        ("a=__session={}", False),
        ("a=b, __session={}", False),
        ("__session={}; __session=other", False),
        ("__session=other; __session={}", False),
        ("x__session=other; __session={}", True),
    ],
)
def test_short_way_takes_no_cookie_that_the_long_way_would_not(header: str, is_ours: bool) -> None:
    warm = Warm()
    header = header.format(warm.token)
    sent = credentials_from([], [header], warm.verifier.settings)
    assert (sent.token == warm.token) is is_ours
    plain = credentials_from([], [f"__session={warm.token}"], warm.verifier.settings)
    auth = warm.verifier.authenticate(plain)
    found = warm.verifier.flows.recall(None, header)
    if found is not None:
        assert plainly_given(*found[1:]) in (None, sent)
    known = found is not None and found[0] is not None
    assert not known or (is_ours and found == (auth, warm.token, "cookie"))


@pytest.mark.parametrize("field", ["Bearer  {}", "Bearer {} ", "Bearer \t{}", "Bearer "])
def test_short_way_offers_no_token_that_has_to_be_trimmed(field: str) -> None:
    warm = Warm()
    found = warm.verifier.flows.recall(field.format(warm.token), None)
    assert found is not None
    assert plainly_given(*found[1:]) is None


def test_short_way_ends_with_the_token() -> None:
    warm = Warm()
    warm.clock.advance(3600)
    assert warm.recall() is None


def test_short_way_does_not_begin_before_the_token() -> None:
    warm = Warm()
    warm.clock.step_wall(-3600)
    assert warm.recall() is None


@pytest.mark.parametrize("standing", [Standing.STALE, Standing.REVOKED, Standing.UNKNOWN])
def test_short_way_takes_only_what_is_fresh(standing: Standing) -> None:
    warm = Warm()
    warm.told.standing = standing
    assert warm.recall() is None


def test_short_way_leaves_a_pending_session_alone() -> None:
    warm = Warm(sts="pending")
    assert not warm.auth.is_authenticated
    assert warm.recall() is None


def test_short_way_ends_with_the_key() -> None:
    scene = HandScene(instant=True)
    token = scene.issuer.mint(lifetime=7200)
    sent = credentials_from([f"Bearer {token}"], [], scene.verifier.settings)
    assert scene.verifier.authenticate(sent).is_authenticated
    field = f"Bearer {token}"
    assert scene.verifier.flows.recall(field, None) != (None, token, "header")
    scene.clock.advance(400)  # the key set has to be looked after first
    assert scene.verifier.flows.recall(field, None) == (None, token, "header")


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.evil.example", "localhosts"])
def test_host_that_only_looks_like_this_machine_gets_no_plain_http(host: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        VerifierSettings(
            issuer="https://issuer.example",
            jwks_url=f"http://{host}/keys",
            allow_loopback_http=True,
        )


# --- keys and access --------------------------------------------------------------------------


def test_coordinate_with_a_zero_in_front_is_another_spelling_and_refused() -> None:
    jwk = LocalIssuer(key=shared_key("ES256")).jwks()["keys"][0]
    raw = b"\0" + base64.urlsafe_b64decode(jwk["x"] + "=")
    jwk["x"] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    with pytest.raises(ConfigurationError, match="'x' must be 32 bytes"):
        VerifierSettings(issuer="https://issuer.example", jwks=jwk)


def test_private_pem_is_called_by_its_name() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    with pytest.raises(ConfigurationError, match="it is a PRIVATE key; give only the public one"):
        VerifierSettings(issuer="https://issuer.example", jwt_key=pem)


def test_role_without_an_organisation_grants_nothing() -> None:
    auth = Auth(is_authenticated=True, user_id="user_1", org_role="org:admin", reason=None)
    assert not auth.has(role="admin")


def test_issuer_that_only_begins_like_the_instance_is_not_it() -> None:
    instance = Instance("clerk.example", True, "12345678")

    def token(issuer: str, iat: int) -> str:
        body = json.dumps({"iss": issuer, "iat": iat, "exp": 2_000_000_000}).encode()
        return f"h.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.s"

    ours = token("https://clerk.example", 1)
    newer = token("https://clerk.example.evil.example", 2)
    assert choose(CookieChoice(newer, ours, "1", "1"), instance, 3.0) == ours
