"""The session token: what it says, and how long it may be.

The issuer's claims and the custom ones never meet: what is protected is written here alone,
whatever a record may hold. A token that would not fit its cookie is not made; a browser would
drop it without a word.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.access import Organization
from ..core.claims import PROTECTED_NAMES, SESSION_CATEGORY, TEMPLATE_CATEGORY
from ..core.errors import ConfigurationError, SessionError
from ..core.jsontext import FrozenDict, FrozenList
from . import claims as _claims
from .claims import Claims
from .limits import CLAIMS_BYTES, TOKEN_LIFETIMES, is_number
from .model import Session
from .organizations import compact, flat
from .templates.options import TemplateOptions
from .tokens import b64url
from .vault import Signer

#: Bytes of a cookie that every browser keeps, name, value and attributes (RFC 6265 §6.1: 4,096);
#: from 4,094 on Werkzeug warns.
COOKIE_BYTES: Final = 4093
_ATTRIBUTES: Final = len(
    "=; Expires=Sun, 07 Dec 2036 00:00:00 GMT; Max-Age=34560000; Secure; HttpOnly; Path=/;"
    " SameSite=Strict"
)
#: Seconds that a token is dated back, for verifiers whose clock is slow.
DATED_BACK: Final = 10
ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """What all session tokens of an issuer have in common."""

    #: The `iss` claim.
    issuer: str
    #: Seconds.
    lifetime: float = 300
    #: Name of the cookie that has to hold the token.
    cookie_name: str = "__Host-session"
    #: Whether the organisation is said in the compact form of the second version.
    compact: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.issuer, str) or not self.issuer:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError("issuer must be text, such as https://app.example.com.")
        least, most = TOKEN_LIFETIMES
        if not is_number(self.lifetime) or not least <= self.lifetime <= most:
            raise ConfigurationError(
                f"session_token_lifetime got {self.lifetime!r}; give seconds, {least} to {most}."
                " A session itself lives on by being refreshed (idle_lifetime)."
            )


def issuer_name(store_id: str) -> str:
    """The `iss` of an issuer that was given none: the same for all who share its store."""
    return f"urn:session-claims:{store_id}"


@dataclass(frozen=True, slots=True)
class Minted:
    """A session token."""

    token: str = field(repr=False)
    #: What it says.
    claims: Claims
    #: When it ends (UTC seconds).
    expires_at: int


def mint(
    session: Session,
    signer: Signer,
    policy: TokenPolicy,
    *,
    now: float,
    rev: int,
    token_id: bytes,
    azp: str | None = None,
    expires_at: int | None = None,
) -> Minted:
    """The token of a live session; it never outlives the session.

    Args:
        rev: position of the log that was read before the session was.
        token_id: ID_BYTES random bytes, so that no two tokens are the same.
        azp: the origin that the token is for, if it is known and allowed.
        expires_at: when the token ends that this one stands in for; else it lives as long as
            the policy says.

    Raises:
        ClaimsRefused: `claims-too-large`; `names` are the largest, biggest first.
        SessionError: the session has ended.
    """
    if session.expires_at <= now:
        raise SessionError("The session has ended.", code="session-expired")
    issued_at = math.floor(now)
    ends = math.floor(issued_at + policy.lifetime) if expires_at is None else expires_at
    ends = min(ends, math.floor(session.expires_at))
    custom = {n: value for n, value in session.claims.items() if n not in PROTECTED_NAMES}
    _claims.check_size(custom, CLAIMS_BYTES, "the claims")
    said: dict[str, Any] = {
        "iss": policy.issuer,
        "sub": session.user_id,
        "sid": session.session_id,
        "iat": issued_at,
        "nbf": issued_at - DATED_BACK,
        "exp": ends,
        "jti": b64url(token_id),
        "rev": rev,
    }
    if azp:
        said["azp"] = azp
    said.update(spoken(session, policy, issued_at))
    said.update(custom)
    body = b64url(_claims.encode(said))
    start = f"{_header(signer.algorithm, signer.kid)}.{body}"
    token = f"{start}.{b64url(signer.sign(start.encode('ascii')))}"
    besides = len(policy.cookie_name) + _ATTRIBUTES
    if len(token) + besides > COOKIE_BYTES:
        room = COOKIE_BYTES - besides - (len(token) - len(body))
        _claims.check_size(said, room * 3 // 4, "all claims of the session token")
    return Minted(token, FrozenDict(said), ends)


@functools.lru_cache(maxsize=16)
def _header(algorithm: str, kid: str, category: str = SESSION_CATEGORY) -> str:
    header = {"alg": algorithm, "kid": kid, "typ": "JWT", "cat": category}
    return b64url(_claims.encode(header))


#: Claims of the issuer that change while a session lives.
SPOKEN: Final = frozenset(
    {"act", "fva", "v", "o", "fea", "org_id", "org_slug", "org_role", "org_permissions"}
)


def spoken(session: Session, policy: TokenPolicy, at: float) -> dict[str, Any]:
    """What a token of that moment says of the session beside the custom claims.

    Who acts (RFC 8693 §4.1), how long ago each factor was verified, the active organisation.
    """
    said: dict[str, Any] = {}
    if session.actor is not None:
        said["act"] = FrozenDict({"iss": policy.issuer, **session.actor})
    factors = (session.first_verified_at, session.second_verified_at)
    if any(factor is not None for factor in factors):
        said["fva"] = FrozenList(_minutes(factor, at) for factor in factors)
    if session.org_id is None:
        return said
    known = Organization(
        session.org_id, session.org_slug, session.org_role, session.org_permissions
    )
    return {**said, **(compact(known) if policy.compact else flat(known))}


def _minutes(verified_at: float | None, at: float) -> int:
    """Whole minutes, begun ones not counted; -1: never."""
    return -1 if verified_at is None else max(0, math.floor((at - verified_at) / 60))


def named(
    session: Session,
    signer: Signer,
    policy: TokenPolicy,
    claims: Claims,
    options: TemplateOptions,
    *,
    now: float,
    token_id: bytes,
    azp: str | None = None,
    lifetime: float | None = None,
) -> str:
    """A token of a named template: for another service, and no session token here.

    Args:
        claims: what the template gave.
        lifetime: seconds, instead of the template's own.
    """
    issued_at = math.floor(now)
    said: dict[str, Any] = {
        "iss": policy.issuer,
        "sub": session.user_id,
        "iat": issued_at,
        "nbf": math.floor(issued_at - options.skew),
        "exp": math.floor(issued_at + (options.lifetime if lifetime is None else lifetime)),
        "jti": b64url(token_id),
    }
    if azp:
        said["azp"] = azp
    if options.aud is not None:
        said["aud"] = options.aud
    said.update((n, value) for n, value in claims.items() if n not in PROTECTED_NAMES)
    header = _header(signer.algorithm, signer.kid, TEMPLATE_CATEGORY)
    start = f"{header}.{b64url(_claims.encode(said))}"
    return f"{start}.{b64url(signer.sign(start.encode('ascii')))}"
