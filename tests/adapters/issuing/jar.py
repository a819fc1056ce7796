"""A browser's cookies: what a reply sets, what is kept, and what goes where.

It does what RFC 6265 says of one host, and finds fault with what a browser would not keep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..drivers import Reply

Clock = Callable[[], float]


class Cookie(NamedTuple):
    """One Set-Cookie."""

    name: str
    value: str
    #: By lower-case name; "" for those without a value.
    attributes: Mapping[str, str]

    @property
    def max_age(self) -> int | None:
        given = self.attributes.get("max-age")
        return None if given is None else int(given)

    @property
    def path(self) -> str:
        return self.attributes.get("path", "/")

    @property
    def flags(self) -> set[str]:
        """What is said besides Max-Age and Path: `secure`, `httponly`, `samesite=lax`."""
        said = {n: v for n, v in self.attributes.items() if n not in ("max-age", "path", "expires")}
        return {f"{name}={value.lower()}" if value else name for name, value in said.items()}


def cookie_of(field: str) -> Cookie:
    """The value of a Set-Cookie field, read as a browser does (RFC 6265 §5.2)."""
    pair, *rest = (part.strip() for part in field.split(";"))
    name, _, value = pair.partition("=")
    pairs = (part.partition("=") for part in rest)
    return Cookie(name, value.strip('"'), {n.strip().lower(): v.strip() for n, _, v in pairs})


def cookies_of(reply: Reply) -> dict[str, Cookie]:
    """What a reply sets, by name without what tells issuers apart: `session`, `refresh`.

    No cookie is set twice.
    """
    found = [cookie_of(field) for field in reply.all("Set-Cookie")]
    named = {kind_of(cookie.name): cookie for cookie in found}
    assert len(named) == len(found), f"set twice: {[cookie.name for cookie in found]}"
    return named


def kind_of(name: str) -> str:
    """`session` or `refresh` for a name of ours; else the name."""
    plain = name.removeprefix("__Host-").removeprefix("__Secure-")
    start, _, end = plain.rpartition("_")
    return start if start in ("session", "refresh") and len(end) == 6 else name


class Jar:
    """A browser's cookies of one host, by name and path."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[Cookie, float | None]] = {}

    def take(self, reply: Reply) -> None:
        """Keep, replace and forget as a reply says."""
        now = self._clock()
        for cookie in cookies_of(reply).values():
            check_prefix(cookie)
            ends = None if cookie.max_age is None else now + cookie.max_age
            with self._lock:
                if ends is not None and ends <= now:
                    self._kept.pop((cookie.name, cookie.path), None)
                else:
                    self._kept[cookie.name, cookie.path] = cookie, ends

    def header(self, target: str) -> str | None:
        """The Cookie field for a path, the longest paths first; None if there is nothing."""
        sent = sorted(self._live(target.partition("?")[0]), key=lambda c: -len(c.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in sent) or None

    def _live(self, path: str | None = None) -> list[Cookie]:
        now = self._clock()
        with self._lock:
            kept = list(self._kept.values())
        return [
            cookie
            for cookie, ends in kept
            if (ends is None or ends > now) and (path is None or _reaches(cookie.path, path))
        ]

    def find(self, kind: str) -> Cookie | None:
        """The `session` or the `refresh` cookie, if it is kept and has not ended."""
        return next((cookie for cookie in self._live() if kind_of(cookie.name) == kind), None)

    def value(self, kind: str) -> str:
        cookie = self.find(kind)
        assert cookie is not None, f"there is no {kind} cookie"
        return cookie.value

    def drop(self, kind: str) -> None:
        """Lose a cookie, as a browser may."""
        with self._lock:
            gone = [key for key in self._kept if kind_of(key[0]) == kind]
            for key in gone:
                del self._kept[key]

    def put(self, cookie: Cookie) -> None:
        """Keep a cookie until the browser closes."""
        with self._lock:
            self._kept[cookie.name, cookie.path] = cookie, None

    def restart(self) -> None:
        """Close the browser: what has no Max-Age is gone."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[1] is not None}

    def copy(self) -> Jar:
        """The same cookies, in a jar of their own: a stolen one, for instance."""
        other = Jar(self._clock)
        with self._lock:
            other._kept = dict(self._kept)
        return other

    def kinds(self) -> set[str]:
        return {kind_of(cookie.name) for cookie in self._live()}


def secrets_in(token: str) -> list[str]:
    """What of a session token or a refresh token must be in no log and no error."""
    parts = token.split(".")
    if len(parts) == 4:  # id of the session, generation, secret, tag
        return parts[2:]
    return [token, parts[-1]] if len(parts) == 3 else []


def check_prefix(cookie: Cookie) -> None:
    """A browser would take it: what its name promises is so (RFC 6265bis §4.1.3)."""
    if cookie.name.startswith(("__Host-", "__Secure-")):
        assert "secure" in cookie.attributes, f"{cookie.name} without Secure"
    if cookie.name.startswith("__Host-"):
        assert cookie.path == "/", f"{cookie.name} with Path={cookie.path}"
        assert "domain" not in cookie.attributes, f"{cookie.name} with Domain"


def _reaches(cookie_path: str, path: str) -> bool:
    """RFC 6265 §5.1.4."""
    if path == cookie_path:
        return True
    return path.startswith(cookie_path) and (cookie_path.endswith("/") or
                                             path[len(cookie_path)] == "/")  # fmt: skip
