"""What Clerk's keys and cookie names mean; pure functions of configuration and cookies.

Sources: Clerk's documented publishable key (prefix + base64 of the Frontend API host + "$") and
the cookie rules of its reference JavaScript SDK (suffix = first 8 characters of the URL-safe
base64 of SHA-1 of the publishable key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from .jsontext import b64url_decode, parse_object

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?", re.IGNORECASE)
SESSION_COOKIE: Final = "__session"
CLIENT_UAT_COOKIE: Final = "__client_uat"


@dataclass(frozen=True, slots=True)
class Instance:
    """The Clerk instance behind a publishable key."""

    host: str
    production: bool
    cookie_suffix: str

    @property
    def issuer(self) -> str:
        return f"https://{self.host}"


def instance_of(publishable_key: str) -> Instance:
    """The instance; ValueError says what a publishable key looks like."""
    production = publishable_key.startswith("pk_live_")
    if not production and not publishable_key.startswith("pk_test_"):
        raise ValueError("it must begin with pk_live_ or pk_test_")
    body = publishable_key[len("pk_live_") :]
    try:
        decoded = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ValueError("the part after the prefix is not base64") from None
    if not decoded.endswith("$") or _HOST.fullmatch(decoded[:-1]) is None:
        raise ValueError("the part after the prefix names no host")
    digest = hashlib.sha1(publishable_key.encode("ascii"), usedforsecurity=False).digest()
    suffix = base64.urlsafe_b64encode(digest).decode("ascii")[:8]
    return Instance(decoded[:-1], production, suffix)


@dataclass(frozen=True, slots=True)
class CookieChoice:
    """Plain and suffixed session cookies that were both in question; `choose` picks one."""

    plain: str | None = field(repr=False)
    suffixed: str | None = field(repr=False)
    plain_uat: str | None
    suffixed_uat: str | None


def _peek(token: str | None) -> Mapping[str, Any]:
    """Claims of a token that is *not* verified: good for choosing a cookie, for nothing else.

    Whichever token is chosen is verified in full afterwards.
    """
    if token is None or len(token) > 8192 or token.count(".") != 2 or not token.isascii():
        return {}
    try:
        return parse_object(b64url_decode(token.split(".")[1].encode("ascii")))
    except (ValueError, RecursionError):
        return {}


def _number(claims: Mapping[str, Any], name: str) -> float | int:
    value = claims.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def choose(cookies: CookieChoice, instance: Instance, now: float) -> str | None:
    """The session token among plain and suffixed cookies, by Clerk's published rules in order."""
    plain, suffixed = cookies.plain, cookies.suffixed
    plain_claims = _peek(plain)
    if plain is not None:
        issuer = plain_claims.get("iss")
        if not isinstance(issuer, str):
            return plain
        try:
            ours = urlsplit(issuer).netloc == instance.host
        except ValueError:
            ours = False
        if not ours:
            return suffixed
    if suffixed is None and cookies.suffixed_uat is None:
        return plain
    suffixed_claims = _peek(suffixed)
    suffixed_out, plain_out = cookies.suffixed_uat == "0", cookies.plain_uat == "0"
    newer = _number(plain_claims, "iat") > _number(suffixed_claims, "iat")
    if not suffixed_out and not plain_out and newer:
        return plain
    if suffixed_out and not plain_out:
        return plain
    expired = suffixed is not None and _number(suffixed_claims, "exp") <= now
    if not instance.production and not suffixed_out and plain_out and expired:
        return plain
    if suffixed is not None and cookies.suffixed_uat is None:
        return plain
    return suffixed
