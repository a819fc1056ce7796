"""The request corpus: how credentials travel, and what must become of each request.

`request_cases()` gives them all with real tokens filled in. Header fields are raw pairs, in
order and with duplicates. What the core must say of each is independent of any framework.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from .forge import GONE, NOW, Book, b64, claims, compact, header, join, keys, mint

Fields = list[tuple[str, str]]
Verdict = Literal["in", "out"]

CLERK_KEY = "pk_live_Y2xlcmsuY2xlcmsuZGV2JA"  # https://clerk.clerk.dev, suffix 1Z8AzTQD
CLERK_TEST_KEY = "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"  # the same host, suffix QvfNY2dr
CLERK_ISSUER = "https://clerk.clerk.dev"


@dataclass(frozen=True)
class RequestCase:
    """One request and who must be signed in by it.

    Attributes:
        name: unique.
        headers: raw fields; `{good}` and the like stand for tokens until they are filled in.
        expect: "in" or "out".
        user_id: who is signed in.
        reason: `Auth.reason` of a signed-out request; None where any reason will do.
        source: `Auth.source` of a signed-in request.
        method, target, body: the rest of the request; a body is a form.
        settings: `VerifierSettings` keywords that differ from the corpus' own.
        csrf: the origin rules decide, so only an adapter can judge it.
        joined: the verdict where a server joins equal fields by a comma (WSGI), if another.
        note: where the rules are silent: the reading taken.
    """

    name: str
    headers: Fields = field(repr=False)
    expect: Verdict
    user_id: str | None = None
    reason: str | None = None
    source: str | None = None
    method: str = "GET"
    target: str = "/who"
    body: str | None = None
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    csrf: bool = False
    joined: Verdict | None = None
    note: str = ""

    def values(self, name: str) -> list[str]:
        """All values of one header field."""
        return [value for field_name, value in self.headers if field_name.lower() == name]


class Requests(Book):
    """Collects request cases."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[RequestCase] = []

    def into(self, name: str, *fields: tuple[str, str], user: str = "user_1", **more: Any) -> None:
        first = fields[0][0].lower() if fields else ""
        more.setdefault("source", "header" if first == "authorization" else "cookie")
        self.requests.append(RequestCase(name, list(fields), "in", user, None, **more))

    def out(self, name: str, reason: str | None, *fields: tuple[str, str], **more: Any) -> None:
        self.requests.append(RequestCase(name, list(fields), "out", None, reason, **more))


def auth(value: str) -> tuple[str, str]:
    return "Authorization", value


def cookie(value: str) -> tuple[str, str]:
    return "Cookie", value


@cache
def tokens() -> dict[str, str]:
    """The placeholders' tokens."""
    rsa, ec, ed = keys().trusted
    good = mint()
    h, p, s = good.split(".")
    second = {"sub": "user_2", "sid": "sess_2"}
    clerk = {"iss": CLERK_ISSUER}
    return {
        "good": good,
        # For the query string only, where frameworks log it; so its header is nobody else's.
        "asked": join(rsa, dict(reversed(header(rsa).items())), claims()),
        "renewed": mint(jti="jti_2", iat=NOW + 1),
        "es": mint(ec),
        "ed": mint(ed),
        "other": mint(**second),
        "expired": mint(exp=NOW - 60),
        "forged": f"{h}.{b64(compact(claims(sub='user_admin')))}.{s}",
        "strange": join(keys().bad_rsa, header(keys().bad_rsa), claims()),
        "party": mint(azp="https://evil.example"),
        "issuer": mint(iss="https://other.example"),
        "pending": mint(sts="pending"),
        "machine": mint(sub="mch_1"),
        "unsigned": f"{b64(compact({'alg': 'none'}))}.{p}.",
        "head": h,
        "tail": f"{p}.{s}",
        "plain": mint(**clerk),
        "plain_newer": mint(**clerk, iat=NOW + 2),
        "plain_older": mint(**clerk, iat=NOW - 30),
        "plain_noiss": mint(iss=GONE),
        "plain_foreign": mint(iss="https://other.clerk.accounts.dev"),
        "suffixed": mint(**clerk, **second),
        "suffixed_newer": mint(**clerk, **second, iat=NOW + 2),
        "suffixed_expired": mint(**clerk, **second, iat=NOW - 160, exp=NOW - 100),
        "suffixed_forged": mint(**clerk, **second)[:-6] + "AAAAAA",
    }


def _filled(text: str) -> str:
    return re.sub(r"\{([a-z_]+)\}", lambda found: tokens()[found[1]], text)


def _fill(case: RequestCase) -> RequestCase:
    return replace(
        case,
        headers=[(name, _filled(value)) for name, value in case.headers],
        target=_filled(case.target),
        body=None if case.body is None else _filled(case.body),
    )


@cache
def _by_name() -> dict[str, RequestCase]:
    from . import requests_carried, requests_chosen

    book = Requests()
    for part in (*requests_carried.PARTS, *requests_chosen.PARTS):
        part(book)
    cases = {case.name: _fill(case) for case in book.requests}
    if len(cases) != len(book.requests):
        raise AssertionError("two cases have one name")
    return cases


def request_cases() -> tuple[RequestCase, ...]:
    return tuple(_by_name().values())


def request_case(name: str) -> RequestCase:
    return _by_name()[name]
