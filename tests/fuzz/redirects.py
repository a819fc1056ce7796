"""Target `redirect`: any address to be sent back to, and the way to the sign-in page with it.

What passes must stay here or go to a listed origin for a browser and for Python, also when it
is decoded once more, and when its path alone is redirected to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from flask_session_claims.core.gate import sign_in_location
from flask_session_claims.core.redirects import is_safe_redirect
from tests.fuzz.browser import SITE, goes_to
from tests.fuzz.inputs import Target, fields_of, flags_of, joined, pick, text_of

ORIGINS: tuple[tuple[str, ...], ...] = (
    (),
    ("https://app.example",),
    ("https://other.example:8443", "http://localhost:3000"),
    ("http://[::1]:8000",),
)
SIGN_IN = (
    "/sign-in", "https://accounts.example/in", "https://accounts.example/in?a=1#top", "/in?x=",
)  # fmt: skip
#: What every site links to itself with; refusing it would be a fault as well.
PLAIN = re.compile(
    r"/(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]*(?:\?[A-Za-z0-9_=&-]*)?(?:#[A-Za-z0-9_-]*)?", re.ASCII
)


def check(data: bytes) -> None:
    flags, rest = fields_of(data, 2)
    which, sign_in = flags_of(flags, 2)
    origins, target = pick(ORIGINS, which), text_of(rest)
    safe = is_safe_redirect(target, origins)
    assert isinstance(safe, bool)
    if safe:
        _check_safe(target, {SITE, *origins})
    elif PLAIN.fullmatch(target):
        assert len(target) > 2_000, "a plain path is refused"
    assert is_safe_redirect(target, (), own_origin=pick(origins, 0) if origins else None) <= (
        safe or not origins
    )
    _check_sign_in(pick(SIGN_IN, sign_in), target)


def _check_safe(target: str, allowed: set[str]) -> None:
    assert target == target.strip()
    assert target.isprintable() or not target.isascii()
    for reading in (target, unquote(target)):
        origin, path = goes_to(reading)
        assert origin in allowed, "a browser goes elsewhere"
        assert goes_to(path or "/")[0] == SITE, "its path alone goes elsewhere"
        parts = urlsplit(urljoin(SITE, reading))
        assert f"{parts.scheme}://{parts.netloc}" in allowed, "Python goes elsewhere"


def _check_sign_in(sign_in_url: str, target: str) -> None:
    location = sign_in_location(sign_in_url, "back", target)
    assert location.isascii()
    assert location.isprintable()
    assert goes_to(location)[0] == goes_to(sign_in_url)[0], "the way to the sign-in page changed"
    (back,) = parse_qs(urlsplit(location).query)["back"]
    assert back in (target, "/")
    assert goes_to(back)[0] == SITE, "the way back leads elsewhere"


def seeds() -> Iterable[bytes]:
    for target in (
        "", "/", "/a/b?c=d#e", "a", "//evil.example", "///evil.example", "/\\evil.example", "\\\\x",
        "/%2f/evil.example", "/%5cevil.example", "/..//evil.example", "/a/../..//evil.example",
        "/%2e%2e//evil.example", "/.//evil.example", "/a/..%2f%2fevil.example", " //evil.example",
        "/\t/evil.example", "/\n/evil.example", "https://evil.example", "https:evil.example",
        "https:/evil.example", "https:///evil.example", "javascript:alert(1)", "data:,x",
        "https://app.example", "https://app.example/a", "https://app.example.evil.example",
        "https://app.example@evil.example", "https://app.example:443", "HTTPS://app.example/",
        "https://app.example\\@evil.example", "https://app.example//evil.example",
        "https://other.example:8443/a?b", "http://localhost:3000/..//evil.example", "?a", "#a",
        "http://[::1]:8000/a", "http://localhost:3000@evil.example/", "/a?b=//evil.example",
        "/\u2028/x", "/\u00a0", "/\u3002/x", "//\uff0fevil.example", "/%00", "/a%0d%0ab", "/a;//x",
    ):  # fmt: skip
        for flags in ("00", "11", "22", "33"):
            yield joined(flags, target)


WORDS = (
    "//", "\\", "/..", "/.", "%2f", "%5c", "%2e", "%09", "%0d%0a", "https://app.example", "@", ":",
    "http://localhost:3000", "https://other.example:8443", "evil.example", "https:", "javascript:",
    "?", "#", "\u2028", "%25", "http://[::1]:8000",
)  # fmt: skip
TARGET = Target(check, seeds, WORDS)
