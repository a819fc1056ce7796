"""From raw header fields to one credential, or to the reason why there is none.

Frameworks hide duplicates, so this reads the field values as they came. A bearer credential,
once present, decides; several that disagree are refused (RFC 6750 §2, RFC 6265 §4.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

from . import clerk
from .auth import Source
from .settings import VerifierSettings

# RFC 9110 §11.1: the scheme is a token and case-insensitive; RFC 6750 §2.1: then spaces.
_SCHEME: Final = re.compile(r"bearer(?![!#$%&'*+\-.^_`|~0-9A-Za-z])", re.IGNORECASE | re.ASCII)
_HIDDEN_BEARER: Final = re.compile(r",\s*bearer[\s,]", re.IGNORECASE)


class Credentials(NamedTuple):
    """What a request offers; at most one of `token`, `problem`, `cookies` is set."""

    token: str | None = None
    source: Source | None = None
    #: A refusal code, where what was sent cannot be one credential.
    problem: str | None = None
    #: Clerk's plain and suffixed cookies, where time decides between them.
    cookies: clerk.CookieChoice | None = None

    def __repr__(self) -> str:
        what = "a token" if self.token or self.cookies else self.problem or "nothing"
        return f"<Credentials: {what} from {self.source}>"


NONE: Final = Credentials()
# Skips a Python-level constructor on the path of every request.
_new = cast("Callable[[type[Credentials], tuple[Any, ...]], Credentials]", tuple.__new__)  # pyright: ignore


def plainly_given(token: str, source: Source) -> Credentials | None:
    """What `credentials_from` gives for a token that stands plainly in its field; None: ask it."""
    if not token or token.strip(" \t") != token:
        return None
    return _new(Credentials, (token, source, None, None))


def credentials_from(
    authorization: Sequence[str], cookie: Sequence[str], settings: VerifierSettings
) -> Credentials:
    """The credential of a request.

    Args:
        authorization: the values of all Authorization fields, as they came.
        cookie: the values of all Cookie fields, as they came.
        settings: says which sources and which cookie are looked at.
    """
    sources = settings.token_sources
    if authorization and "header" in sources:
        found = _from_header(authorization)
        if found is not None:
            return found
    if cookie and "cookie" in sources:
        if settings.clerk_instance is not None:
            return _from_clerk_cookies(cookie, settings, settings.clerk_instance)
        value = cookie_value(cookie, settings.cookie_name)
        if value is None:
            return NONE
        if isinstance(value, Conflict):
            return Credentials(problem="token-invalid", source="cookie")
        return _new(Credentials, (value, "cookie", None, None))
    return NONE


def _from_header(fields: Sequence[str]) -> Credentials | None:
    if len(fields) > 1:
        return Credentials(problem="token-invalid", source="header")
    value = fields[0].strip(" \t")
    if value[:7].lower() == "bearer ":
        # Whatever follows is the token; what no token can be, the verifier refuses.
        token = value[7:].lstrip(" ")
        if token:
            return _new(Credentials, (token, "header", None, None))
    # Two fields may come joined by a comma; a bearer among them still decides.
    if _SCHEME.match(value) or _HIDDEN_BEARER.search(value):
        return Credentials(problem="token-invalid", source="header")
    return None  # another scheme, for a proxy perhaps: the cookie remains usable


class Conflict(Exception):
    """One cookie name came with two different values."""


def cookie_value(fields: Sequence[str], name: str) -> str | None | Conflict:
    """The value of one cookie: exact name, any neighbours; None if absent or empty."""
    if len(fields) == 1 and fields[0].count(name) == 1:
        # The name stands there once, so nothing can contradict it; no need to split.
        before, _, after = fields[0].partition(name)
        before = before.rstrip(" \t")
        if after[:1] == "=" and (not before or before[-1] == ";"):
            return after[1:].partition(";")[0].strip(" \t") or None
    return _values(fields, (name,))[0]


def _values(fields: Sequence[str], names: Sequence[str]) -> list[str | None | Conflict]:
    found: dict[str, str | None | Conflict] = {}
    for line in fields:
        for part in line.split(";"):
            name, equals, value = part.partition("=")
            name = name.strip(" \t")
            if name in names and equals:
                value = value.strip(" \t")
                clash = name in found and found[name] != value
                found[name] = Conflict() if clash else value
    return [found.get(name) or None for name in names]


def _from_clerk_cookies(
    fields: Sequence[str], settings: VerifierSettings, instance: clerk.Instance
) -> Credentials:
    plain_name, suffix = settings.cookie_name, instance.cookie_suffix
    uat_name = clerk.CLIENT_UAT_COOKIE
    names = (plain_name, f"{plain_name}_{suffix}", uat_name, f"{uat_name}_{suffix}")
    plain, suffixed, uat, suffixed_uat = _values(fields, names)
    if isinstance(plain, Conflict) or isinstance(suffixed, Conflict):
        return Credentials(problem="token-invalid", source="cookie")
    if plain is None and suffixed is None:
        return NONE
    if suffixed is None and suffixed_uat is None:
        return Credentials(plain, "cookie")
    choice = clerk.CookieChoice(
        plain,
        suffixed,
        None if isinstance(uat, Conflict) else uat,
        None if isinstance(suffixed_uat, Conflict) else suffixed_uat,
    )
    return Credentials(cookies=choice, source="cookie")
