"""Validators at gates: what is decided, what is due, what the client is told; no framework."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_session_claims import Auth, ConfigurationError, UnavailableError, VerifierSettings
from flask_session_claims.core.auth import NOBODY, signed_out
from flask_session_claims.core.gate import (
    ALLOW,
    ANYBODY,
    SIGNED_IN,
    AppWide,
    Decision,
    Requirement,
    decide,
    due,
    judge,
    make_requirement,
    must_ask,
)
from flask_session_claims.core.refusal import refusal_of
from flask_session_claims.core.request import Exchange, RequestFacts
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.core.validating import Failure
from flask_session_claims.core.validators import BooleanClaim, Claim, ListClaim
from flask_session_claims.io.reading import AsyncReading, Reading
from flask_session_claims.io.transports import Wsgi
from flask_session_claims.testing import LocalIssuer, shared_key

NOW = 1_700_000_000.0


def never(user_id: str, session: Any) -> Any:
    raise AssertionError("nothing here fetches")


MAIL = BooleanClaim("mail", never)
PLAN = Claim("plan", never, max_age=60)
TEAMS = ListClaim("teams", never)
MAIL_TRUE, PRO, IN_A = MAIL.is_true(), PLAN.has_value("pro"), TEAMS.includes("a", id="in-a")
API = RequestFacts(accept="application/json")
PAGE = RequestFacts(accept="text/html")
FDI = RequestFacts(rid="anti-csrf")
PREFLIGHT = RequestFacts(method="OPTIONS", preflight_for="PUT")
GATES = GateSettings()
need = make_requirement
GOOD: dict[str, Any] = {
    **MAIL.build(True, NOW), **PLAN.build("pro", NOW - 10), **TEAMS.build(["a"], NOW),
}  # fmt: skip


def ada(claims: dict[str, Any], **more: Any) -> Auth:
    return Auth(is_authenticated=True, user_id="user_1", reason=None, session_claims=claims, **more)


def forbidden(*failures: tuple[str, dict[str, Any]]) -> Decision:
    found = tuple(Failure(*each) for each in failures)
    return Decision("forbid", "claim-validation-failed", credential_sent=True, failures=found)


def none(member: str, wanted: Any) -> dict[str, Any]:
    return {"message": "value does not exist", member: wanted, "actualValue": None}


NO_MAIL = ("mail", none("expectedValue", True))
NO_PLAN = ("plan", none("expectedValue", "pro"))
NOT_IN_A = ("in-a", none("expectedToInclude", "a"))
UNVERIFIED = {**GOOD, **MAIL.build(False, NOW)}
NOT_TRUE = ("mail", {"message": "wrong value", "expectedValue": True, "actualValue": False})
OLD = {**GOOD, **PLAN.build("pro", NOW - 61)}
TOO_OLD = ("plan", {"message": "expired", "ageInSeconds": 61, "maxAgeInSeconds": 60})
LEFT_OUT = need(validators=lambda usual: [one for one in usual if one.id != "mail"])
DENIED = Decision("forbid", "permission-denied", credential_sent=True)

#: (facts, auth, requirement, app-wide ones, decision)
DECISIONS: list[tuple[RequestFacts, Any, Requirement, tuple[Any, ...], Decision]] = [
    (API, ada(GOOD), need(validators=[MAIL_TRUE, PRO, IN_A]), (), ALLOW),
    (API, ada(GOOD), SIGNED_IN, (MAIL_TRUE, PRO, IN_A), ALLOW),
    (API, ada({}), need(validators=[MAIL_TRUE]), (), forbidden(NO_MAIL)),
    (API, ada({}), SIGNED_IN, (MAIL_TRUE,), forbidden(NO_MAIL)),
    (API, ada(UNVERIFIED), SIGNED_IN, (MAIL_TRUE,), forbidden(NOT_TRUE)),
    (API, ada(OLD), SIGNED_IN, (PRO,), forbidden(TOO_OLD)),
    # all together, the app's first
    (API, ada({}), need(validators=[PRO, IN_A]), (MAIL_TRUE,),
     forbidden(NO_MAIL, NO_PLAN, NOT_IN_A)),
    (API, ada(UNVERIFIED), need(validators=[IN_A, PRO]), (MAIL_TRUE,), forbidden(NOT_TRUE)),
    # a function says what holds instead
    (API, ada({}), LEFT_OUT, (MAIL_TRUE,), ALLOW),
    (API, ada({}), LEFT_OUT, (MAIL_TRUE, PRO), forbidden(NO_PLAN)),
    (API, ada({}), need(validators=lambda usual: [*usual, IN_A]), (MAIL_TRUE,),
     forbidden(NO_MAIL, NOT_IN_A)),
    (API, ada({}), need(validators=lambda usual: ()), (), ALLOW),
    # a page is refused too: no sign-in would cure it
    (PAGE, ada({}), SIGNED_IN, (MAIL_TRUE,), forbidden(NO_MAIL)),
    (FDI, ada({}), SIGNED_IN, (MAIL_TRUE,), forbidden(NO_MAIL)),
    # only where somebody has to be signed in
    (API, ada({}), ANYBODY, (MAIL_TRUE,), ALLOW),
    (API, NOBODY, ANYBODY, (MAIL_TRUE,), ALLOW),
    (FDI, signed_out("token-expired", source="cookie"), ANYBODY, (MAIL_TRUE,),
     Decision("challenge", "session-token-expired", credential_sent=True)),
    (API, NOBODY, SIGNED_IN, (MAIL_TRUE,), Decision("challenge", "session-token-missing")),
    (PREFLIGHT, NOBODY, need(validators=[PRO]), (MAIL_TRUE,), Decision("preflight")),
    (API, UnavailableError("away", retry_after=3), SIGNED_IN, (MAIL_TRUE,),
     Decision("unavailable", "unavailable", retry_after=3)),
    # what else is asked comes first, but for the predicate, which may rely on all of it
    (API, ada({}), need(role="admin", validators=[PRO]), (MAIL_TRUE,), DENIED),
    (API, ada({}), need(claims={"level": 1}, validators=[PRO]), (), DENIED),
    (API, ada({}, actor={"sub": "x"}), need(allow_actor=False), (MAIL_TRUE,),
     Decision("forbid", "actor-refused", credential_sent=True)),
    (API, ada({}), need(predicate=lambda auth: bool(1 / 0)), (MAIL_TRUE,), forbidden(NO_MAIL)),
    (API, ada(GOOD), need(predicate=lambda auth: False, validators=[PRO]), (MAIL_TRUE,), DENIED),
    (API, ada(GOOD), need(predicate=lambda auth: True, validators=[PRO]), (MAIL_TRUE,), ALLOW),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "auth", "requirement", "usual", "expected"), DECISIONS)
def test_what_is_decided(
    facts: RequestFacts, auth: Any, requirement: Requirement, usual: Any, expected: Decision
) -> None:
    assert decide(facts, auth, requirement, GATES, AppWide(usual, NOW)) == expected


def test_without_the_time_no_fetched_claim_holds() -> None:
    """It would have been fetched in the future."""
    assert decide(API, ada(GOOD), need(validators=[MAIL_TRUE]), GATES) == forbidden(NO_MAIL)


def test_asking_for_validators_alone_is_asking_for_something() -> None:
    for given in ([MAIL_TRUE], lambda usual: usual):
        requirement = make_requirement(validators=given)
        assert must_ask(requirement) is requirement
    with pytest.raises(ConfigurationError, match="validators or predicate, or use login_required"):
        must_ask(make_requirement())


# --- what the client is told --------------------------------------------------------------


def test_the_body_is_what_supertokens_front_ends_read() -> None:
    refusal = refusal_of(forbidden(NOT_TRUE, TOO_OLD, NOT_IN_A), API)
    assert refusal.status == 403
    assert refusal.headers == (("Cache-Control", "no-store"), ("Content-Type", "application/json"))
    assert json.loads(refusal.body) == {
        "code": "claim-validation-failed",
        "message": "invalid claim",
        "claimValidationErrors": [
            {"id": "mail", "reason": NOT_TRUE[1]},
            {"id": "plan", "reason": TOO_OLD[1]},
            {"id": "in-a", "reason": NOT_IN_A[1]},
        ],
    }


def test_a_page_lists_nothing() -> None:
    refusal = refusal_of(forbidden(NOT_TRUE, TOO_OLD, NOT_IN_A), PAGE)
    assert refusal.status == 403
    text = refusal.body.decode()
    assert text.startswith("<!doctype html>")
    for word in ("mail", "plan", "in-a", "expected", "pro", "reason", "invalid claim"):
        assert word not in text
    assert refusal.message in text


# --- what is due --------------------------------------------------------------------------


class Clock:
    """One that moves on whenever it is looked at."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1
        return self.now


def exchange_for(claims: dict[str, Any] | None, *usual: Any) -> Exchange:
    """A request to an app with these validators, whose tokens are another issuer's."""
    issuer = LocalIssuer(key=shared_key("ES256"))
    settings = VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks())
    side = Reading(GATES, settings, Wsgi(), clock=Clock(), rejected=lambda reason, source: None)
    side.validators = usual
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "PATH_INFO": "/"}
    if claims is not None:
        times = {"iat": int(NOW), "nbf": int(NOW), "exp": int(NOW) + 600}
        environ["HTTP_AUTHORIZATION"] = f"Bearer {issuer.mint(**times, **claims)}"
    return Exchange(environ, side)


@pytest.mark.parametrize(
    ("claims", "requirement", "usual", "expected"),
    [
        ({}, SIGNED_IN, (), ()),
        ({}, SIGNED_IN, (MAIL_TRUE,), (MAIL_TRUE,)),
        ({}, need(validators=[PRO]), (MAIL_TRUE,), (MAIL_TRUE, PRO)),
        ({}, LEFT_OUT, (MAIL_TRUE, PRO), (PRO,)),
        ({}, ANYBODY, (MAIL_TRUE,), ()),
        (GOOD, need(validators=[PRO]), (MAIL_TRUE,), ()),
        (UNVERIFIED, SIGNED_IN, (MAIL_TRUE,), ()),
        (OLD, SIGNED_IN, (MAIL_TRUE, PRO), (PRO,)),
        (None, SIGNED_IN, (MAIL_TRUE,), ()),
    ],
)
def test_what_is_due_is_what_is_missing_or_too_old_for_who_is_signed_in(
    claims: Any, requirement: Requirement, usual: Any, expected: Any
) -> None:
    exchange = exchange_for(claims, *usual)
    assert due(exchange, requirement) == ()  # who it is has not been found out yet
    exchange.outcome()
    assert due(exchange, requirement) == expected


def test_nothing_is_due_twice_in_one_request() -> None:
    exchange = exchange_for({}, MAIL_TRUE)
    exchange.outcome()
    exchange.side.refetch(exchange, due(exchange, SIGNED_IN))
    assert due(exchange, SIGNED_IN) == ()
    assert due(exchange, need(validators=[PRO])) == (PRO,)


def test_another_issuers_claims_are_judged_as_they_are() -> None:
    exchange = exchange_for({}, MAIL_TRUE)
    decision = judge(exchange, need(validators=[PRO]))
    assert decision == forbidden(NO_MAIL, NO_PLAN)
    assert exchange.was_read
    assert judge(exchange_for(GOOD, MAIL_TRUE), need(validators=[PRO])) == ALLOW
    assert judge(exchange_for(GOOD, MAIL_TRUE), SIGNED_IN) == ALLOW


def test_a_bare_gate_holds_the_validators_of_the_app() -> None:
    assert judge(exchange_for({}), SIGNED_IN) is ALLOW
    assert judge(exchange_for({}, MAIL_TRUE), SIGNED_IN) == forbidden(NO_MAIL)
    assert judge(exchange_for({}, MAIL_TRUE), ANYBODY) == ALLOW
    assert judge(exchange_for(None, MAIL_TRUE), SIGNED_IN).code == "session-token-missing"


def test_a_request_has_one_time_for_all_that_is_judged() -> None:
    """What is fetched in it is as old as nothing, however long that took."""
    exchange = exchange_for(GOOD, PRO)
    assert exchange.now() == exchange.now() == judge_time(exchange)


def judge_time(exchange: Exchange) -> float:
    seen: list[float] = []

    class Watching:
        id, claim = "watching", None

        def should_refetch(self, claims: Any, now: float) -> bool:
            return False

        def validate(self, claims: Any, now: float) -> None:
            seen.append(now)

    assert judge(exchange, need(validators=[Watching()])) == ALLOW
    (at,) = seen
    return at


def test_a_validator_that_fails_lets_nobody_pass() -> None:
    class Broken:
        id, claim = "broken", PLAN

        def should_refetch(self, claims: Any, now: float) -> bool:
            return bool(claims["absent"])

        def validate(self, claims: Any, now: float) -> None:
            """All is well."""

    with pytest.raises(ConfigurationError) as caught:
        judge(exchange_for({}, Broken()), SIGNED_IN)
    assert caught.value.code == "validator-failed"
    assert "'broken'" in caught.value.message
    assert judge(exchange_for(None, Broken()), SIGNED_IN).act == "challenge"


def test_what_has_to_be_awaited_is_not_fetched_in_passing() -> None:
    exchange = exchange_for({}, MAIL_TRUE)
    exchange.outcome()
    with pytest.raises(ConfigurationError, match="claims were not fetched before this gate"):
        AsyncReading.refetch(exchange.side, exchange, (MAIL_TRUE,))  # type: ignore[arg-type]
