"""Our key set, read over HTTP by PyJWT, by jose and by ourselves; also while its keys change."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.interop import verifiers
from tests.interop.issuer import CLAIMS, KEY_SET, NAME, PATIENCE, OwnIssuer
from tests.interop.tokens import read, tampered
from tests.interop.verifiers import Npm, Refused, Verify

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]

Start = Callable[..., OwnIssuer]
Make = Callable[[OwnIssuer, str], Verify]
AHEAD = 700  # seconds, more than a key is published before it signs


@pytest.fixture(params=["PyJWT", "jose", "ours"])
def reader(request: pytest.FixtureRequest, npm: Npm) -> Make:
    makes: dict[str, Make] = {"PyJWT": verifiers.pyjwt, "jose": npm.jose, "ours": verifiers.ours}
    return makes[request.param]


@pytest.fixture(params=["ES256", "RS256", "EdDSA"])
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def kid(token: str) -> str:
    return str(read(token, 0)["kid"])


def sign_in_with_another_key(issuer: OwnIssuer, old: str) -> str:
    """A token under another key than `old` is; a process looks for keys every second."""
    deadline = time.monotonic() + PATIENCE
    while kid(token := issuer.sign_in()) == kid(old):
        assert time.monotonic() < deadline, "the new key never signed"
        time.sleep(0.05)
    return token


def test_a_token_verifies_with_the_published_keys(
    reader: Make, start: Start, algorithm: str
) -> None:
    issuer = start(SIGNING_ALGORITHM=algorithm)
    token = issuer.sign_in()
    assert read(token, 0)["alg"] == algorithm
    claims = reader(issuer, algorithm)(token)
    assert claims == read(token, 1)
    assert {name: claims[name] for name in CLAIMS} == CLAIMS


def test_bad_tokens_are_refused(reader: Make, start: Start, algorithm: str) -> None:
    issuer, other = start(SIGNING_ALGORITHM=algorithm), start(SIGNING_ALGORITHM=algorithm)
    old, token = issuer.expired(), issuer.sign_in()
    verify = reader(issuer, algorithm)
    bad = {**tampered(token), "expired": old, "another store's": other.sign_in()}
    for what, text in bad.items():
        with pytest.raises(Refused):
            pytest.fail(f"{what}: taken, with {sorted(verify(text))}")
    _ = verify(token)


def test_a_key_that_signs_at_once_is_met_by_fetching_again(
    reader: Make, start: Start, algorithm: str
) -> None:
    issuer = start(SIGNING_ALGORITHM=algorithm)
    verify, old = reader(issuer, algorithm), issuer.sign_in()
    _ = verify(old)
    assert issuer.fetches == 1
    issuer.rotate(at_once=True)
    new = sign_in_with_another_key(issuer, old)
    assert verify(new)["sub"] == "user_1"
    assert issuer.fetches == 2
    assert verify(old)["sub"] == "user_1"  # still published
    assert issuer.fetches == 2


def test_a_key_published_ahead_is_known_when_it_signs(
    reader: Make, start: Start, algorithm: str
) -> None:
    issuer = start(SIGNING_ALGORITHM=algorithm, SESSION_TOKEN_LIFETIME=3600)
    issuer.behind = AHEAD
    first = issuer.sign_in()
    issuer.rotate(at_once=False)
    deadline = time.monotonic() + PATIENCE
    while len(issuer.key_set()["keys"]) < 2:  # a process looks for keys every second
        assert time.monotonic() < deadline, "the new key was never published"
        time.sleep(0.05)
    issuer.fetches = 0
    verify = reader(issuer, algorithm)
    assert kid(issuer.sign_in()) == kid(first)
    _ = verify(first)
    issuer.behind = 0
    new = sign_in_with_another_key(issuer, first)
    assert verify(new)["sub"] == "user_1"
    assert verify(first)["sub"] == "user_1"
    assert issuer.fetches == 1


def test_the_openid_configuration_names_the_key_set(start: Start, algorithm: str) -> None:
    issuer = start(SIGNING_ALGORITHM=algorithm)
    _ = issuer.sign_in()
    said = issuer.configuration()
    assert said["issuer"] == NAME
    assert urlsplit(str(said["jwks_uri"])).path == KEY_SET
    assert said["jwks_uri"].startswith(NAME)
    assert said["id_token_signing_alg_values_supported"] == [algorithm]
