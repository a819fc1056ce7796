"""Step-up: what a client is told whose user has to prove once more who it is (RFC 9470)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from flask_session_claims import Auth
from flask_session_claims.core.auth import NOBODY
from flask_session_claims.core.gate import decide, make_requirement
from flask_session_claims.core.refusal import refusal_of, step_up
from flask_session_claims.core.request import RequestFacts
from flask_session_claims.core.settings import GateSettings

ACR = 'acr_values="http://schemas.openid.net/pape/policies/2007/06/multi-factor"'
#: rule -> seconds, and whether more than one factor is wanted.
RULES: list[tuple[Any, int, bool]] = [
    ("strict_mfa", 600, True),
    ("strict", 600, True),
    ("moderate", 3600, True),
    ("lax", 86_400, True),
    ({"level": "first_factor", "after_minutes": 5}, 300, False),
    ({"level": "first_factor", "afterMinutes": 1}, 60, False),
    ({"level": "second_factor", "after_minutes": 7}, 420, True),
    ({"level": "multi_factor", "after_minutes": 10}, 600, True),
]
JSON = {"accept": "application/json"}
HTML = {"accept": "text/html"}
BY_RID = {"rid": "anti-csrf"}
BY_MODE = {"st_auth_mode": "header"}


def refusal(rule: Any, source: Any = "cookie", *, opted_in: bool = False, **facts: Any) -> Any:
    auth = Auth(is_authenticated=True, user_id="user_1", reason=None, source=source)
    gates, about = GateSettings(step_up_401=opted_in), RequestFacts(**facts)
    decision = decide(about, auth, make_requirement(reverification=rule), gates)
    return decision, refusal_of(decision, about)


def challenge_of(refused: Any) -> str:
    (value,) = [value for name, value in refused.headers if name == "WWW-Authenticate"]
    return str(value)


@pytest.mark.parametrize(("rule", "seconds", "several"), RULES)
def test_the_header_says_how_old_an_authentication_may_be(
    rule: Any, seconds: int, several: bool
) -> None:
    _, refused = refusal(rule)
    expected = (
        'Bearer error="insufficient_user_authentication",'
        ' error_description="Confirm who you are once more, then try again.",'
        f' max_age="{seconds}"'
    )
    assert challenge_of(refused) == (f"{expected}, {ACR}" if several else expected)
    assert step_up(rule, "once more").startswith('Bearer error="insufficient_user_auth')


@pytest.mark.parametrize("opted_in", [False, True])
@pytest.mark.parametrize(("rule", "seconds", "several"), RULES)
def test_every_member_is_a_quoted_string(
    rule: Any, seconds: int, several: bool, opted_in: bool
) -> None:
    _, refused = refusal(rule, "header", opted_in=opted_in)
    scheme, _, parameters = challenge_of(refused).partition(" ")
    assert scheme == "Bearer"
    members = dict(re.fullmatch(r'([a-z_]+)="([ -!#-\[\]-~]*)"', each).groups()  # type: ignore[union-attr, misc]
                   for each in re.split(r", (?=[a-z_]+=)", parameters))  # fmt: skip
    assert members["max_age"] == str(seconds)
    assert ("acr_values" in members) is several


@pytest.mark.parametrize(
    ("opted_in", "source", "facts", "status"),
    [
        (opted_in, source, facts, 401 if opted_in and source == "header" and not fdi else 403)
        for opted_in in (False, True)
        for source in ("header", "cookie", None)
        for facts, fdi in [
            ({}, False), (JSON, False), (HTML, False), (BY_RID, True), (BY_MODE, True),
            ({**BY_RID, **BY_MODE}, True), ({**HTML, **BY_RID}, True),
            ({"method": "POST"}, False), ({"scheme": "wss"}, False),
        ]
    ],
)  # fmt: skip
def test_401_is_for_bearer_tokens_of_others_than_fdi_clients_and_only_where_asked_for(
    opted_in: bool, source: Any, facts: dict[str, Any], status: int
) -> None:
    decision, refused = refusal("strict", source, opted_in=opted_in, **facts)
    assert refused.status == status
    assert decision.act == ("challenge" if status == 401 else "forbid")
    assert refused.code == "reverification-required"
    assert 'error="insufficient_user_authentication"' in challenge_of(refused)
    assert ("Cache-Control", "no-store") in refused.headers
    if "text/html" not in facts.values() or "rid" in facts:
        assert json.loads(refused.body) == {
            "code": "reverification-required",
            "message": refused.message,
            "clerk_error": {
                "type": "forbidden",
                "reason": "reverification-error",
                "metadata": {"reverification": "strict"},
            },
        }


def test_other_refusals_stay_what_they_are_where_401_is_asked_for() -> None:
    gates, api = GateSettings(step_up_401=True), RequestFacts()
    auth = Auth(is_authenticated=True, user_id="user_1", reason=None, source="header")
    denied = decide(api, auth, make_requirement(role="admin", reverification="strict"), gates)
    assert (denied.act, denied.code) == ("forbid", "permission-denied")
    nobody = decide(api, NOBODY, make_requirement(reverification="strict"), gates)
    assert refusal_of(nobody, api).headers[1] == ("WWW-Authenticate", "Bearer")
    fresh = Auth(is_authenticated=True, user_id="u", reason=None, source="header",
                 factor_verification_age=(0, 0))  # fmt: skip
    assert decide(api, fresh, make_requirement(reverification="strict"), gates).act == "allow"
