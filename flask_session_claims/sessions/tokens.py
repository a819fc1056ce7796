"""The refresh token: its text, its tag and its successor.

A token is (session id, generation, secret, tag). The record keeps the SHA-256 of the secret, so
that nobody can make a token from it. The tag says that the session's issuer has made the token;
it is what tells a used token from an invented one, and only the former may end a session. The
next secret is an HMAC of the present one with a salt from the record: whoever repeats a refresh
gets the very same successor, and nobody else can compute it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from ..core.jsontext import b64url_decode

SECRET_BYTES: Final = 32
SALT_BYTES: Final = 32
TAG_BYTES: Final = 16
ID_BYTES: Final = 24

_SESSION_ID: Final = re.compile(r"sess_[A-Za-z0-9_-]{32}", re.ASCII)
_TOKEN: Final = re.compile(
    r"(sess_[A-Za-z0-9_-]{32})\.([1-9][0-9]{0,9})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{22})",
    re.ASCII,
)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def session_id(random: bytes) -> str:
    """The id made of ID_BYTES random bytes."""
    return f"sess_{b64url(random)}"


def is_session_id(text: object) -> bool:
    """Whether a session could have it as its id."""
    return isinstance(text, str) and _SESSION_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One refresh token, read or made."""

    session_id: str
    generation: int
    secret: bytes = field(repr=False)
    tag: bytes = field(repr=False)

    def text(self) -> str:
        """What the client keeps."""
        parts = (self.session_id, str(self.generation), b64url(self.secret), b64url(self.tag))
        return ".".join(parts)

    def is_tagged_with(self, key: bytes) -> bool:
        """Whether its session's issuer has made it; in constant time."""
        return hmac.compare_digest(self.tag, _tag(key, self))


def make(session: str, generation: int, secret: bytes, key: bytes) -> RefreshToken:
    """The token of a generation, tagged with the session's key."""
    bare = RefreshToken(session, generation, secret, b"")
    return RefreshToken(session, generation, secret, _tag(key, bare))


def read(text: object) -> RefreshToken | None:
    """The token that a text is; None if it cannot be one."""
    match = _TOKEN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    session, generation, secret, tag = match.groups()
    try:
        raw = b64url_decode(secret.encode("ascii")), b64url_decode(tag.encode("ascii"))
    except ValueError:  # a second spelling of the same bytes
        return None
    return RefreshToken(session, int(generation), *raw)


def _tag(key: bytes, token: RefreshToken) -> bytes:
    said = f"{token.session_id}.{token.generation}.".encode("ascii") + token.secret
    return hmac.digest(key, said, "sha256")[:TAG_BYTES]


def successor(secret: bytes, salt: bytes) -> bytes:
    """The secret of the next generation."""
    return hmac.digest(secret, salt, "sha256")


def fingerprint(secret: bytes) -> bytes:
    """What the record keeps of a secret."""
    return hashlib.sha256(secret).digest()


def is_of(secret: bytes, kept: bytes | None) -> bool:
    """Whether a secret is the one that was kept; in constant time."""
    return hmac.compare_digest(fingerprint(secret), kept or b"")
