"""What a refusal looks like to a client: status, headers, body. The same in every adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from .access import reverification_rule
from .gate import Decision, wants_page
from .request import RequestFacts

_STATUS: Final = {
    "challenge": 401,
    "forbid": 403,
    "preflight": 204,
    "redirect": 302,
    "unavailable": 503,
}
_TITLES: Final = {401: "Sign in first", 403: "Not allowed", 503: "Try again in a moment"}
_MESSAGES: Final = {
    "session-token-missing": "This needs a signed-in user, and no session token was sent.",
    "session-token-expired": "The session token has expired; get a new one and try again.",
    "session-token-invalid": "The session token was not accepted.",
    "session-pending": "The session has tasks to complete before it can be used.",
    "request-origin-refused": "This request did not come from a page of this site.",
    "membership-missing": "You are not a member of such an organisation.",
    "impersonation-refused": "You may not act for this user.",
    "actor-refused": "This cannot be done while acting for somebody else.",
    "permission-denied": "The signed-in user may not do this.",
    "reverification-required": "Confirm who you are once more, then try again.",
    "claim-validation-failed": "What is known of the signed-in user does not allow this.",
}
#: What SuperTokens' front ends are told beside `claimValidationErrors`.
_INVALID_CLAIM: Final = "invalid claim"
#: OpenID's PAPE: more than one factor.
_MULTI_FACTOR: Final = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
_UNAVAILABLE: Final = "It cannot be told who is signed in right now."


class Refusal(NamedTuple):
    """A complete response, for an adapter to send."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    code: str
    message: str


def refusal_of(decision: Decision, facts: RequestFacts) -> Refusal:
    """The response that says what was decided."""
    status = _STATUS[decision.act]
    code = decision.code or decision.act
    message = _MESSAGES.get(code, _UNAVAILABLE)
    headers = [("Cache-Control", "no-store")]
    if status == 204:  # what may be asked for from elsewhere is for the app's CORS hook to say
        return Refusal(status, tuple(headers), b"", code, "")
    if decision.reverification is not None:
        headers.append(("WWW-Authenticate", step_up(decision.reverification, message)))
    elif decision.act == "challenge":
        headers.append(("WWW-Authenticate", challenge(code, decision.credential_sent)))
    elif code == "permission-denied":  # RFC 6750 §3.1
        headers.append(("WWW-Authenticate", 'Bearer error="insufficient_scope"'))
    elif decision.act == "unavailable":
        headers.append(("Retry-After", str(decision.retry_after)))
    elif decision.location is not None:
        headers.append(("Location", decision.location))
    if wants_page(facts):
        headers.append(("Content-Type", "text/html; charset=utf-8"))
        return Refusal(status, tuple(headers), _page(status, message), code, message)
    headers.append(("Content-Type", "application/json"))
    body: dict[str, Any] = {"code": code, "message": message}
    if decision.reverification is not None:
        body["clerk_error"] = reverification_error(decision.reverification)
    if code == "claim-validation-failed":
        body["message"] = _INVALID_CLAIM
        body["claimValidationErrors"] = [failure._asdict() for failure in decision.failures]
    text = json.dumps(body, separators=(",", ":")).encode()
    return Refusal(status, tuple(headers), text, code, message)


def challenge(code: str, credential_sent: bool) -> str:
    """WWW-Authenticate (RFC 6750 §3): no error code where no credential was sent."""
    if not credential_sent:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{code}"'


def step_up(rule: object, description: str) -> str:
    """WWW-Authenticate (RFC 9470 §3): how old an authentication may be, and by which factors."""
    level, minutes = reverification_rule(rule) or ("multi_factor", 0)
    text = (
        f'Bearer error="insufficient_user_authentication", error_description="{description}",'
        f' max_age="{minutes * 60}"'
    )
    return text if level == "first_factor" else f'{text}, acr_values="{_MULTI_FACTOR}"'


def reverification_error(rule: object) -> dict[str, Any]:
    """The body that Clerk's browser hooks wait for to ask for the factors again."""
    if isinstance(rule, Mapping):
        members = cast("Mapping[str, Any]", rule)
        minutes = members.get("after_minutes", members.get("afterMinutes"))
        rule = {"level": members.get("level"), "afterMinutes": minutes}
    return {
        "type": "forbidden",
        "reason": "reverification-error",
        "metadata": {"reverification": rule},
    }


def _page(status: int, message: str) -> bytes:
    title = _TITLES.get(status, "Sign in")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><p>{message}</p></html>"
    ).encode()
