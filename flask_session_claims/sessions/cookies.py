"""The cookies of a session: their names, and how they are set and cleared (RFC 6265 §4.1).

The names end in six characters that stand for the issuer, since all ports of a host share one
jar. Where plain http must do (development), the names have no prefix that browsers check, so
that such a cookie is never taken for a real one.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final, NamedTuple

_SUFFIX: Final = 6


class CookieNames(NamedTuple):
    """What the two cookies are called."""

    session: str
    refresh: str
    #: Whether they have the attribute Secure.
    secure: bool


def names_for(issuer: str, given: str | None, *, secure: bool, inline: bool) -> CookieNames:
    """The names for an issuer.

    Args:
        given: a name that the app has chosen for the session cookie.
        secure: False: plain http must do.
        inline: whether the refresh cookie goes to every path.
    """
    suffix = hashlib.sha256(issuer.encode("utf-8", "replace")).hexdigest()[:_SUFFIX]
    host = "__Host-" if secure else ""
    # With a path of its own a cookie cannot have the stronger prefix.
    refresh = host if inline else "__Secure-" if secure else ""
    session = given or f"{host}session_{suffix}"
    return CookieNames(session, f"{refresh}refresh_{suffix}", secure)


def cookie(
    name: str,
    value: str,
    *,
    max_age: float | None,
    secure: bool,
    path: str = "/",
    same_site: str = "Lax",
) -> str:
    """The value of a Set-Cookie header; `max_age` None: until the browser closes."""
    parts = [f"{name}={value}"]
    if max_age is not None:
        parts.append(f"Max-Age={max(0, math.floor(max_age))}")
    if secure:
        parts.append("Secure")
    return "; ".join((*parts, "HttpOnly", f"Path={path}", f"SameSite={same_site}"))
