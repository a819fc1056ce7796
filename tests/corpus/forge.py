"""What the corpus is made with: keys, raw signing of anything, and the case record.

It uses `cryptography` only and none of the product, so a fault there cannot hide here. Every
token is judged at `NOW`, with the settings of `default_settings` unless its case says otherwise.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW: Final = 1_800_000_000
ISSUER: Final = "https://issuer.example"
PARTY: Final = "https://app.example"
SESSION_CAT: Final = "cl_B7d4PD111AAA"
TEMPLATE_CAT: Final = "cl_B7d4PD222AAA"
MACHINE_CAT: Final = "cl_B7d4PD333AAA"
NEUTRAL_CAT: Final = "cl_I7d4PD111III"
#: Order of the P-256 group and of the Ed25519 subgroup.
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493

#: As a member's value: the member is left out.
GONE: Final = object()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value: object) -> bytes:
    """`value` as JSON without blanks; lone surrogates go out as they are."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Key:
    """A private key with its kid and its one algorithm."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)

    @classmethod
    def make(cls, kid: str, algorithm: str) -> Key:
        if algorithm == "RS256":
            return cls(kid, algorithm, rsa.generate_private_key(65537, 2048))
        if algorithm == "ES256":
            return cls(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        return cls(kid, algorithm, ed25519.Ed25519PrivateKey.generate())

    def sign(self, data: bytes) -> bytes:
        """The JWS signature of `data` (RFC 7518 §3.3, §3.4; RFC 8037 §3.1)."""
        if self.algorithm == "RS256":
            return bytes(self.private.sign(data, padding.PKCS1v15(), hashes.SHA256()))
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return bytes(self.private.sign(data))

    def jwk(self, **members: object) -> dict[str, Any]:
        """The public JWK; `members` override, `GONE` drops."""
        public = self.private.public_key()
        made: dict[str, Any] = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "RS256":
            numbers = public.public_numbers()
            made |= {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        elif self.algorithm == "ES256":
            point = public.public_numbers()
            made |= {
                "kty": "EC",
                "crv": "P-256",
                "x": b64(point.x.to_bytes(32, "big")),
                "y": b64(point.y.to_bytes(32, "big")),
            }
        else:
            made |= {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
        return _members(made, members)

    def pem(self) -> str:
        return (
            self.private.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode("ascii")
        )


def _members(base: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    return {name: value for name, value in (base | changes).items() if value is not GONE}


@dataclass(frozen=True)
class Keys:
    """The keys of one run: three trusted ones, their attacker's twins, and a stray one."""

    rsa: Key
    ec: Key
    ed: Key
    bad_rsa: Key
    bad_ec: Key
    bad_ed: Key

    @property
    def trusted(self) -> tuple[Key, Key, Key]:
        return self.rsa, self.ec, self.ed

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.jwk() for key in self.trusted]}


@cache
def keys() -> Keys:
    """Generated once per process."""
    return Keys(
        Key.make("rsa-1", "RS256"),
        Key.make("ec-1", "ES256"),
        Key.make("ed-1", "EdDSA"),
        Key.make("rsa-evil", "RS256"),
        Key.make("ec-evil", "ES256"),
        Key.make("ed-evil", "EdDSA"),
    )


def default_settings() -> dict[str, Any]:
    """Keywords for `VerifierSettings`."""
    return {
        "issuer": ISSUER,
        "jwks": keys().jwks(),
        "authorized_parties": [PARTY],
        "origins": [PARTY],
    }


def settings_of(changes: dict[str, Any]) -> dict[str, Any]:
    """The corpus' settings with a case's changes; None stands for "not given"."""
    merged = default_settings() | changes
    return {name: value for name, value in merged.items() if value is not None}


def claims(**members: object) -> dict[str, Any]:
    """A Clerk-shaped v1 payload, valid at `NOW`; `members` override, `GONE` drops."""
    base: dict[str, Any] = {
        "azp": PARTY,
        "exp": NOW + 60,
        "fva": [0, -1],
        "iat": NOW,
        "iss": ISSUER,
        "jti": "jti_1",
        "nbf": NOW - 10,
        "sid": "sess_1",
        "sub": "user_1",
    }
    return _members(base, members)


def v2(**members: object) -> dict[str, Any]:
    """A Clerk-shaped v2 payload."""
    return claims(**{"v": 2, "sts": "active", **members})


def header(key: Key, **members: object) -> dict[str, Any]:
    return _members({"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}, members)


def join(key: Key, head: object, payload: object, signature: bytes | None = None) -> str:
    """A compact JWS of `head` and `payload` exactly as given: bytes raw, else as JSON."""
    parts = [part if isinstance(part, bytes) else compact(part) for part in (head, payload)]
    signing_input = ".".join(b64(part) for part in parts)
    made = key.sign(signing_input.encode("ascii")) if signature is None else signature
    return f"{signing_input}.{b64(made)}"


def signed_text(key: Key, signing_input: str) -> str:
    """`signing_input`, whatever it is, with a good signature over its UTF-8."""
    return f"{signing_input}.{b64(key.sign(signing_input.encode('utf-8', 'surrogatepass')))}"


def mint(key: Key | None = None, *, head: dict[str, Any] | None = None, **members: object) -> str:
    """A good token of `key` (default: the RSA one) with changed claims and header members."""
    signer = key or keys().rsa
    return join(signer, header(signer, **(head or {})), claims(**members))


@dataclass(frozen=True)
class TokenCase:
    """One token and what must become of it.

    Attributes:
        name: unique; begins with the rule it is about.
        token: what is handed to `verify`; mostly text.
        ok: whether it is accepted.
        code: `TokenError.code` when refused.
        rule: row of the requirement table (V1 … V22).
        settings: `VerifierSettings` keywords that differ from the corpus' own; None = not given.
        claims: members that the returned claims must have.
        auth: attributes that the `Auth` must have.
        note: where the rules are silent: the reading taken.
    """

    name: str
    token: object = field(repr=False)
    ok: bool
    code: str | None
    rule: str
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
    auth: dict[str, Any] = field(default_factory=dict, repr=False)
    note: str = ""

    @property
    def carried(self) -> bool:
        """Whether some server would deliver the text in a field, and unchanged."""
        text = self.token
        return type(text) is str and len(text) < 2_000_000 and text == text.strip(" \t\r\n")


class Book:
    """Collects the cases of one part of the corpus."""

    def __init__(self) -> None:
        self.cases: list[TokenCase] = []

    def good(self, rule: str, name: str, token: object, **fields: Any) -> None:
        self.cases.append(TokenCase(f"{rule}-{name}", token, True, None, rule, **fields))

    def bad(self, rule: str, name: str, token: object, code: str, **fields: Any) -> None:
        self.cases.append(TokenCase(f"{rule}-{name}", token, False, code, rule, **fields))

    def __iter__(self) -> Iterator[TokenCase]:
        return iter(self.cases)


Part = Callable[[Book], None]
