"""Target `keyset`: any answer of a key server, any key material in a setting.

Only the declared errors come out, what a given set may hold a fetched one may hold too, and
every key that is taken is one that PyJWT reads the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from flask_session_claims import ConfigurationError
from flask_session_claims.core.keyset import KeySet, fetched_keys, given_keys
from tests.corpus.forge import GONE, b64, keys
from tests.fuzz.inputs import Target, joined, text_of
from tests.fuzz.reference import strict_object

KINDS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
SECRET_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
#: Stand-ins for the numbers of the run's own keys, so that an input holds no key.
PLACES = ("RSA_N", "EC_X", "EC_Y", "ED_X")


def filled(data: bytes) -> bytes:
    """`data` with the numbers of real public keys where the stand-ins are."""
    rsa, ec, ed = (key.jwk() for key in keys().trusted)
    for place, number in zip(PLACES, (rsa["n"], ec["x"], ec["y"], ed["x"]), strict=True):
        data = data.replace(b"$" + place.encode(), number.encode())
    return data


def check(data: bytes) -> None:
    body = filled(data)
    fetched = _fetched(body)
    given = _given(text_of(body))
    document = strict_object(body)
    if fetched is not None:
        assert document is not None
        assert isinstance(document["keys"], list)
        _check_keys(fetched, document["keys"])
    if given is not None and document is not None:
        entries = document.get("keys", [document])
        _check_keys(given, entries)
        assert len(given) == len(entries), "one bad entry spoils a given set"
        if "keys" in document:
            assert fetched is not None, "what may be given may be fetched"
    if document is not None:
        _given(document)
        _given([document])


def _fetched(body: bytes) -> KeySet | None:
    try:
        found, skipped = fetched_keys(body)
    except (ValueError, RecursionError):  # what the key cache takes for a failed fetch
        return None
    assert all(isinstance(line, str) for line in skipped)
    return found


def _given(value: object) -> KeySet | None:
    try:
        return given_keys(value, "JWKS")
    except ConfigurationError as error:
        shown = str(error)
        assert shown.startswith("JWKS: ")
        assert len(shown) < 400
        for secret in _secrets(value):
            assert secret not in shown, "a message quotes a secret"
        return None


def _secrets(value: object) -> list[str]:
    members = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
    found = [members[name] for name in SECRET_MEMBERS & set(members)]
    return [text for text in found if isinstance(text, str) and len(text) > 20]


def _check_keys(found: KeySet, entries: list[Any]) -> None:
    usable = [entry for entry in entries if isinstance(entry, dict)]
    assert 0 < len(found) <= min(64, len(usable))
    names = [key.kid for key in found.keys if key.kid is not None]
    assert len(names) == len(set(names)), "one name, one key"
    for key in found.keys:
        sources = [entry for entry in usable if _is_source(entry, key.kid, key.algorithm)]
        assert sources, "a key comes from an entry that may be taken"
        assert key.identity in [_identity(entry) for entry in sources]
        if key.algorithm == "RS256":
            assert 2048 <= key.identity[1].bit_length() <= 8192
        assert all(other.kid in (key.kid, None) for other in found.candidates(key.kid, "RS256"))
        assert not key.verify(b"text", b"signature")
    assert all(key.kid is None for key in found.candidates("nobody has this name", "RS256"))


def _is_source(entry: dict[str, Any], kid: str | None, algorithm: str) -> bool:
    stated = entry.get("alg")
    named = stated is None or stated == algorithm or (stated, algorithm) == ("Ed25519", "EdDSA")
    right = entry.get("kty") == KINDS[algorithm] and entry.get("use", "sig") == "sig"
    return named and right and entry.get("kid") == kid and not SECRET_MEMBERS & set(entry)


def _identity(entry: dict[str, Any]) -> tuple[Any, ...] | None:
    """The key as PyJWT reads it."""
    plain = {name: value for name, value in entry.items() if name != "alg"}
    try:
        public = PyJWK(plain).key
    except (PyJWTError, ValueError):  # the latter from releases up to 2.10
        return None
    if entry["kty"] == "OKP":
        return "OKP", public.public_bytes_raw()
    numbers = public.public_numbers()
    if entry["kty"] == "EC":
        return "EC", numbers.x, numbers.y
    return "RSA", numbers.n, numbers.e


def _jwk(number: int, **members: object) -> dict[str, Any]:
    stand_ins = ({"n": "$RSA_N"}, {"x": "$EC_X", "y": "$EC_Y"}, {"x": "$ED_X"})
    return keys().trusted[number].jwk(**{**stand_ins[number], **members})


def seeds() -> Iterable[bytes]:
    for number in range(3):
        yield json.dumps(_jwk(number)).encode()
        yield json.dumps(_jwk(number, kid=GONE, alg=GONE, use=GONE)).encode()
    rsa, ec, ed = (_jwk(number) for number in range(3))
    for entries in (
        [rsa, ec, ed], [rsa, {**rsa, "kid": "b"}], [rsa, {**ec, "kid": rsa["kid"]}], [rsa] * 3,
        [{**ed, "d": "A" * 43}], [ed, {**ec, "d": "A" * 43}], [{"kty": "oct", "k": "AAAA"}, ed],
        [{**ec, "crv": "P-384"}, ec], [{**ec, "x": "$EC_Y", "y": "$EC_X"}, ec], [], [1, None, ed],
        [{**ed, "crv": "X25519"}], [{**rsa, "e": "AQ"}, ed], [{**rsa, "e": "Ag"}, ed],
        [{**rsa, "n": b64(b"\x80" + b"\0" * 126 + b"\1")}, ed], [{**ed, "use": "enc"}, ed],
        [{**ed, "key_ops": ["sign"]}, ed], [{**ed, "alg": "RS256"}, ed], [{**ed, "kid": 1}, ed],
        [{**ed, "alg": "Ed25519", "kid": "\u00e9"}, ed],
    ):  # fmt: skip
        yield json.dumps({"keys": entries}).encode()
    yield b'{"keys":{}}'
    yield b'{"keys":[],"keys":[]}'
    yield b"[" * 100
    pem = keys().ec.pem().splitlines()
    yield "\n".join([pem[0], "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", pem[-1]]).encode()
    yield b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    yield b"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----"
    yield joined("{}", "{}")


WORDS = tuple(
    '"keys":[ "kty": "RSA" "EC" "OKP" "oct" "crv": "P-256" "Ed25519" "use": "sig" "alg": "kid":'
    ' "key_ops": "verify" "n": "e": "x": "y": "d": "k": "oth": $RSA_N $EC_X $EC_Y $ED_X "AQAB"'
    " null -----BEGIN -----END".split()
)
TARGET = Target(check, seeds, WORDS)
