"""A signing key given as PEM: what is taken, what is published of it, what is refused how."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from flask_session_claims import ConfigurationError, verify_jws
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.givenkey import given_key
from flask_session_claims.sessions.published import key_set
from flask_session_claims.sessions.tokens import b64url
from flask_session_claims.testing import LocalIssuer, shared_key

SETTING = "SESSION_CLAIMS_SIGNING_KEY"


@pytest.mark.parametrize("algorithm", vault.ALGORITHMS)
def test_the_key_signs_and_its_public_half_is_published(algorithm):
    issuer = LocalIssuer(key=shared_key(algorithm))
    for pem in (issuer.private_pem(), issuer.private_pem().encode()):
        given = given_key(pem, SETTING, algorithm=algorithm)
        assert given.signer.kid == issuer.kid
        assert json.loads(key_set(given.ring).body) == issuer.jwks()
        assert given.ring == given_key(pem, SETTING).ring
    header = b64url(json.dumps({"alg": algorithm, "kid": given.signer.kid}).encode())
    signed = f"{header}.{b64url(b'payload')}"
    compact = f"{signed}.{b64url(given.signer.sign(signed.encode()))}"
    published = key_set(given.ring).body.decode()
    assert verify_jws(compact, published, [algorithm]) == b"payload"


def test_a_key_in_the_older_form_for_rsa_and_ec_is_taken():
    for algorithm in ("RS256", "ES256"):
        private = shared_key(algorithm)
        pem = private.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ).decode()
        assert given_key(pem, SETTING).signer.algorithm == algorithm


def pem(private, encryption=None):
    encryption = encryption or NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "got a value of type NoneType"),
        (7, "got a value of type int"),
        ("", "no unencrypted private key"),
        ("nonsense", "no unencrypted private key"),
        (b"\xff\xfe", "no unencrypted private key"),
        (LocalIssuer(key=shared_key("ES256")).public_pem(), "no unencrypted private key"),
        (pem(shared_key("ES256"), BestAvailableEncryption(b"pw")), "no unencrypted private key"),
        (pem(SMALL), "2048 bits"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(x25519.X25519PrivateKey.generate()), "RSA, P-256 or Ed25519"),
    ],
    ids=["none", "int", "empty", "nonsense", "bytes", "public", "encrypted", "small", "p384", "x"],
)
def test_what_cannot_sign_is_refused_by_the_name_of_its_setting(value, fault):
    with pytest.raises(ConfigurationError) as caught:
        given_key(value, SETTING)
    said = caught.value.message
    assert said.startswith(f"{SETTING}: ")
    assert fault in said
    assert "or leave it unset" in said
    if isinstance(value, str) and len(value) > 100:
        assert not [line for line in value.splitlines()[1:-1] if line in said]


def test_an_algorithm_that_is_asked_for_besides_has_to_be_the_keys():
    text = LocalIssuer(key=shared_key("ES256")).private_pem()
    assert given_key(text, SETTING, algorithm="ES256")
    with pytest.raises(ConfigurationError, match="it signs ES256, and 'RS256' is asked for"):
        given_key(text, SETTING, algorithm="RS256")


def test_nothing_private_is_in_a_repr():
    issuer = LocalIssuer(key=shared_key("EdDSA"))
    given = given_key(issuer.private_pem(), SETTING)
    shown = repr(given)
    assert repr(given.signer.der) not in shown
    assert issuer.private_pem().splitlines()[1] not in shown
    assert '"d"' not in key_set(given.ring).body.decode()
