"""Keys, signatures and the compact form: the only file that touches PyJWT and cryptography.

One key verifies with one algorithm, decided when the key is loaded. There is no HMAC here, so
a public key can never serve as a secret. Foreign exceptions end here: a token gives
`TokenError`, key material gives `ValueError` with a text that is safe to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from .errors import TokenError
from .jsontext import b64_decode, b64url_decode, parse_object, to_standard

#: JWS `alg` names that this library verifies; "Ed25519" is RFC 9864's name for "EdDSA" here.
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_SYNONYMS: Final = {"Ed25519": "EdDSA"}
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192  # beyond it one verification costs milliseconds
MAX_KID: Final = 256

_KID: Final = re.compile(r"[\x20-\x7e]{1,256}", re.ASCII)
_PEM_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
#: Members that only a private or symmetric JWK has (RFC 7518 §6.2.2, §6.3.2, §6.4).
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_PKCS1 = PKCS1v15()
_SHA256 = SHA256()
_es256 = ECAlgorithm(ECAlgorithm.SHA256)
_eddsa = OKPAlgorithm()

Check = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A trusted public key with the one algorithm it verifies; compared by identity."""

    algorithm: str
    kid: str | None
    #: (signing input, signature) -> whether it is good.
    verify: Check = field(repr=False)
    #: What tells two keys apart, whatever their spelling.
    identity: tuple[Any, ...] = field(repr=False)


class Header(NamedTuple):
    """What may be known of a token before its signature is good."""

    algorithm: str
    kid: str | None
    typ: str | None
    cat: str | None


class SecretKeyGiven(ValueError):
    """Private or symmetric key material stands where a public key belongs."""


# --- keys ---------------------------------------------------------------------------------


def _key_of(public: object, kid: str | None) -> Key:
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
            raise ValueError(f"RSA keys need {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
        if numbers.e < 3 or numbers.e % 2 == 0:
            raise ValueError("the RSA exponent must be odd and at least 3")
        size = public.key_size + 7 >> 3
        rsa = public

        def verify_rsa(data: bytes, signature: bytes) -> bool:
            if len(signature) != size:  # RFC 8017 §8.2.2
                return False
            try:
                rsa.verify(signature, data, _PKCS1, _SHA256)
            except InvalidSignature:
                return False
            return True

        return Key("RS256", kid, verify_rsa, ("RSA", numbers.n, numbers.e))
    if isinstance(public, EllipticCurvePublicKey):
        if not isinstance(public.curve, SECP256R1):
            raise ValueError("the only elliptic curve taken is P-256")
        point = public.public_numbers()
        ec = public

        def verify_ec(data: bytes, signature: bytes) -> bool:
            # RFC 7518 §3.4: r and s, 32 bytes each; PyJWT turns them into DER.
            return len(signature) == 64 and _es256.verify(data, ec, signature)

        return Key("ES256", kid, verify_ec, ("EC", point.x, point.y))
    if isinstance(public, Ed25519PublicKey):
        ed = public

        def verify_ed(data: bytes, signature: bytes) -> bool:
            return len(signature) == 64 and _eddsa.verify(data, ed, signature)

        return Key("EdDSA", kid, verify_ed, ("OKP", public.public_bytes_raw()))
    raise ValueError("the key is of a kind that is not taken; use RSA, P-256 or Ed25519")


def _number(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or not text or not text.isascii():
        raise ValueError(f"member {name!r} is missing or not text")
    try:
        raw = b64url_decode(text.encode("ascii"))
    except ValueError:
        raise ValueError(f"member {name!r} is not base64url") from None
    if size is not None and len(raw) != size:
        raise ValueError(f"member {name!r} must be {size} bytes")
    return raw


def _public_key(jwk: Mapping[str, Any]) -> object:
    kind = jwk.get("kty")
    if kind == "RSA":
        n, e = _number(jwk, "n"), _number(jwk, "e")
        if len(n) > MAX_RSA_BITS // 8 + 1 or len(e) > 8:
            raise ValueError("the RSA key is too large")
        return RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big")).public_key()
    if kind == "EC":
        if jwk.get("crv") != "P-256":
            raise ValueError("the only elliptic curve taken is P-256")
        x, y = _number(jwk, "x", 32), _number(jwk, "y", 32)
        numbers = (int.from_bytes(x, "big"), int.from_bytes(y, "big"))
        return EllipticCurvePublicNumbers(*numbers, SECP256R1()).public_key()
    if kind == "OKP":
        if jwk.get("crv") != "Ed25519":
            raise ValueError("the only OKP curve taken is Ed25519")
        return Ed25519PublicKey.from_public_bytes(_number(jwk, "x", 32))
    if kind == "oct":
        raise SecretKeyGiven("a symmetric key is no public key")
    raise ValueError("member 'kty' must be RSA, EC or OKP")


def key_from_jwk(jwk: Mapping[str, Any]) -> Key:
    """One public key from a JWK (RFC 7517 §4); ValueError says what is wrong with it."""
    if not _SECRET_MEMBERS.isdisjoint(jwk):
        raise SecretKeyGiven("a private or symmetric key stands where a public key belongs")
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and _KID.fullmatch(kid)):
        raise ValueError(f"member 'kid' must be 1 to {MAX_KID} printable ASCII characters")
    if jwk.get("use", "sig") != "sig":
        raise ValueError("member 'use' is not 'sig'")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("member 'key_ops' has no 'verify'")
    try:
        key = _key_of(_public_key(jwk), kid)
    except UnsupportedAlgorithm:
        raise ValueError("the key is of a kind that is not taken") from None
    stated = jwk.get("alg")
    if stated is not None:
        named = _SYNONYMS.get(stated, stated) if isinstance(stated, str) else None
        if named != key.algorithm:
            raise ValueError(f"member 'alg' is not {key.algorithm}, the one for such a key")
    return key


def keys_from_pem(text: str) -> list[Key]:
    """The public keys of one PEM text; ValueError names the fault, never the content.

    Line ends may be CRLF or a literal backslash-n, as environment variables deliver them.
    """
    lines = text.replace("\\r", "").replace("\\n", "\n").replace("\r\n", "\n").strip()
    blocks = list(_PEM_BLOCK.finditer(lines))
    if not blocks:
        raise ValueError("there is no -----BEGIN PUBLIC KEY----- block in it")
    keys: list[Key] = []
    for block in blocks:
        label = block[1]
        if "PRIVATE" in label:
            raise SecretKeyGiven("it is a PRIVATE key; give only the public one")
        if label not in ("PUBLIC KEY", "RSA PUBLIC KEY"):
            raise ValueError(f"a PEM block of type {label!r} is not taken; give PUBLIC KEY")
        try:
            public = load_pem_public_key((block[0] + "\n").encode("ascii"))
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("the PEM block holds no key that can be read") from None
        keys.append(_key_of(public, None))
    return keys


# --- the compact form ---------------------------------------------------------------------


def normal_algorithm(name: str) -> str:
    """The name under which a key's algorithm is known here."""
    return _SYNONYMS.get(name, name)


def read_header(segment: bytes) -> Header:
    """The protected header, or `TokenError`; order and rules of RFC 7515 §4.1, RFC 8725."""
    try:
        header = parse_object(b64_decode(segment))
    except (ValueError, RecursionError):
        raise TokenError("token-invalid") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenError("token-invalid-algorithm")
    # "crit": no extension is understood (RFC 7515 §4.1.11). "b64" (RFC 7797) and "zip" change
    # what the signature covers or what the payload means; "cty" and "enc" announce nesting.
    if not header.keys().isdisjoint(("crit", "b64", "zip", "enc", "cty")):
        raise TokenError("token-invalid")
    kid = header.get("kid")
    if "kid" in header and not (isinstance(kid, str) and _KID.fullmatch(kid)):
        raise TokenError("token-invalid")
    typ = header.get("typ")
    if "typ" in header and not isinstance(typ, str):
        raise TokenError("token-type-mismatch")
    cat = header.get("cat")
    if "cat" in header and not isinstance(cat, str):
        raise TokenError("token-type-mismatch")
    return Header(normal_algorithm(algorithm), kid, typ, cat)


#: Header, payload, signature in the alphabet that `b64_decode` takes; and what was signed.
#: A plain tuple: one is made for every token.
Compact: TypeAlias = tuple[bytes, bytes, bytes, bytes]


def split_compact(token: str) -> Compact:
    """Three runs of base64url characters joined by dots, or `TokenError` (RFC 7515 §3.1)."""
    try:
        data = token.encode("ascii")
        header, payload, signature = to_standard(data).split(b".")
    except ValueError:
        raise TokenError("token-invalid") from None
    if not header or not signature:
        raise TokenError("token-invalid")
    return header, payload, signature, data[: -len(signature) - 1]


def decode_payload(payload: bytes) -> bytes:
    """The payload's bytes; call it only once the signature is good."""
    try:
        return b64_decode(payload)
    except ValueError:
        raise TokenError("token-invalid") from None


def check_algorithm(header: Header, algorithms: Sequence[str]) -> None:
    if header.algorithm not in algorithms:
        raise TokenError("token-invalid-algorithm")


def check_signature(signed: bytes, signature: bytes, header: Header, keys: Sequence[Key]) -> Key:
    """The first of `keys` that made the (still encoded) signature, or `TokenError`.

    A key is only tried under its own algorithm (RFC 8725 §3.1).
    """
    try:
        decoded = b64_decode(signature)
    except ValueError:
        raise TokenError("token-invalid") from None
    for key in keys:
        if key.algorithm == header.algorithm and key.verify(signed, decoded):
            return key
    raise TokenError("token-invalid-signature")


def as_members(value: object) -> Mapping[str, Any] | None:
    """`value` as a JSON object's members, or None."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None
