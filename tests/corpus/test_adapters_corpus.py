"""Both corpora through Flask, Quart and Django (WSGI and ASGI), raw fields in, views watched.

A refused request gets its page without an identity, and never reaches a view behind
`login_required`. The drivers say how repeated fields arrive.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from .drivers import APPS, Answer, Ask
from .forge import TokenCase
from .harness import B64TOKEN, no_network, settings_key
from .requests import RequestCase, request_cases
from .tokens import token_cases

#: Refusals that concern a valid session: a new token would not help (DESIGN 4).
FORBIDDEN = {"session-pending", "request-origin-refused"}
NOBODY = {"is_authenticated": False, "user_id": None, "session_id": None, "sub": None, "size": 0}

pytestmark = pytest.mark.parametrize("framework", list(APPS))


@pytest.fixture(autouse=True, scope="module")
def _guard() -> Iterator[None]:
    with no_network():
        yield


def _by_settings(cases: Iterable[Any]) -> Iterable[list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for case in cases:
        groups[settings_key(case.settings)].append(case)
    return groups.values()


def _signed_in(page: Answer, gate: Answer, user: str | None, source: str | None) -> bool:
    seen = [page.status, gate.status, len(page.who), len(gate.gate)]
    if seen != [200, 200, 1, 1]:
        return False
    return all(
        (note["is_authenticated"], note["user_id"], note["sub"], note["source"], note["reason"])
        == (True, user, user, source, None)
        for note in (*page.who, *gate.gate)
    )


def _signed_out(page: Answer, gate: Answer, reason: str | None) -> bool:
    """Whether the page came without an identity and the gate stayed shut."""
    if page.status != 200 or len(page.who) != 1 or gate.gate or gate.who:
        return False
    note = page.who[0]
    if {name: note[name] for name in NOBODY} != NOBODY or note["reason"] is None:
        return False
    if reason not in (None, note["reason"]):
        return False
    return gate.status == (403 if note["reason"] in FORBIDDEN else 401)


def _logs_are_clean(caplog: pytest.LogCaptureFixture, tokens: list[str]) -> None:
    """No token or signature in any record, and nothing that would forge a line."""
    messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if re.search("[\r\n\0\x1b\u202e]", message)] == []
    text = "\n".join(messages)
    secrets = {part for token in tokens for part in (token, token.rpartition(".")[2])}
    assert [secret for secret in secrets if len(secret) >= 20 and secret in text] == []


def _carried(framework: str, case: TokenCase) -> Iterator[tuple[str, tuple[str, str]]]:
    text = str(case.token)
    if framework == "quart" and re.search("[\r\n]", text):
        return  # no server delivers it, and Quart itself raises before anybody is asked
    yield "header", ("Authorization", f"Bearer {text}")
    if len(text) < 10_000 and B64TOKEN.fullmatch(text):
        yield "cookie", ("Cookie", f"theme=dark; __session={text}")


@pytest.mark.parametrize("rule", [f"V{number}" for number in range(1, 23)])
def test_token_gives_its_identity_or_none(
    framework: str, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wrong: list[str] = []
    alike: set[bytes] = set()
    asked = 0
    cases = [case for case in token_cases() if case.rule == rule and case.carried]
    for group in _by_settings(cases):
        with APPS[framework](group[0].settings) as ask:
            for case in group:
                for source, sent in _carried(framework, case):
                    asked += 1
                    page = ask("GET", "/who", [sent])
                    gate = ask("GET", "/gate", [sent])
                    if case.ok:
                        user = case.auth.get("user_id", page.who[0]["sub"] if page.who else None)
                        fine = _signed_in(page, gate, user, source) and page.body == gate.body
                    else:
                        exact = B64TOKEN.fullmatch(str(case.token)) is not None
                        fine = _signed_out(page, gate, case.code if exact else None)
                        fine = fine and page.body == b"None False"
                        if gate.status == 401 and case.code != "token-expired":
                            alike.add(gate.body)
                    if not fine:
                        wrong.append(f"{case.name} by {source}: {page} {gate}"[:600])
    assert wrong == []
    assert asked > 0
    # To the client all refusals look alike, but for an expired token's.
    assert len(alike) <= 1
    _logs_are_clean(caplog, [str(case.token) for case in cases])


def _family(case: RequestCase) -> str:
    return case.name.partition("-")[0]


def _ask_both(ask: Ask, case: RequestCase) -> tuple[Answer, Answer]:
    page = ask(case.method, case.target, case.headers, case.body)
    target = re.sub("^/who", "/gate", case.target)
    return page, ask(case.method, target, case.headers, case.body)


@pytest.mark.parametrize("family", sorted({_family(case) for case in request_cases()}))
def test_request_signs_in_exactly_the_declared_user(framework: str, family: str) -> None:
    wrong: list[str] = []
    for group in _by_settings(case for case in request_cases() if _family(case) == family):
        with APPS[framework](group[0].settings) as ask:
            for case in group:
                page, gate = _ask_both(ask, case)
                joined = case.joined if ask.joins else None
                if (joined or case.expect) == "in":
                    user = case.user_id or "user_1"
                    fine = _signed_in(page, gate, user, case.source or "cookie")
                elif case.method == "OPTIONS":
                    fine = not gate.gate
                else:
                    fine = _signed_out(page, gate, None if joined else case.reason)
                if not fine:
                    wrong.append(f"{case.name}: {page} {gate}"[:600])
    assert wrong == []


def test_requests_one_after_the_other_leave_nothing_behind(framework: str) -> None:
    """One app, all default requests in turn: no identity of one is seen by the next."""
    cases = [case for case in request_cases() if not case.settings and case.joined is None]
    with APPS[framework]({}) as ask:
        for case in (*cases, *reversed(cases)):
            page = ask(case.method, case.target, case.headers, case.body)
            assert (case.name, [note["user_id"] for note in page.who]) == (
                case.name,
                [case.user_id],
            )
