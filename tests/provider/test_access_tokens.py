"""Access tokens of a real OpenID provider, from its login page to a 200; all others to a 401."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims import TokenError, Verifier, VerifierSettings
from tests.provider.login import Tokens, browser, discovered, sign_in
from tests.provider.oidc import API, OTHER_API, PRO, OidcProvider
from tests.provider.sites import Site, settings_for

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]

SCOPES = ["reports:read"]


@pytest.fixture(scope="module", params=["flask", "quart", "django"])
def site(
    request: pytest.FixtureRequest,
    provider: OidcProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    pytest.importorskip(request.param)
    with Site(request.param, provider.issuer, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def ada(provider: OidcProvider) -> Tokens:
    return sign_in(provider.issuer)


@pytest.fixture(scope="module")
def expired(provider: OidcProvider) -> str:
    token, end = short_lived(provider)
    time.sleep(max(0.0, end - time.time()) + 0.05)
    return token


def part_of(token: str, part: int) -> dict[str, Any]:
    text = token.split(".")[part]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return read


def short_lived(provider: OidcProvider) -> tuple[str, float]:
    """A token that ends in a moment, and when."""
    token = sign_in(provider.issuer, resource="urn:short").access
    end: float = part_of(token, 1)["exp"]
    assert end < time.time() + 10
    return token, end


def with_part(token: str, part: int, **changed: object) -> str:
    """The token with something else in its header or payload, and its old signature."""
    parts = token.split(".")
    text = json.dumps({**part_of(token, part), **changed}).encode()
    parts[part] = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    return ".".join(parts)


def with_signature_bit_flipped(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[len(raw) // 2] ^= 1
    return f"{signed}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def test_the_provider_says_where_its_keys_are(provider: OidcProvider) -> None:
    with browser() as session:
        document = discovered(session, provider.issuer)
        keys = session.get(document["jwks_uri"], timeout=10).json()["keys"]
    settings = settings_for(provider.issuer)
    assert (settings["ISSUER"], settings["JWKS_URL"]) == (document["issuer"], document["jwks_uri"])
    assert {key["kty"] for key in keys} == {"RSA", "EC"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_login_ends_in_a_200_with_the_users_claims(
    provider: OidcProvider, site: Site, algorithm: str
) -> None:
    token = sign_in(provider.issuer, resource=f"urn:{algorithm.lower()}").access
    header = part_of(token, 0)
    assert (header["alg"], header["typ"]) == (algorithm, "at+jwt")
    reply = site.get("/me", token)
    assert (reply.status_code, reply.json()) == (
        200,
        {"user": "ada", "type": "oauth_token", "scopes": SCOPES, **PRO},
    )


def test_what_a_gate_asks_is_asked_of_the_providers_claims(
    provider: OidcProvider, site: Site, ada: Tokens
) -> None:
    grace = sign_in(provider.issuer, "grace").access
    assert site.get("/reports", ada.access).status_code == 200
    assert site.get("/reports", grace).status_code == 403
    assert site.get("/me", grace).json()["plan"] == "free"
    assert site.get("/me", ada.access).json()["user"] == "ada"


@pytest.fixture(scope="module")
def refused(provider: OidcProvider, ada: Tokens, expired: str) -> dict[str, tuple[str, str]]:
    """Name -> the token, and the reason it must be refused for."""
    issuer = provider.issuer
    bad = "token-invalid-signature"
    return {
        "signature tampered with": (with_signature_bit_flipped(ada.access), bad),
        "plan tampered with": (with_part(ada.access, 1, plan="team"), bad),
        "life tampered with": (with_part(expired, 1, exp=2**31), bad),
        "signature cut off": (ada.access.rpartition(".")[0] + ".", "token-invalid"),
        "no algorithm": (with_part(ada.access, 0, alg="none"), "token-invalid-algorithm"),
        "another kind of token": (with_part(ada.access, 0, typ="JWT"), "token-type-mismatch"),
        "expired": (expired, "token-expired"),
        "foreign audience": (
            sign_in(issuer, resource="urn:foreign").access,
            "token-invalid-audience",
        ),
        "neighbour's": (sign_in(provider.neighbour).access, "token-invalid-issuer"),
        "ID token": (ada.identity, "token-type-mismatch"),
        "opaque": (sign_in(issuer, resource="urn:opaque").access, "token-invalid"),
        "for userinfo": (sign_in(issuer, resource=None).access, "token-invalid"),
    }


def test_every_other_token_is_a_401_that_says_no_more_than_it_must(
    site: Site, ada: Tokens, refused: dict[str, tuple[str, str]]
) -> None:
    wrong: list[str] = []
    for name, (token, reason) in refused.items():
        reply, told = site.get("/me", token), site.reason(token)
        code = "session-token-expired" if name == "expired" else "session-token-invalid"
        challenge = reply.headers.get("WWW-Authenticate", "")
        seen = (
            reply.status_code,
            told,
            reply.json().get("code"),
            'error="invalid_token"' in challenge,
        )
        if seen != (401, reason, code, True):
            wrong.append(f"{name}: {seen} instead of {reason}")
    assert not wrong, "\n".join(wrong)
    assert site.get("/me", ada.access).status_code == 200  # and nothing of it stuck
    log = site.logged()
    assert [reason for _, reason in refused.values() if f"refused: {reason}" not in log] == []


def test_without_a_token_there_is_a_challenge_and_no_error(site: Site) -> None:
    reply = site.get("/me")
    assert (reply.status_code, reply.json()["code"]) == (401, "session-token-missing")
    assert "error" not in reply.headers["WWW-Authenticate"]


def test_a_token_is_good_until_it_expires_and_not_after(provider: OidcProvider, site: Site) -> None:
    token, end = short_lived(provider)
    assert site.reason(token) is None
    while (now := time.time()) < end:
        told = site.reason(token)
        assert told is None or time.time() >= end, f"{told}, {end - now:.3f} s before its end"
        time.sleep(0.2)
    assert site.reason(token) == "token-expired"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"audience": OTHER_API}, "token-invalid-audience"),
        ({"algorithms": ["ES256"]}, "token-invalid-algorithm"),
        ({"token_use": "session"}, "token-type-mismatch"),
        ({"issuer": "http://127.0.0.1"}, "token-invalid-issuer"),
    ],
    ids=["audience", "algorithms", "use", "issuer"],
)
def test_a_verifier_told_otherwise_refuses_the_same_token(
    provider: OidcProvider, ada: Tokens, changed: dict[str, Any], reason: str
) -> None:
    told = {name.lower(): value for name, value in settings_for(provider.issuer).items()}
    claims = Verifier(VerifierSettings(**told)).verify(ada.access)
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("ada", API, provider.issuer)
    with pytest.raises(TokenError) as caught:
        Verifier(VerifierSettings(**{**told, **changed})).verify(ada.access)
    assert caught.value.code == reason
