"""Which entries of a key set are taken, and which key may answer for a token.

Row ids (K4, K11, ...) are those of the security requirements. No network here.
"""

from __future__ import annotations

import functools
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from flask_session_claims import ConfigurationError, TokenError, Verifier, VerifierSettings
from flask_session_claims.core.keyset import KeySet, fetched_keys, given_keys
from flask_session_claims.testing import LocalIssuer, shared_key
from flask_session_claims.testing.keys import SigningKey, b64url

ISSUER = "https://issuer.example"


def entry(
    algorithm: str = "ES256", kid: str | None = "good", number: int = 0, **changes: object
) -> dict:
    """A JWK; a change to None takes the member away."""
    jwk = {**SigningKey(shared_key(algorithm, number)).public_jwk(), "kid": kid, **changes}
    return {name: value for name, value in jwk.items() if value is not None}


def fetched(*entries: object) -> tuple[KeySet, list[str]]:
    return fetched_keys(json.dumps({"keys": list(entries)}).encode())


@functools.cache
def weak_rsa(bits: int = 1024) -> dict:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    n = numbers.n.to_bytes(bits // 8, "big")
    return {"kty": "RSA", "kid": "weak", "n": b64url(n), "e": "AQAB"}


def off_curve() -> dict:
    jwk = entry(kid="off")
    numbers = shared_key("ES256").public_key().public_numbers()
    return {**jwk, "y": b64url(((numbers.y + 1) % 2**256).to_bytes(32, "big"))}


def private_members(algorithm: str) -> dict:
    """A private JWK; what is secret in it begins with SECRET."""
    names = {"RS256": ("d", "p", "q", "dp", "dq", "qi")}.get(algorithm, ("d",))
    return {name: "SECRET" + name for name in names}


BAD_ENTRIES = {
    "no object": "text",
    "a list": [],
    "null": None,
    "empty": {},
    "use=enc": entry(use="enc"),
    "use of another type": entry(use=["sig"]),
    "use=null": {**entry(), "use": None},
    "key_ops without verify": entry(key_ops=["sign"]),
    "key_ops empty": entry(key_ops=[]),
    "key_ops text": entry(key_ops="verify"),
    "alg of another family": entry(alg="RS256"),
    "alg with another hash": entry("RS256", alg="RS512"),
    "alg PSS": entry("RS256", alg="PS256"),
    "alg symmetric": entry("RS256", alg="HS256"),
    "alg of another type": entry(alg=["ES256"]),
    "kty unknown": entry(kty="XYZ"),
    "kty missing": entry(kty=None),
    "kty in another case": entry("RS256", kty="rsa"),
    "kty of another type": entry(kty=["EC"]),
    "curve unknown": entry(crv="P-999"),
    "curve P-384": entry(crv="P-384"),
    "curve secp256k1": entry(crv="secp256k1"),
    "curve X25519": entry("EdDSA", crv="X25519"),
    "curve Ed448": {
        "kty": "OKP",
        "crv": "Ed448",
        "x": b64url(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()),
    },
    "RSA-1024": weak_rsa(),
    "RSA e=1": entry("RS256", e="AQ"),
    "RSA e even": entry("RS256", e="Ag"),
    "RSA e=0": entry("RS256", e="AA"),
    "RSA e as long as n": entry("RS256", e=entry("RS256")["n"]),
    "RSA n missing": entry("RS256", n=None),
    "RSA n a number": entry("RS256", n=65537),
    "RSA n empty": entry("RS256", n=""),
    "RSA n padded": entry("RS256", n=entry("RS256")["n"] + "=="),
    "RSA n of 70,000 bits": entry("RS256", n=b64url(b"\xff" * 8750)),
    "EC point off the curve": off_curve(),
    "EC point zero": entry(x=b64url(bytes(32)), y=b64url(bytes(32))),
    "EC x too short": entry(x=b64url(bytes(31))),
    "EC x too long": entry(x=b64url(bytes(33))),
    "EC y missing": entry(y=None),
    "Ed25519 x too short": entry("EdDSA", x=b64url(bytes(31))),
    "kid a number": entry(kid=7),
    "kid empty": {**entry(), "kid": ""},
    "kid with a line end": entry(kid="a\nb"),
    "kid too long": entry(kid="k" * 257),
    "oct": {"kty": "oct", "kid": "oct", "k": "SECRETk"},
    "private RSA": {**entry("RS256"), **private_members("RS256")},
    "private EC": {**entry("ES256"), **private_members("ES256")},
    "private OKP": {**entry("EdDSA"), **private_members("EdDSA")},
    "public with a k": {**entry(), "k": "SECRETk"},
}


@pytest.mark.parametrize("bad", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_k11_a_bad_entry_is_skipped_and_the_rest_serves(bad):
    """K11: entries are judged one by one, and the note about one quotes nothing of it."""
    neighbour = entry("EdDSA", "neighbour", 5)
    keys, skipped = fetched(bad, neighbour)
    assert [key.kid for key in keys.keys] == ["neighbour"]
    assert len(skipped) == 1
    assert skipped[0].startswith("entry 1")
    texts = [v for v in bad.values() if isinstance(v, str)] if isinstance(bad, dict) else []
    assert not [text for text in texts if len(text) > 8 and text in skipped[0]]
    assert "SECRET" not in skipped[0].replace("PUBLISHES A SECRET", "")


@pytest.mark.parametrize("bad", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_k11_a_bad_entry_alone_makes_no_key_set(bad):
    """K11, K8: with no usable key left the whole answer counts as failed."""
    with pytest.raises(ValueError, match="no usable key"):
        fetched(bad)


@pytest.mark.parametrize(
    "name", ["oct", "private RSA", "private EC", "private OKP", "public with a k"]
)
def test_k12_a_secret_in_a_public_set_is_called_that(name):
    """K12: private and symmetric members are a leak; the warning is loud."""
    _, skipped = fetched(BAD_ENTRIES[name], entry(kid="neighbour"))
    assert "PUBLISHES A SECRET" in skipped[0]


@pytest.mark.parametrize(
    "good",
    [
        entry(use=None, alg=None),
        entry(key_ops=["verify"]),
        entry(key_ops=["sign", "verify"]),
        entry("EdDSA", alg="Ed25519"),
        entry("RS256", alg=None, e="Aw"),
        entry(x5c=["ignored"], x5t="ignored", unknown={"a": [1]}),
        entry(kid="k" * 256),
        entry(kid=None),
    ],
    ids=["bare", "verify", "sign+verify", "Ed25519", "e=3", "extras", "long kid", "no kid"],
)
def test_k11_an_entry_that_is_in_order_is_taken(good):
    """K11: optional members may be absent, unknown ones are ignored (RFC 7517 §4)."""
    keys, skipped = fetched(good)
    assert len(keys) == 1
    assert skipped == []


def test_k11_an_rsa_key_of_8192_bits_is_taken_and_a_longer_one_not():
    """K11: the upper bound keeps one verification below some milliseconds."""

    def modulus(bits):
        # Odd and of the right length; loading does not test for primes.
        number = 2 ** (bits - 1) + 2**64 + 1
        return entry("RS256", kid="big", n=b64url(number.to_bytes(bits // 8, "big")))

    keys, _ = fetched(modulus(8192))
    assert len(keys) == 1
    with pytest.raises(ValueError, match="no usable key"):
        fetched(modulus(8200))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_k12_two_keys_under_one_kid_are_both_unused(order):
    """K12: neither can be told from the other, so neither serves; the neighbour does."""
    twins = (entry(kid="twin", number=0), entry(kid="twin", number=1))
    keys, skipped = fetched(twins[order[0]], entry(kid="single", number=2), twins[order[1]])
    assert [key.kid for key in keys.keys] == ["single"]
    assert keys.candidates("twin", "ES256") == ()
    assert len(skipped) == 1
    assert "twin" not in skipped[0]


def test_k12_two_kinds_of_key_under_one_kid_are_both_unused():
    """K12: a clash does not hang on the algorithm."""
    keys, _ = fetched(entry("ES256", "twin"), entry("EdDSA", "twin"), entry(kid="single"))
    assert [key.kid for key in keys.keys] == ["single"]


def test_k12_three_entries_under_one_kid_stay_unused():
    """K12: a third entry does not undo the clash of the first two."""
    first, second = entry(kid="twin", number=0), entry(kid="twin", number=1)
    keys, _ = fetched(first, second, first, entry(kid="single", number=2))
    assert [key.kid for key in keys.keys] == ["single"]


def test_k12_the_same_key_listed_twice_is_one_key():
    """K12: only different keys clash."""
    keys, skipped = fetched(entry(), entry(use=None))
    assert len(keys) == 1
    assert skipped == []


def test_k12_a_clash_is_seen_by_the_verifier_as_an_unknown_kid():
    """K12: a token of either key is refused; given sets with a clash do not even start."""
    jwks = {"keys": [entry(kid="twin", number=0), entry(kid="twin", number=1)]}
    with pytest.raises(ConfigurationError, match="same kid"):
        VerifierSettings(issuer=ISSUER, jwks=jwks)


def test_k4_64_keys_are_taken_and_65_refused():
    """K4: the bound counts entries, whether they are any good or not."""
    key = entry()
    keys, _ = fetched(*({**key, "kid": f"k{number}"} for number in range(64)))
    assert len(keys) == 64
    with pytest.raises(ValueError, match="more than 64 keys"):
        fetched(*({**key, "kid": f"k{number}"} for number in range(65)))
    with pytest.raises(ValueError, match="more than 64 keys"):
        fetched(key, *([None] * 64))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"keys":null}',
        b'{"keys":{}}',
        b'{"keys":"x"}',
        b'{"keys":[]}',
        b'{"keys":[]',
        b"<!doctype html>",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf" + json.dumps({"keys": [entry()]}).encode(),
        b'{"keys":[],"keys":' + json.dumps([entry()]).encode() + b"}",
        b'{"keys":' + b"[" * 100_000,
        b'{"keys":[' + b'{"a":' * 100_000,
    ],
    ids=lambda body: body[:20].decode("latin-1") + f"… {len(body)}",
)
def test_k8_what_is_no_key_set_is_one_declared_error(body):
    """K8: whatever the endpoint sends ends in a ValueError, which the policy counts as failed."""
    with pytest.raises((ValueError, RecursionError)):
        fetched_keys(body)


# Which key answers


def test_a_named_key_answers_for_its_own_name_only():
    keys, _ = fetched(entry(kid="a", number=0), entry(kid="b", number=1))
    assert [key.kid for key in keys.candidates("a", "ES256")] == ["a"]
    assert keys.candidates("c", "ES256") == ()
    assert keys.candidates("A", "ES256") == ()


def test_a_token_without_kid_may_use_a_named_key_only_if_no_other_is_meant():
    alone, _ = fetched(entry("ES256", "a"), entry("EdDSA", "b"))
    assert [key.kid for key in alone.candidates(None, "ES256")] == ["a"]
    two, _ = fetched(entry(kid="a", number=0), entry(kid="b", number=1))
    assert two.candidates(None, "ES256") == ()


def test_a_key_without_name_answers_for_any_kid_but_not_beside_a_namesake():
    keys, _ = fetched(entry(kid=None, number=0), entry(kid="b", number=1))
    assert [key.kid for key in keys.candidates("whatever", "ES256")] == [None]
    assert [key.kid for key in keys.candidates("b", "ES256")] == ["b"]


def test_a_key_set_shows_no_key_in_its_repr():
    keys, _ = fetched(entry())
    assert repr(keys) == "<KeySet of 1>"
    assert entry()["x"] not in repr(keys.keys[0])


# PEM


def pem() -> tuple[LocalIssuer, str]:
    made = LocalIssuer(ISSUER, key=shared_key("RS256"))
    return made, made.public_pem()


SPELLINGS = {
    "as it is": lambda text: text,
    "literal backslash n": lambda text: text.replace("\n", "\\n"),
    "literal backslash r n": lambda text: text.replace("\n", "\\r\\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no end newline": lambda text: text.rstrip("\n"),
    "blanks around it": lambda text: f"\n  {text}  \n",
    "bytes": lambda text: text.encode(),
    "in a list": lambda text: [text],
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_k13_a_pem_loads_however_it_was_delivered(spell):
    """K13: what environments do to line ends is put right at start-up."""
    issuer, text = pem()
    verifier = Verifier(VerifierSettings(issuer=ISSUER, jwt_key=spell(text)))
    assert verifier.verify(issuer.mint())["sub"] == "user_1"


def private_pems() -> dict[str, str]:
    issuers = {kind: LocalIssuer(ISSUER, key=shared_key(kind)) for kind in ("RS256", "ES256")}
    plain = {kind: issuer.private_pem() for kind, issuer in issuers.items()}
    rs256 = plain["RS256"]
    return {
        **plain,
        "PKCS #1 label": rs256.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        "literal backslash n": rs256.replace("\n", "\\n"),
        "after the public one": issuers["RS256"].public_pem() + rs256,
    }


@pytest.mark.parametrize("text", private_pems().values(), ids=private_pems())
def test_k13_a_private_pem_is_refused_at_start_and_not_shown(text):
    """K13: the message says what is wrong without a line of the key, in text and repr."""
    with pytest.raises(ConfigurationError, match="PRIVATE") as caught:
        VerifierSettings(issuer=ISSUER, jwt_key=text)
    lines = [line for line in text.replace("\\n", "\n").splitlines() if len(line) > 20]
    shown = str(caught.value) + repr(caught.value) + str(caught.value.__context__)
    assert not [line for line in lines if line in shown and "-----" not in line]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a key",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_k13_a_pem_that_cannot_be_read_fails_at_start(text):
    """K13: never at the first request."""
    with pytest.raises(ConfigurationError, match="jwt_key"):
        VerifierSettings(issuer=ISSUER, jwt_key=text)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["RSA-1024", "P-384", "secp256k1"],
)
def test_k13_a_pem_of_a_weak_or_foreign_key_fails_at_start(key):
    """K13, K11: the rules for fetched keys hold for given ones."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ConfigurationError):
        VerifierSettings(issuer=ISSUER, jwt_key=text.decode())


@pytest.mark.parametrize("bad", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_k12_a_given_set_with_a_bad_entry_does_not_start(bad):
    """K11, K12: what a fetched set skips, a given one is refused for, without quoting it."""
    with pytest.raises(ConfigurationError) as caught:
        given_keys({"keys": [entry(kid="neighbour"), bad]}, "jwks")
    assert "SECRET" not in str(caught.value)


def test_several_pems_are_told_apart_by_the_signature_alone():
    old, old_pem = pem()
    new = LocalIssuer(ISSUER, key=shared_key("RS256", 1))
    verifier = Verifier(VerifierSettings(issuer=ISSUER, jwt_key=[old_pem, new.public_pem()]))
    for issuer in (old, new):
        assert verifier.verify(issuer.mint())["iss"] == ISSUER
    stranger = LocalIssuer(ISSUER, key=shared_key("RS256", 2))
    with pytest.raises(TokenError) as caught:
        verifier.verify(stranger.mint())
    assert caught.value.code == "token-invalid-signature"
