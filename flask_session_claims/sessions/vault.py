"""Private keys: making them, signing, and wrapping them for the store.

The only file of this folder that touches `cryptography`. Foreign exceptions end here: key
material gives `ValueError` with a text that is safe to show.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from .tokens import b64url

ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")
RSA_BITS: Final = 2048
NONCE_BYTES: Final = 12
_PRIVATE_TYPES = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """A private key in use: its one algorithm, its name, its public half."""

    algorithm: str
    #: RFC 7638 thumbprint.
    kid: str
    #: The public JWK, with `kid`, `use` and `alg`.
    jwk: Mapping[str, str]
    #: Signing input -> signature in the form of a JWS (RFC 7518 §3, RFC 8037 §3.1).
    sign: Callable[[bytes], bytes] = field(repr=False)
    #: The private key as PKCS #8 in DER.
    der: bytes = field(repr=False)


def generate(algorithm: str) -> Signer:
    """A new key; RSA takes a tenth of a second."""
    if algorithm == "ES256":
        return _signer(ec.generate_private_key(ec.SECP256R1()))
    if algorithm == "RS256":
        return _signer(rsa.generate_private_key(65537, RSA_BITS))
    if algorithm == "EdDSA":
        return _signer(ed25519.Ed25519PrivateKey.generate())
    raise ValueError(f"the algorithm must be one of {', '.join(ALGORITHMS)}")


def from_der(der: bytes) -> Signer:
    """The key that `Signer.der` was."""
    try:
        private = load_der_private_key(der, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("it holds no private key that can be read") from None
    return _signer(private)


def from_pem(text: str) -> Signer:
    """A private key that somebody else has made, as unencrypted PEM."""
    lines = text.replace("\\n", "\n").strip() + "\n"
    try:
        private = load_pem_private_key(lines.encode("utf-8"), None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError("it is no unencrypted private key in PEM that can be read") from None
    return _signer(private)


def _signer(private: object) -> Signer:
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < RSA_BITS:
            raise ValueError(f"an RSA key needs at least {RSA_BITS} bits")
        return _make("RS256", private, _rsa_members(private), _rsa_sign(private))
    if isinstance(private, ec.EllipticCurvePrivateKey):
        if not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("an EC key must be on the curve P-256")
        return _make("ES256", private, _ec_members(private), _ec_sign(private))
    if isinstance(private, ed25519.Ed25519PrivateKey):
        x = b64url(private.public_key().public_bytes_raw())
        return _make("EdDSA", private, {"crv": "Ed25519", "kty": "OKP", "x": x}, private.sign)
    raise ValueError("the key must be RSA, P-256 or Ed25519")


def _make(
    algorithm: str,
    private: _PRIVATE_TYPES,
    members: dict[str, str],
    sign: Callable[[bytes], bytes],
) -> Signer:
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))  # RFC 7638 §3
    kid = b64url(hashlib.sha256(text.encode()).digest())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Signer(
        algorithm, kid, {**members, "kid": kid, "use": "sig", "alg": algorithm}, sign, der
    )


def _rsa_members(private: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = private.public_key().public_numbers()
    return {"e": _unsigned(numbers.e), "kty": "RSA", "n": _unsigned(numbers.n)}


def _rsa_sign(private: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    scheme, digest = padding.PKCS1v15(), SHA256()
    return lambda data: private.sign(data, scheme, digest)


def _ec_members(private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    point = private.public_key().public_numbers()
    x, y = (b64url(number.to_bytes(32, "big")) for number in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _ec_sign(private: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    scheme = ec.ECDSA(SHA256())

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, scheme))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def _unsigned(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


# --- wrapping -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """What private keys are encrypted under; `name` tells which one, and nothing of it."""

    name: str
    key: bytes = field(repr=False)


def wrapping_key(secret: str | bytes) -> WrappingKey:
    """The wrapping key that follows from a secret, such as an app's SECRET_KEY."""
    raw = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    extracted = hmac.digest(b"flask-session-claims", raw, "sha256")  # RFC 5869 §2.2
    name = _expand(extracted, b"name of the wrapping key")[:8].hex()
    return WrappingKey(name, _expand(extracted, b"wrapping key"))


def _expand(extracted: bytes, info: bytes) -> bytes:
    return hmac.digest(extracted, info + b"\x01", "sha256")  # RFC 5869 §2.3, one block


def wrap(plain: bytes, key: WrappingKey, nonce: bytes, bound_to: str) -> bytes:
    """`plain` encrypted; it opens only with the same `bound_to`. A nonce serves once."""
    return nonce + AESGCM(key.key).encrypt(nonce, plain, _context(key, bound_to))


def unwrap(wrapped: bytes, key: WrappingKey, bound_to: str) -> bytes | None:
    """What was wrapped; None if that was not with this key, or not for this."""
    nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
    try:
        return AESGCM(key.key).decrypt(nonce, body, _context(key, bound_to))
    except (InvalidTag, ValueError):
        return None


def _context(key: WrappingKey, bound_to: str) -> bytes:
    return f"{key.name} {bound_to}".encode()
