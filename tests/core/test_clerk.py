"""What a publishable key means, which of two cookies is taken, and where Clerk's keys are.

The rows follow Clerk's published rules; the suffixes were computed outside this library.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import pytest

from flask_session_claims import UnavailableError, Verifier, VerifierSettings
from flask_session_claims.core.asks import KeyRequest
from flask_session_claims.core.clerk import CookieChoice, choose, instance_of
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key

BODY = "Y2xlcmsuY2xlcmsuZGV2JA"
LIVE, TEST = "pk_live_" + BODY, "pk_test_" + BODY
HOST = "clerk.clerk.dev"
SECRET = "sk_test_" + "Vb3" * 14
NOW = 1_800_000_000.0


def pk(host: str, kind: str = "live") -> str:
    return f"pk_{kind}_" + base64.b64encode(host.encode()).decode()


# --- publishable keys ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "production", "suffix"), [(LIVE, True, "1Z8AzTQD"), (TEST, False, "QvfNY2dr")]
)
def test_instance_vectors(key: str, production: bool, suffix: str) -> None:
    instance = instance_of(key)
    assert (instance.host, instance.production) == (HOST, production)
    assert instance.cookie_suffix == suffix
    assert instance.issuer == "https://clerk.clerk.dev"


@pytest.mark.parametrize("host", ["a.b-c.example", "clerk.example:8443", "localhost"])
def test_hosts_with_and_without_padding(host: str) -> None:
    key = pk(host + "$")
    assert instance_of(key).host == instance_of(key.rstrip("=")).host == host


BAD_KEYS = {
    "empty": "",
    "secret": SECRET,
    "no-prefix": BODY,
    "prefix-case": "PK_LIVE_" + BODY,
    "other-kind": "pk_prod_" + BODY,
    "prefix-only": "pk_live_",
    "not-base64": "pk_live_!!!!",
    "blank-inside": "pk_live_Y2xl cmsuY2xlcmsuZGV2JA",
    "cut": LIVE[:-3],
    "no-dollar": pk(HOST),
    "dollar-inside": pk("a$b$"),
    "only-dollar": pk("$"),
    "path": pk(HOST + "/x$"),
    "user": pk("me@" + HOST + "$"),
    "scheme": pk("https://" + HOST + "$"),
    "query": pk(HOST + "?a$"),
    "newline": pk(HOST + "\n$"),
    "not-ascii": pk("clérk.dev$"),
    "end-newline": LIVE + "\n",
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_bad_publishable_keys(key: str) -> None:
    with pytest.raises(ValueError, match=r"must begin|not base64|names no host") as caught:
        instance_of(key)
    assert not key or key not in str(caught.value)


# --- plain or suffixed cookie -------------------------------------------------------------


def token(
    age: float = 10, *, lifetime: float = 60, issuer: str = HOST, drop: tuple[str, ...] = ()
) -> str:
    made = LocalIssuer(
        f"https://{issuer}", "ES256", clock=FrozenClock(NOW - age), key=shared_key("ES256")
    )
    return made.mint(lifetime=lifetime, drop=drop)


OLD, NEW = token(30), token(10)
OLD_SUFFIXED, NEW_SUFFIXED = token(31), token(11)
ENDED = token(300)
FOREIGN = token(5, issuer="clerk.other.example")
NAMELESS = token(5, drop=("iss",))


class Pick(NamedTuple):
    id: str
    plain: str | None
    suffixed: str | None
    plain_uat: str | None
    suffixed_uat: str | None
    expected: str | None
    key: str = LIVE


PICKS = [
    Pick("1-plain-without-iss", NAMELESS, NEW_SUFFIXED, "1", "1", NAMELESS),
    Pick("1-plain-no-token-at-all", "junk", NEW_SUFFIXED, "1", "1", "junk"),
    Pick("2-plain-of-another-host", FOREIGN, OLD_SUFFIXED, "1", "1", OLD_SUFFIXED),
    Pick("2-plain-of-another-host-alone", FOREIGN, None, "1", None, None),
    Pick("3-no-suffixed-cookies", OLD, None, "1", None, OLD),
    Pick("3-nothing", None, None, None, None, None),
    Pick("4-both-in-plain-newer", NEW, OLD_SUFFIXED, "1", "1", NEW),
    Pick("4-both-in-suffixed-newer", OLD, NEW_SUFFIXED, "1", "1", NEW_SUFFIXED),
    Pick("4-plain-newer-but-out", NEW, OLD_SUFFIXED, "0", "1", OLD_SUFFIXED),
    Pick("5-suffixed-out-plain-in", OLD, NEW_SUFFIXED, "1", "0", OLD),
    Pick("5-suffixed-out-plain-unsaid", OLD, None, None, "0", OLD),
    Pick("5-both-out", OLD, NEW_SUFFIXED, "0", "0", NEW_SUFFIXED),
    Pick("5-both-out-no-suffixed", OLD, None, "0", "0", None),
    Pick("6-development-suffixed-expired", OLD, ENDED, "0", "1", OLD, TEST),
    Pick("6-production-suffixed-expired", OLD, ENDED, "0", "1", ENDED, LIVE),
    Pick("6-development-suffixed-alive", OLD, NEW_SUFFIXED, "0", "1", NEW_SUFFIXED, TEST),
    # A token that is not there has not expired.
    Pick("6-development-no-suffixed-token", OLD, None, "0", "1", None, TEST),
    Pick("6-development-suffixed-out", OLD, ENDED, "0", "0", ENDED, TEST),
    Pick("7-suffixed-without-uat", OLD, NEW_SUFFIXED, "1", None, OLD),
    Pick("8-else-suffixed", None, NEW_SUFFIXED, None, "1", NEW_SUFFIXED),
    Pick("8-signed-out-everywhere", None, None, "0", "0", None),
]


@pytest.mark.parametrize("pick", PICKS, ids=[pick.id for pick in PICKS])
def test_choice_of_cookie(pick: Pick) -> None:
    cookies = CookieChoice(pick.plain, pick.suffixed, pick.plain_uat, pick.suffixed_uat)
    same = choose(cookies, instance_of(pick.key), NOW) == pick.expected
    assert same, "the other cookie was taken"


def test_expiry_is_judged_at_the_given_time() -> None:
    cookies = CookieChoice(OLD, NEW_SUFFIXED, "0", "1")
    instance = instance_of(TEST)
    end = NOW - 11 + 60
    assert choose(cookies, instance, end - 1) is NEW_SUFFIXED
    assert choose(cookies, instance, end) is OLD


def test_cookies_are_not_shown() -> None:
    assert OLD not in repr(CookieChoice(OLD, NEW, "1", "1"))
    assert NEW not in repr(CookieChoice(OLD, NEW, "1", "1"))


# --- issuer and key set -------------------------------------------------------------------


def test_publishable_key_gives_issuer_and_key_set() -> None:
    for issuer in (None, "clerk"):
        settings = VerifierSettings(issuer=issuer, clerk_publishable_key=LIVE)
        assert settings.issuer == "https://clerk.clerk.dev"
        assert settings.key_source == KeyRequest(
            "https://clerk.clerk.dev/.well-known/jwks.json", 5, None
        )
        assert settings.clerk_instance == instance_of(LIVE)


def test_written_issuer_wins_over_the_publishable_key() -> None:
    settings = VerifierSettings(issuer="https://proxy.example/clerk/", clerk_publishable_key=LIVE)
    assert settings.issuer == "https://proxy.example/clerk/"
    expected = KeyRequest("https://proxy.example/clerk/.well-known/jwks.json", 5)
    assert settings.key_source == expected


def test_publishable_key_is_asked_at_its_host_even_with_a_secret_key() -> None:
    settings = VerifierSettings(clerk_publishable_key=LIVE, clerk_secret_key=SECRET)
    source = settings.key_source
    assert isinstance(source, KeyRequest)
    assert (source.url, source.bearer) == ("https://clerk.clerk.dev/.well-known/jwks.json", None)


@pytest.mark.parametrize("api", ["https://api.clerk.com", "https://api.eu.example/"])
def test_secret_key_asks_the_backend_api(api: str) -> None:
    settings = VerifierSettings(
        issuer="https://clerk.example", clerk_secret_key=SECRET, clerk_api_url=api
    )
    assert settings.key_source == KeyRequest(api.rstrip("/") + "/v1/jwks", 5, SECRET)
    assert SECRET not in repr(settings)
    assert SECRET not in repr(settings.key_source)


def test_secret_key_never_goes_to_another_address() -> None:
    settings = VerifierSettings(
        issuer="https://clerk.example",
        clerk_secret_key=SECRET,
        jwks_url="https://keys.example/jwks",
    )
    assert settings.key_source == KeyRequest("https://keys.example/jwks", 5, None)


def backend(server: KeyServer) -> Verifier:
    settings = VerifierSettings(
        issuer="https://clerk.example",
        clerk_secret_key=SECRET,
        clerk_api_url=server.base_url,
        allow_loopback_http=True,
    )
    return Verifier(settings)


def test_backend_api_over_http() -> None:
    issuer = LocalIssuer("https://clerk.example", key=shared_key())
    with KeyServer(issuer) as server:
        claims = backend(server).verify(issuer.mint(sub="user_7"))
        assert claims["sub"] == "user_7"
        asked = [(method, path, head["Authorization"]) for method, path, head in server.log]
    assert asked == [("GET", "/v1/jwks", "Bearer " + SECRET)]


def test_backend_api_that_fails_does_not_show_the_secret_key() -> None:
    issuer = LocalIssuer("https://clerk.example", key=shared_key())
    with KeyServer(issuer) as server:
        server.mode = "status"
        server.status = 401
        with pytest.raises(UnavailableError) as caught:
            backend(server).verify(issuer.mint())
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {vars(caught.value)}"
