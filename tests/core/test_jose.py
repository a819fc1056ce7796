"""`verify_jws`: published vectors, every spelling of a key, and what is refused how."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from flask_session_claims import ConfigurationError, TokenError, verify_jws
from flask_session_claims.core.keyset import given_keys
from flask_session_claims.testing import LocalIssuer, shared_key
from flask_session_claims.testing.keys import SigningKey, b64url

ALGORITHMS = ["RS256", "ES256", "EdDSA"]
JOE = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
JOE_TEXT = b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'

#: name: algorithm, public JWK, compact form, payload
VECTORS = {
    "RFC 7515 A.2": (
        "RS256",
        {
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
            "PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-b"
            "Sf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5"
            "ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FR"
            "WyuXpoQ",
            "e": "AQAB",
        },
        (
            f"eyJhbGciOiJSUzI1NiJ9.{JOE}."
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
            "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
            "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
            "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
            "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
            "p0igcN_IoypGlUPQGe77Rw"
        ),
        JOE_TEXT,
    ),
    "RFC 7515 A.3": (
        "ES256",
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        (
            f"eyJhbGciOiJFUzI1NiJ9.{JOE}."
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
            "pmWQxfKTUJqPP3-Kg6NU1Q"
        ),
        JOE_TEXT,
    ),
    "RFC 8037 A.4": (
        "EdDSA",
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        (
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
            "hVsPt9g7sVvpAr_MuM0KAg"
        ),
        b"Example of Ed25519 signing",
    ),
}


def issuer_of(algorithm: str, number: int = 0) -> LocalIssuer:
    return LocalIssuer(key=shared_key(algorithm, number), kid=f"{algorithm}-{number}")


def refusal(compact: object, keys: object, algorithms: object = tuple(ALGORITHMS)) -> str:
    with pytest.raises(TokenError) as caught:
        verify_jws(compact, keys, algorithms)
    return caught.value.code


# Published vectors


@pytest.mark.parametrize("name", VECTORS)
def test_published_vectors(name):
    algorithm, jwk, compact, payload = VECTORS[name]
    assert verify_jws(compact, jwk, [algorithm]) == payload
    assert verify_jws(compact, {"keys": [jwk]}, ALGORITHMS) == payload


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_vector_changed_is_refused(name):
    algorithm, jwk, compact, _ = VECTORS[name]
    header, payload, signature = compact.split(".")
    for changed in (
        f"{header}.{payload[:-4]}.{signature}",
        f"{header}.Q{payload[1:]}.{signature}",
        f"{header}..{signature}",
        f"{header}.{payload}.Q{signature[1:]}",
        f"{header}.{payload}.{signature[4:]}",
        f"{header}.{payload}.{signature}AAAA",
    ):
        assert changed != compact
        assert refusal(changed, jwk, [algorithm]) == "token-invalid-signature"


# Keys


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_may_be_spelled_in_many_ways(algorithm):
    issuer = issuer_of(algorithm)
    token = issuer.sign({"alg": algorithm}, b"payload")
    pem = issuer.public_pem()
    for key in (
        pem,
        pem.encode(),
        pem.replace("\n", "\r\n"),
        pem.replace("\n", "\\n"),
        issuer.public_jwk(),
        issuer.jwks(),
        json.dumps(issuer.public_jwk()),
        json.dumps(issuer.jwks()).encode(),
        [pem],
        given_keys(pem, "jwks"),
        given_keys(issuer.jwks(), "jwks"),
    ):
        assert verify_jws(token, key, [algorithm]) == b"payload"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_key_of_the_kind_does_not_verify(algorithm):
    issuer, stranger = issuer_of(algorithm), issuer_of(algorithm, 1)
    token = issuer.sign({"alg": algorithm}, b"payload")
    for key in (stranger.public_pem(), stranger.public_jwk(), stranger.jwks()):
        assert refusal(token, key) == "token-invalid-signature"


def test_a_set_is_asked_by_kid():
    issuers = [issuer_of(algorithm, number) for algorithm in ALGORITHMS for number in (0, 1)]
    keys = {"keys": [issuer.public_jwk() for issuer in issuers]}
    for issuer in issuers:
        header = {"alg": issuer.algorithm, "kid": issuer.kid}
        assert verify_jws(issuer.sign(header, b"mine"), keys, ALGORITHMS) == b"mine"
        unknown = issuer.sign({**header, "kid": "unknown"}, b"mine")
        assert refusal(unknown, keys) == "jwk-kid-mismatch"
        # two keys of the kind: without a kid it could be either
        assert refusal(issuer.sign({"alg": issuer.algorithm}, b""), keys) == "jwk-kid-mismatch"
    first, second = issuers[:2]
    swapped = first.sign({"alg": first.algorithm, "kid": second.kid}, b"mine")
    assert refusal(swapped, keys) == "token-invalid-signature"


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "text",
        b"",
        [],
        {},
        {"keys": []},
        {"kty": "oct", "k": "c2VjcmV0"},
        "{",
        7,
        issuer_of("ES256").private_pem(),
    ],
    ids=lambda key: type(key).__name__,
)
def test_what_is_no_public_key_is_a_mistake_of_the_developer(key):
    token = issuer_of("ES256").sign({"alg": "ES256"}, b"payload")
    with pytest.raises(ConfigurationError, match="key_or_set"):
        verify_jws(token, key, ["ES256"])


# Algorithms


@pytest.mark.parametrize(
    "algorithms",
    [
        "RS256",
        "",
        [],
        (),
        None,
        b"ES256",
        ["HS256"],
        ["none"],
        ["es256"],
        ["ES256 "],
        ["ES256", "HS256"],
        ["ES256", None],
        ["ES384"],
        [["ES256"]],
    ],
    ids=repr,
)
def test_wrong_algorithms_are_a_mistake_of_the_developer(algorithms):
    issuer = issuer_of("ES256")
    token = issuer.sign({"alg": "ES256"}, b"payload")
    with pytest.raises(ConfigurationError, match="algorithms"):
        verify_jws(token, issuer.public_jwk(), algorithms)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_that_is_not_allowed(algorithm):
    issuer = issuer_of(algorithm)
    others = [name for name in ALGORITHMS if name != algorithm]
    token = issuer.sign({"alg": algorithm}, b"payload")
    assert refusal(token, issuer.public_jwk(), others) == "token-invalid-algorithm"


@pytest.mark.parametrize(
    "named", ["none", "None", "HS256", "rs256", "RS384", "PS256", "ES256K", "Ed448", "", 1, None]
)
def test_a_header_that_names_no_algorithm_of_ours(named):
    issuer = issuer_of("RS256")
    token = issuer.sign({"alg": named}, b"payload")
    assert refusal(token, issuer.public_pem()) == "token-invalid-algorithm"


@pytest.mark.parametrize("named", ALGORITHMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_answers_for_its_own_algorithm_only(algorithm, named):
    issuer = issuer_of(algorithm)
    anonymous = issuer.sign({"alg": named}, b"payload")
    known = issuer.sign({"alg": named, "kid": issuer.kid}, b"payload")
    if named == algorithm:
        assert verify_jws(anonymous, issuer.public_pem(), ALGORITHMS) == b"payload"
        assert verify_jws(known, issuer.jwks(), ALGORITHMS) == b"payload"
    else:
        assert refusal(anonymous, issuer.public_pem()) == "token-invalid-signature"
        assert refusal(known, issuer.jwks()) == "token-invalid-signature"
        assert refusal(anonymous, issuer.jwks()) == "jwk-kid-mismatch"


def test_ed25519_is_another_name_of_eddsa():
    issuer = issuer_of("EdDSA")
    jwk = {**issuer.public_jwk(), "alg": "Ed25519"}
    for named in ("EdDSA", "Ed25519"):
        token = issuer.sign({"alg": named, "kid": issuer.kid}, b"payload")
        for allowed in (["EdDSA"], ["Ed25519"], ["Ed25519", "EdDSA"]):
            for key in (issuer.public_pem(), issuer.public_jwk(), jwk):
                assert verify_jws(token, key, allowed) == b"payload"
        assert refusal(token, jwk, ["RS256", "ES256"]) == "token-invalid-algorithm"


# Signatures and the compact form


def test_an_ecdsa_signature_is_64_bytes_not_der():
    key = SigningKey(shared_key("ES256"))
    head = f"{b64url(json.dumps({'alg': 'ES256'}).encode())}.{b64url(b'payload')}"
    raw = key.sign(head.encode())
    assert verify_jws(f"{head}.{b64url(raw)}", key.public_jwk(), ["ES256"]) == b"payload"
    der = key.private.sign(head.encode(), ec.ECDSA(hashes.SHA256()))
    for signature in (der, raw[:-1], raw + b"\0", b"\0" + raw, bytes(64), b"\xff" * 64):
        compact = f"{head}.{b64url(signature)}"
        assert refusal(compact, key.public_jwk()) == "token-invalid-signature"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_payload_is_any_bytes(algorithm):
    issuer = issuer_of(algorithm)
    for payload in (b"", b"\0", b"\xff" * 3, b"not JSON", b'{"exp":1}', b"x" * 20_000):
        token = issuer.sign({"alg": algorithm, "typ": "anything"}, payload)
        assert verify_jws(token, issuer.public_jwk(), [algorithm]) == payload
    assert issuer.sign({"alg": algorithm}, b"").count("..") == 1


@pytest.mark.parametrize("compact", [None, 1, b"a.b.c", ["a", "b", "c"], {}, object()])
def test_what_is_no_text_is_no_token(compact):
    assert refusal(compact, issuer_of("ES256").public_jwk()) == "token-invalid"


def test_bytes_of_a_good_token_are_no_text():
    issuer = issuer_of("ES256")
    token = issuer.sign({"alg": "ES256"}, b"payload")
    assert refusal(token.encode(), issuer.public_jwk()) == "token-invalid"


def test_one_token_has_one_spelling():
    issuer = issuer_of("ES256")
    token = issuer.sign({"alg": "ES256"}, b"payload")
    head, payload, signature = token.split(".")
    for changed in (
        f"{token}=",
        f" {token}",
        f"{token}\n",
        f"{token}.",
        f".{token}",
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f".{payload}.{signature}",
        f"{head}.{payload}.{signature}.{signature}",
        f"{head}={payload}.{signature}",
        f"{head}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        token.replace(".", "\u2024"),
        "",
        "..",
    ):
        assert refusal(changed, issuer.public_jwk()) == "token-invalid"


@pytest.mark.parametrize(
    "member", [{"crit": []}, {"crit": ["exp"]}, {"b64": False}, {"b64": True}, {"zip": "DEF"}]
)
def test_extensions_are_not_understood(member):
    issuer = issuer_of("ES256")
    token = issuer.sign({"alg": "ES256", **member}, b"payload")
    assert refusal(token, issuer.public_jwk()) == "token-invalid"


@pytest.mark.parametrize("header", [b"", b"[]", b"{}x", b'{"alg":"ES256","alg":"ES256"}', b"\xff"])
def test_a_header_that_is_no_object(header):
    issuer = issuer_of("ES256")
    assert refusal(issuer.sign(header, b"payload"), issuer.public_jwk()) == "token-invalid"
