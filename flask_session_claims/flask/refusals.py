"""Refusals as HTTP exceptions of Werkzeug, complete with our headers and body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, Unauthorized
from werkzeug.wrappers import Response

from ..core.gate import Decision
from ..core.refusal import Refusal, refusal_of
from ..core.request import RequestFacts

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _Refused(HTTPException):
    """What our refusals add: they answer as they are, and handlers can tell why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal

    @property
    def error_code(self) -> str:
        """What the client is told: `session-token-missing`, `permission-denied`, …"""
        return self.refusal.code

    def get_response(
        self, environ: WSGIEnvironment | Any = None, scope: dict[str, Any] | None = None
    ) -> Response:
        refusal = self.refusal
        return Response(refusal.body, refusal.status, headers=list(refusal.headers))


class NotSignedIn(_Refused, Unauthorized):
    """401: nobody is signed in, and a new token would help."""


class NotAllowed(_Refused, Forbidden):
    """403: somebody is signed in, and may not do this."""


class IdentityUnavailable(_Refused, ServiceUnavailable):
    """503: it cannot be told now who is signed in."""


_KINDS: dict[str, type[_Refused]] = {
    "challenge": NotSignedIn,
    "forbid": NotAllowed,
    "unavailable": IdentityUnavailable,
}


def error_of(decision: Decision, facts: RequestFacts) -> NotSignedIn | NotAllowed:
    """The refusal as an exception, also where a redirect would be sent; for callbacks."""
    if decision.act == "forbid":
        return NotAllowed(refusal_of(decision, facts))
    return NotSignedIn(refusal_of(decision._replace(act="challenge", location=None), facts))


def refused(decision: Decision, facts: RequestFacts) -> HTTPException:
    """The refusal as an exception."""
    return _KINDS[decision.act](refusal_of(decision, facts))


def refuse(decision: Decision, facts: RequestFacts) -> Response:
    """The answer to send (a redirect, a preflight), or raises the refusal."""
    refusal = refusal_of(decision, facts)
    if decision.act in ("redirect", "preflight"):
        return Response(refusal.body, refusal.status, headers=list(refusal.headers))
    raise _KINDS[decision.act](refusal)
