"""What the claims of a verified payload must be (RFC 7519 §4.1), and the protected names.

A claim of the wrong type is never the same as an absent one. The order of the checks is part
of the contract: the first fault names the refusal.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from typing import Any, Final, cast

from .errors import TokenError
from .jose import Header
from .jsontext import FrozenDict
from .settings import VerifierSettings

#: Names that no template, provider or merge may set; the issuer alone writes them.
PROTECTED_NAMES: Final = frozenset(
    "iss sub aud azp exp nbf iat jti sid act v o org_id org_slug org_role org_permissions fva sts"
    " pla fea cat rev sessionHandle refreshTokenHash1 parentRefreshTokenHash1 antiCsrfToken rsub"
    " tId stt".split()
)


def is_protected(name: str) -> bool:
    """Whether it is a protected name, in whatever spelling.

    Some readers fold case (Go's encoding/json does), others normalise: for them "Sub" or a
    full-width "sub" would be a second subject.
    """
    return _folded(name) in _PROTECTED


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


_PROTECTED: Final = frozenset(map(_folded, PROTECTED_NAMES))

#: Clerk's class tags: what a token was made for.
SESSION_CATEGORY: Final = "cl_B7d4PD111AAA"
TEMPLATE_CATEGORY: Final = "cl_B7d4PD222AAA"
_NO_CATEGORY: Final = "cl_I7d4PD111III"  # "carries no information"
_OPAQUE_MACHINE: Final = ("ak_", "mt_", "oat_")
_SESSION_TYPES: Final = frozenset({"jwt"})
_ACCESS_TYPES: Final = frozenset({"at+jwt"})  # RFC 9068 §2.1

Claims = FrozenDict[str, Any]
#: (header, claims, now) -> None, or raises TokenError.
ClaimCheck = Callable[[Header, Claims, float], None]


def refuse_opaque(token: str) -> None:
    """Machine tokens that are no JWT at all get their own reason."""
    if token.isascii() and token.startswith(_OPAQUE_MACHINE):
        raise TokenError("token-type-mismatch")


def _media_type(typ: str) -> str:
    return typ.lower().removeprefix("application/")  # RFC 7515 §4.1.9


def check_header_type(header: Header, settings: VerifierSettings) -> None:
    """The `typ` and `cat` that this use of tokens takes (RFC 8725 §3.11)."""
    session = settings.token_use == "session"
    if header.typ is None:
        if not session:  # RFC 9068 §4: an access token must say that it is one
            raise TokenError("token-type-mismatch")
    elif _media_type(header.typ) not in (_SESSION_TYPES if session else _ACCESS_TYPES):
        raise TokenError("token-type-mismatch")
    allowed = (None, _NO_CATEGORY, SESSION_CATEGORY) if session else (None, _NO_CATEGORY)
    if header.cat not in allowed:
        raise TokenError("token-type-mismatch")


def is_time(value: object) -> bool:
    """Whether a claim can be a NumericDate (RFC 7519 §2): a finite JSON number."""
    kind = type(value)
    return kind is int or (kind is float and math.isfinite(value))  # type: ignore[arg-type]


def claim_check(settings: VerifierSettings) -> ClaimCheck:
    """The check for verified claims that `settings` ask for, bound once."""
    issuer, leeway, iat_leeway = settings.issuer, settings.leeway, settings.iat_leeway
    parties, allow_missing_azp = settings.parties, settings.allow_missing_azp
    audience = frozenset(settings.audience) if settings.audience else None
    strict_audience = settings.strict_audience
    session, own = settings.token_use == "session", settings.own

    def check(header: Header, claims: Claims, now: float) -> None:
        if "sub" not in claims:
            raise TokenError("token-missing-claim")
        sub = claims["sub"]
        if type(sub) is not str or not sub:
            raise TokenError("token-invalid-claim")
        issued_by = claims.get("iss")
        if type(issued_by) is not str or issued_by != issuer:
            raise TokenError("token-invalid-issuer")
        if audience is not None or strict_audience:
            _check_audience(claims, audience)
        if parties is not None:
            if "azp" not in claims:
                if not allow_missing_azp:
                    raise TokenError("token-invalid-authorized-parties")
            else:
                azp = claims["azp"]
                if type(azp) is not str or azp not in parties:
                    raise TokenError("token-invalid-authorized-parties")
        _check_types(claims)
        _check_class(header, claims, sub, session=session, own=own)
        if "exp" not in claims:
            raise TokenError("token-missing-claim")
        check_times(claims, now, leeway, iat_leeway)

    return check


def check_times(claims: Claims, now: float, leeway: float, iat_leeway: float) -> None:
    """`exp`, `nbf`, `iat` against `now`, all types first; Python compares any int exactly."""
    exp = claims["exp"]
    nbf, iat = claims.get("nbf", 0), claims.get("iat", 0)
    if not type(exp) is type(nbf) is type(iat) is int and not (
        is_time(exp) and is_time(nbf) and is_time(iat)
    ):
        raise TokenError("token-invalid-claim")
    if exp // 1 <= now - leeway:  # a begun second is not owed
        raise TokenError("token-expired")
    if nbf > now + leeway:
        raise TokenError("token-not-active-yet")
    if iat > now + iat_leeway:
        raise TokenError("token-iat-in-the-future")


def _check_audience(claims: Claims, audience: frozenset[str] | None) -> None:
    stated = claims.get("aud")
    if audience is None:
        if "aud" in claims:
            raise TokenError("token-invalid-audience")
        return
    listed = cast("list[Any]", stated) if isinstance(stated, list) else [stated]
    if not listed or not all(type(name) is str for name in listed):
        raise TokenError("token-invalid-audience")
    if audience.isdisjoint(listed):
        raise TokenError("token-invalid-audience")


def _check_types(claims: Claims) -> None:
    if "sid" in claims:
        sid = claims["sid"]
        if type(sid) is not str or not sid:
            raise TokenError("token-invalid-claim")
    if "jti" in claims and type(claims["jti"]) is not str:  # RFC 7519 §4.1.7
        raise TokenError("token-invalid-claim")
    if "act" in claims and not isinstance(claims["act"], dict):
        raise TokenError("token-invalid-claim")
    # An unknown status might well mean "suspended": refuse what we cannot read.
    if "sts" in claims and claims["sts"] not in ("active", "pending", None):
        raise TokenError("token-invalid-claim")


def _check_class(header: Header, claims: Claims, sub: str, *, session: bool, own: bool) -> None:
    if own:  # what we issue says of itself what it is
        if "sid" not in claims or header.cat != SESSION_CATEGORY:
            raise TokenError("token-type-mismatch")
        return
    if sub.startswith("mch_"):
        raise TokenError("token-type-mismatch")
    if not session:
        return
    if "sid" not in claims and header.cat != SESSION_CATEGORY:
        raise TokenError("token-type-mismatch")
