"""Signing keys of the test issuer: making them, writing them down, signing bytes with them.

One class for the three algorithms. It uses `cryptography` only and shares no code with the
verifier, so that the two can disagree.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Algorithm: TypeAlias = Literal["RS256", "ES256", "EdDSA"]
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def b64url(data: bytes) -> str:
    """Base64url without padding: RFC 7515 §2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def new_key(algorithm: str) -> PrivateKey:
    """A fresh private key; RSA takes 10 to 100 ms, the others none to speak of."""
    try:
        return _MAKERS[algorithm]()
    except KeyError:
        raise ValueError(f"algorithm must be one of {', '.join(_MAKERS)}") from None


def shared_key(algorithm: str = "RS256", number: int = 0) -> PrivateKey:
    """A key made once per process, for suites with many issuers.

    The same arguments give the same key, so give issuers that must not trust one another
    different numbers.
    """
    return _shared_key(algorithm, number)


@functools.cache
def _shared_key(algorithm: str, number: int) -> PrivateKey:
    return new_key(algorithm)


class SigningKey:
    """A private key with its name; signs bytes and gives its public half."""

    def __init__(self, private: PrivateKey, kid: str | None = None) -> None:
        self.private = private
        self.algorithm: Algorithm
        if isinstance(private, rsa.RSAPrivateKey):
            self.algorithm = "RS256"
        elif isinstance(private, ed25519.Ed25519PrivateKey):
            self.algorithm = "EdDSA"
        elif private.curve.name == "secp256r1":
            self.algorithm = "ES256"
        else:
            raise ValueError("an EC key must be on the curve P-256")
        self._members = _public_members(private)
        self.kid: str = self.thumbprint() if kid is None else kid

    def sign(self, data: bytes) -> bytes:
        """The signature as JWS has it: RFC 7518 §3.3 and §3.4, RFC 8037 §3.1."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def thumbprint(self) -> str:
        """RFC 7638: SHA-256 over the required members in lexical order."""
        text = json.dumps(self._members, sort_keys=True, separators=(",", ":"))
        return b64url(hashlib.sha256(text.encode()).digest())

    def public_jwk(self) -> dict[str, str]:
        """The public key as a JWK with `kid`, `use` and `alg`."""
        return {**self._members, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def public_pem(self) -> str:
        """The public key as SubjectPublicKeyInfo in PEM."""
        return (
            self.private.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode("ascii")
        )

    def private_pem(self) -> str:
        """The private key as unencrypted PKCS #8 in PEM."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode("ascii")

    @functools.cached_property
    def secrets(self) -> frozenset[str]:
        """What must never be seen in a log: the PEM lines with private content, and `d`."""
        lines = self.private_pem().splitlines()[1:-1]
        if isinstance(self.private, rsa.RSAPrivateKey):
            # Seven lines hold the modulus, which is public; the last may be only padding.
            lines = lines[7:-1]
            d = self.private.private_numbers().d.to_bytes(256, "big")
        elif isinstance(self.private, ed25519.Ed25519PrivateKey):
            d = self.private.private_bytes_raw()
        else:
            # The third line holds nothing but the public point.
            lines = lines[:2]
            d = self.private.private_numbers().private_value.to_bytes(32, "big")
        return frozenset([*lines, b64url(d)])

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, kid={self.kid!r})"


def _public_members(private: PrivateKey) -> dict[str, str]:
    """The members that make the key: RFC 7518 §6.2.1 and §6.3.1, RFC 8037 §2."""
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.public_key().public_numbers()
        return {"kty": "RSA", "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64url(private.public_key().public_bytes_raw()),
        }
    point = private.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": b64url(point.x.to_bytes(32, "big")),
        "y": b64url(point.y.to_bytes(32, "big")),
    }


def _unsigned(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
