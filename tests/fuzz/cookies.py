"""Target `cookie`: any Authorization and Cookie fields, plain and with Clerk's suffixes.

The slow reading collects every cookie of every field before it looks at one; Clerk's choice
between plain and suffixed cookies is written down once more, rule by rule.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flask_session_claims import Verifier, VerifierSettings, credentials_from
from flask_session_claims.core.credentials import plainly_given
from flask_session_claims.testing import FrozenClock
from tests.corpus.forge import NOW, b64, compact, keys, mint
from tests.corpus.harness import NoFetch
from tests.fuzz.inputs import Target, fields_of, flags_of, joined, text_of
from tests.fuzz.reference import strict_object

HOST = "clerk.clerk.dev"
BODY = "Y2xlcmsuY2xlcmsuZGV2JA"
#: The suffixes were computed outside this library.
SUFFIXES = {"pk_live_" + BODY: "1Z8AzTQD", "pk_test_" + BODY: "QvfNY2dr"}
KINDS: tuple[dict[str, Any], ...] = (
    {"issuer": "https://issuer.example"},
    {"issuer": "https://issuer.example", "cookie_name": "sid"},
    {"clerk_publishable_key": "pk_live_" + BODY},
    {"clerk_publishable_key": "pk_test_" + BODY},
    {"issuer": "https://issuer.example", "token_sources": ["cookie"]},
    {"issuer": "https://issuer.example", "token_sources": ["header"]},
)


@cache
def judge(number: int) -> Verifier:
    """The verifier of a kind, which has met its good token before."""
    settings = VerifierSettings(jwks=keys().jwks(), origins=["https://a.example"], **KINDS[number])
    made = Verifier(settings, clock=FrozenClock(float(NOW)), fetch=NoFetch())
    carried = f"{settings.cookie_name}={good(number)}"
    for header, cookie in (([f"Bearer {good(number)}"], list[str]()), ([], [carried])):
        made.authenticate(credentials_from(header, cookie, settings))
    return made


@cache
def good(number: int) -> str:
    issuer = KINDS[number].get("issuer", f"https://{HOST}")
    return mint(keys().ed, iss=issuer, azp="https://a.example")


@dataclass(frozen=True)
class Found:
    token: str | None = None
    source: str | None = None
    refused: bool = False


NOTHING = Found()
REFUSED_HEADER, REFUSED_COOKIE = Found(None, "header", True), Found(None, "cookie", True)


def check(data: bytes) -> None:
    flags, rest = fields_of(data, 2)
    number, headers = flags_of(flags, 2)
    number %= len(KINDS)
    rest = _spelt_out(rest).replace(b"<good>", good(number).encode())
    lines = [text_of(line) for line in rest.split(b"\xff")]
    authorization, cookie = lines[: headers % 3], lines[headers % 3 :]
    watched = judge(number)

    sent = credentials_from(authorization, cookie, watched.settings)
    assert sum(part is not None for part in (sent.token, sent.problem, sent.cookies)) <= 1
    got = Found(watched.flows.token_of(sent), sent.source, sent.problem is not None)
    expected = slow_reading(authorization, cookie, number)
    if got.token is None and not got.refused:
        got = NOTHING  # an instance's cookies may all be passed over
    assert got == expected
    assert len(got.token or "") < 24 or str(got.token) not in repr(sent)
    auth = watched.authenticate(sent)
    assert auth.is_authenticated == (got.token == good(number))
    # The short way leads where the long one does, or nowhere: what it takes for a plain token is
    # the token, and whom it knows by that is who is signed in.
    if max(len(authorization), len(cookie)) <= 1:
        short = watched.flows.recall(*(next(iter(each), None) for each in (authorization, cookie)))
        if short is not None:
            assert plainly_given(*short[1:]) in (None, sent)
            assert short in ((None, *short[1:]), (auth, got.token, sent.source))


def _spelt_out(data: bytes) -> bytes:
    """`data` with a token for each `<ISSUER,IAT,EXP>`: what is peeked at before it is verified."""

    def token(match: re.Match[bytes]) -> bytes:
        issuer, iat, exp = match[1].split(b",")
        members: dict[str, Any] = {"iat": NOW - int(iat), "exp": NOW + int(exp) - 5}
        members |= {"iss": issuer.decode()} if issuer else {}
        return f"h.{b64(compact(members))}.s".encode()

    return re.sub(rb"<([!-+\--;=?-~]*,[0-9]{1,2},[0-9]{1,2})>", token, data)


# --- the slow reading ---------------------------------------------------------------------


def slow_reading(authorization: Sequence[str], cookie: Sequence[str], number: int) -> Found:
    kind = KINDS[number]
    sources = kind.get("token_sources", ["header", "cookie"])
    if "header" in sources:
        found = _of_header(authorization)
        if found is not None:
            return found
    if "cookie" not in sources:
        return NOTHING
    jar = _jar(cookie)
    name = kind.get("cookie_name", "__session")
    suffix = SUFFIXES.get(kind.get("clerk_publishable_key", ""))
    names = [name] if suffix is None else [name, f"{name}_{suffix}"]
    if any(len(jar.get(each, ())) > 1 for each in names):
        return REFUSED_COOKIE
    if suffix is None:
        token = _only(jar, name)
    else:
        if not any(jar.get(each, set()) - {""} for each in names):
            return NOTHING
        own = names[1], f"__client_uat_{suffix}"
        if not any(jar.get(each, set()) - {""} for each in own):
            return Found(_only(jar, name), "cookie")
        uats = _only(jar, "__client_uat"), _only(jar, own[1])
        live = "pk_live" in kind["clerk_publishable_key"]
        token = clerks_choice(_only(jar, name), _only(jar, own[0]), *uats, live=live)
    return NOTHING if token is None else Found(token, "cookie")


def _of_header(fields: Sequence[str]) -> Found | None:
    if not fields:
        return None
    if len(fields) > 1:
        return REFUSED_HEADER
    value = fields[0].strip(" \t")
    scheme = value.split(" ")[0].lower()
    if scheme == "bearer":
        token = value[7:].lstrip(" ")
        return Found(token, "header") if token else REFUSED_HEADER
    token_letters = "!#$%&'*+-.^_`|~"
    follows = value[6:7]
    is_longer = follows.isascii() and (follows.isalnum() or follows in token_letters)
    if value[:6].lower() == "bearer" and (not follows or not is_longer):
        return REFUSED_HEADER
    parts = value.lower().split(",")
    for number, part in enumerate(parts[1:], 1):
        word = part.lstrip()
        listed = word == "bearer" and number < len(parts) - 1
        if listed or (word.startswith("bearer") and word[6:7].isspace()):
            return REFUSED_HEADER
    return None


def _jar(fields: Sequence[str]) -> dict[str, set[str]]:
    jar: dict[str, set[str]] = {}
    for line in fields:
        for part in line.split(";"):
            if "=" in part:
                at = part.index("=")
                jar.setdefault(part[:at].strip(" \t"), set()).add(part[at + 1 :].strip(" \t"))
    return jar


def _only(jar: dict[str, set[str]], name: str) -> str | None:
    values = jar.get(name, set())
    return next(iter(values)) or None if len(values) == 1 else None


def _claims(token: str | None) -> dict[str, Any]:
    parts = (token or "").split(".")
    if len(parts) != 3 or not (token or "").isascii() or len(token or "") > 8192:
        return {}
    body = parts[1]
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return {}
    return (strict_object(data) or {}) if b64(data) == body else {}


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    return 0 if isinstance(value, bool) or not isinstance(value, (int, float)) else value


def clerks_choice(
    plain: str | None,
    suffixed: str | None,
    uat: str | None,
    suffixed_uat: str | None,
    *,
    live: bool,
) -> str | None:
    """Clerk's published order of rules (`usesSuffixedCookies`)."""
    stated, other = _claims(plain), _claims(suffixed)
    if plain is not None and not isinstance(stated.get("iss"), str):
        return plain
    if plain is not None:
        try:
            ours = urlsplit(stated["iss"]).netloc == HOST
        except ValueError:
            ours = False
        if not ours:
            return suffixed
    if suffixed is None and suffixed_uat is None:
        return plain
    signed_in = [value != "0" for value in (uat, suffixed_uat)]
    if all(signed_in) and _time(stated, "iat") > _time(other, "iat"):
        return plain
    if suffixed_uat == "0" and uat != "0":
        return plain
    expired = suffixed is not None and _time(other, "exp") <= NOW
    if not live and suffixed_uat != "0" and uat == "0" and expired:
        return plain
    if suffixed is not None and suffixed_uat is None:
        return plain
    return suffixed


def seeds() -> Iterable[bytes]:
    for kind in range(len(KINDS)):
        for line in (
            "__session=a.b.c", "a=1; __session=x; b=2", "__session=x; __session=y",
            "sid=z;__session=",
            '__session="x"', "__session =x", "x__session=1; __session=2",
            "__session_=1;__session=2",
        ):  # fmt: skip
            yield joined(f"{kind}0", line)
            yield joined(f"{kind}0", line.replace("x", "<good>"))
        for name in ("__session", "sessions", "_session", "sid", "s1d", "si", "id", "__sessions"):
            for before, after in (
                ("", ""),
                ("", "; x"),
                ("a=1; ", ""),
                ("a=1;", ""),
                ("; ", "; b"),
            ):
                yield joined(f"{kind}0", f"{before}{name}=<good>{after}")
            yield joined(f"{kind}0", f"{name}=<good>; {name}=x")
            yield joined(f"{kind}0", f"{name}=x; {name}=<good>")
            yield joined(f"{kind}0", f"{name}=<good>", f"{name}=x")
        for value in (
            "Bearer <good>",
            "bearer <good>",
            "Bearer  <good>",
            "Bearer <good> ",
            "<good>",
        ):
            yield joined(f"{kind}1", value, "__session=x; sid=x")
        yield joined(f"{kind}0", "__session=x", "__session=y")
        for value in ("Bearer x", "bearer  x", "Bearer", "Bearer,x", "Basic x, Bearer y", "Basic x",
                      "Bearerx y", "Basic x,bearer,"):  # fmt: skip
            yield joined(f"{kind}1", value, "__session=c")
        yield joined(f"{kind}2", "Bearer x", "Bearer x", "__session=c")
    ours, theirs = f"https://{HOST}", "https://b.dev"
    for kind, suffix in ((2, "1Z8AzTQD"), (3, "QvfNY2dr")):
        for plain in (
            f"__session=<{ours},9,9>; ",
            f"__session=<{theirs},9,9>; ",
            "__session=x; ",
            "",
        ):
            for other in (f"<{ours},5,9>", f"<{ours},20,2>", "x", ""):
                for uats in (
                    "",
                    f"__client_uat_{suffix}=1",
                    f"__client_uat_{suffix}=0",
                    f"__client_uat=0; __client_uat_{suffix}=1",
                    "__client_uat=0",
                ):
                    yield joined(f"{kind}0", f"{plain}__session_{suffix}={other}; {uats}")


WORDS = (
    "__session=", "__session_1Z8AzTQD=", "__session_QvfNY2dr=", "__client_uat=0", "__client_uat=1",
    "__client_uat_1Z8AzTQD=0", "__client_uat_QvfNY2dr=0", "; ", "Bearer ", "bearer,", "sid=", "\t",
    "<good>", "<https://clerk.clerk.dev,1,9>", "<https://clerk.clerk.dev,9,1>", "<https://b.dev,1,1>",
)  # fmt: skip
TARGET = Target(check, seeds, WORDS)
