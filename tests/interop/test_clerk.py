"""Clerk's SDKs for Python and Node.js take our RS256 tokens, with our public key as PEM."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.interop import verifiers
from tests.interop.issuer import CLAIMS, NAME, PARTY, OwnIssuer
from tests.interop.tokens import read, tampered
from tests.interop.verifiers import Npm, Refused, Verify, pem

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]

Start = Callable[..., OwnIssuer]
#: (the only key of an issuer, the parties that may be named) -> who verifies.
Make = Callable[[OwnIssuer, list[str] | None], Verify]


@pytest.fixture(params=["verify_token", "a request's header", "a request's cookie", "npm"])
def clerk(request: pytest.FixtureRequest, npm: Npm) -> Make:
    def make(issuer: OwnIssuer, parties: list[str] | None) -> Verify:
        (jwk,) = issuer.key_set()["keys"]
        key = pem(jwk)
        if request.param == "verify_token":
            return verifiers.clerk_verify_token(key, parties)
        if request.param == "npm":
            return npm.clerk(key, parties)
        before = ("Authorization", "Bearer ")
        if request.param == "a request's cookie":
            before = ("cookie", "theme=dark; __session=")
        return verifiers.clerk_request(key, parties, *before)

    return make


def private_key() -> str:
    made = rsa.generate_private_key(65537, 2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("given", [False, True], ids=["key of the store", "key as PEM"])
def test_clerks_sdk_reads_our_token(clerk: Make, start: Start, given: bool) -> None:
    key = {"SIGNING_KEY": private_key()} if given else {"SIGNING_ALGORITHM": "RS256"}
    issuer = start(**key)
    token = issuer.sign_in()
    claims = clerk(issuer, [PARTY])(token)
    assert claims == read(token, 1)
    assert {name: claims[name] for name in CLAIMS} == CLAIMS
    assert (claims["sub"], claims["iss"], claims["azp"]) == ("user_1", NAME, PARTY)


def test_clerks_sdk_refuses_what_was_tampered_with(clerk: Make, start: Start) -> None:
    issuer = start(SIGNING_ALGORITHM="RS256")
    verify, token = clerk(issuer, [PARTY]), issuer.sign_in()
    for what, bad in tampered(token).items():
        with pytest.raises(Refused):
            pytest.fail(f"{what}: taken, with {sorted(verify(bad))}")
    _ = verify(token)


def test_clerks_sdk_refuses_an_expired_token(clerk: Make, start: Start) -> None:
    issuer = start(SIGNING_ALGORITHM="RS256")
    old, new = issuer.expired(), issuer.sign_in()
    verify = clerk(issuer, [PARTY])
    with pytest.raises(Refused, match="token-expired"):
        _ = verify(old)
    _ = verify(new)


def test_clerks_sdk_refuses_the_token_of_another_store(clerk: Make, start: Start) -> None:
    issuer, other = start(SIGNING_ALGORITHM="RS256"), start(SIGNING_ALGORITHM="RS256")
    _ = issuer.sign_in()
    with pytest.raises(Refused, match="token-invalid-signature"):
        _ = clerk(issuer, [PARTY])(other.sign_in())


def test_clerks_sdk_refuses_another_party(clerk: Make, start: Start) -> None:
    issuer = start(SIGNING_ALGORITHM="RS256")
    token = issuer.sign_in()
    with pytest.raises(Refused, match="token-invalid-authorized-parties"):
        _ = clerk(issuer, ["https://other.example"])(token)


def test_a_token_that_names_no_party_is_for_those_who_ask_for_none(
    clerk: Make, start: Start
) -> None:
    issuer = start(SIGNING_ALGORITHM="RS256")
    token = issuer.sign_in(origin=None)
    assert "azp" not in read(token, 1)
    assert clerk(issuer, None)(token)["sub"] == "user_1"
    with pytest.raises(Refused, match="token-invalid-authorized-parties"):
        _ = clerk(issuer, [PARTY])(token)


def test_a_refreshed_token_names_the_party_that_signed_in(clerk: Make, start: Start) -> None:
    issuer = start(SIGNING_ALGORITHM="RS256")
    token = issuer.refreshed()
    assert clerk(issuer, None)(token)["sub"] == "user_1"
    assert clerk(issuer, [PARTY])(token)["azp"] == PARTY
