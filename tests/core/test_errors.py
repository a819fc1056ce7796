"""Every refusal has a code, a status and a message that holds no data, and survives pickling.

A message says nothing of what is configured nor of what a token says.
"""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable

import pytest

from flask_session_claims import (
    ConfigurationError,
    SessionClaimsError,
    SessionError,
    TokenError,
    UnavailableError,
    Verifier,
    VerifierSettings,
)
from flask_session_claims.core.errors import REFUSALS
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

FORBIDDEN = {"session-pending", "request-origin-refused"}
SHOWN_AS_THEY_ARE = {"session-token-missing", *FORBIDDEN}


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal(code: str) -> None:
    error = TokenError(code)
    assert (error.code, error.status) == (code, 403 if code in FORBIDDEN else 401)
    if code in SHOWN_AS_THEY_ARE:
        assert error.client_code == code
    elif code == "token-expired":
        assert error.client_code == "session-token-expired"
    else:
        assert error.client_code == "session-token-invalid"
    assert str(error) == error.message == REFUSALS[code]
    assert re.fullmatch(r"[A-Z][A-Za-z' ]+\.", error.message), "a plain sentence without data"


def test_codes_are_kebab_case_and_messages_differ() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", code) for code in REFUSALS)
    assert len(set(REFUSALS.values())) == len(REFUSALS)


def test_the_codes_that_were_promised() -> None:
    promised = {
        "token-expired",
        "token-not-active-yet",
        "token-iat-in-the-future",
        "token-invalid",
        "token-too-large",
        "token-invalid-algorithm",
        "token-invalid-signature",
        "jwk-kid-mismatch",
        "token-invalid-issuer",
        "token-invalid-authorized-parties",
        "token-invalid-audience",
        "token-missing-claim",
        "token-invalid-claim",
        "token-type-mismatch",
        "session-pending",
        "session-token-missing",
    }
    assert promised <= set(REFUSALS)


def test_an_unknown_code_is_a_bug() -> None:
    with pytest.raises(KeyError):
        TokenError("token-strange")


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (SessionClaimsError, "session-claims-error", 500),
        (SessionError, "session-error", 409),
        (UnavailableError, "unavailable", 503),
        (ConfigurationError, "configuration-error", 500),
    ],
)
def test_families(kind: type[SessionClaimsError], code: str, status: int) -> None:
    error = kind("something")
    assert isinstance(error, SessionClaimsError)
    assert (error.code, error.status, error.message) == (code, status, "something")
    assert kind("something", code="other-code").code == "other-code"
    assert kind("something").code == code


def test_retry_after_is_at_least_a_second() -> None:
    assert [UnavailableError("x", retry_after=n).retry_after for n in (-3, 0, 1, 30)] == [
        *(1, 1, 1, 30)
    ]


ERRORS: list[SessionClaimsError] = [
    *(TokenError(code) for code in REFUSALS),
    SessionClaimsError("one"),
    SessionError("two", code="session-busy"),
    UnavailableError("three", code="keys-unavailable", retry_after=17),
    ConfigurationError("SESSION_CLAIMS_LEEWAY: four."),
]


def by_pickle(protocol: int) -> Callable[[SessionClaimsError], SessionClaimsError]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol))  # noqa: S301


WAYS = {
    **{f"pickle-{n}": by_pickle(n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}-{error.code}")
def test_round_trip(
    error: SessionClaimsError, way: Callable[[SessionClaimsError], SessionClaimsError]
) -> None:
    again = way(error)
    assert again is not error
    assert type(again) is type(error)
    assert (str(again), repr(again), again.args) == (str(error), repr(error), error.args)
    assert vars(again) == vars(error)
    assert (again.code, again.status, again.message) == (error.code, error.status, error.message)


# --- nothing of the configuration, nothing of the token (O3) ------------------------------

CLOCK = FrozenClock()
OURS = LocalIssuer(
    "https://ours-issuer.example", "ES256", clock=CLOCK, kid="ours-kid", key=shared_key("ES256")
)
THEIRS = LocalIssuer(
    "https://theirs-issuer.example",
    "ES256",
    clock=CLOCK,
    kid="theirs-kid",
    key=shared_key("ES256", 1),
)
PARTY = "https://ours-party.example"
TOLD = ("ours-", "theirs-")

REFUSED: dict[str, Callable[[], str]] = {
    "jwk-kid-mismatch": lambda: THEIRS.mint(azp=PARTY, aud="ours-api"),
    "token-invalid-issuer": lambda: OURS.mint(iss=THEIRS.issuer, azp=PARTY, aud="ours-api"),
    "token-invalid-authorized-parties": lambda: OURS.mint(
        azp="https://theirs-party", aud="ours-api"
    ),
    "token-invalid-audience": lambda: OURS.mint(azp=PARTY, aud="theirs-api"),
    "token-invalid-algorithm": lambda: OURS.mint(azp=PARTY, headers={"alg": "theirs-alg"}),
    "token-type-mismatch": lambda: OURS.mint(azp=PARTY, headers={"typ": "theirs-typ"}),
    "token-missing-claim": lambda: OURS.mint(azp=PARTY, aud="ours-api", drop=("exp",)),
    "token-invalid-claim": lambda: OURS.mint(azp=PARTY, aud="ours-api", exp="theirs-exp"),
    "token-expired": lambda: OURS.mint(azp=PARTY, aud="ours-api", lifetime=-600),
    "token-invalid-signature": lambda: THEIRS.mint(headers={"kid": "ours-kid"}),
    "token-invalid": lambda: "theirs-text",
    "token-too-large": lambda: "theirs-" * 2000,
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_lists_nothing(code: str) -> None:
    settings = VerifierSettings(
        issuer=OURS.issuer, jwks=OURS.jwks(), authorized_parties=[PARTY], audience=["ours-api"]
    )
    verifier = Verifier(settings, clock=CLOCK)
    assert verifier.verify(OURS.mint(azp=PARTY, aud="ours-api"))["azp"] == PARTY
    with pytest.raises(TokenError) as caught:
        verifier.verify(REFUSED[code]())
    error = caught.value
    assert error.code == code
    texts = f"{error} {error!r} {error.args} {vars(error)} {error.__cause__!r}"
    if not error.__suppress_context__:
        texts += repr(error.__context__)
    assert [word for word in TOLD if word in texts] == []
