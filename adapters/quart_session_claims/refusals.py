"""Refusals as HTTP exceptions of Werkzeug that answer with Quart's response.

Raised before a websocket is accepted, they refuse its handshake with the same answer.
"""

from __future__ import annotations

from typing import Any, Final

from quart import Response
from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, Unauthorized

from flask_session_claims.core.gate import Decision
from flask_session_claims.core.refusal import Refusal, refusal_of
from flask_session_claims.core.request import RequestFacts


class _Refused(HTTPException):
    """What our refusals add: they answer as they are, and handlers can tell why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal

    @property
    def error_code(self) -> str:
        """What the client is told: `session-token-missing`, `permission-denied`, …"""
        return self.refusal.code

    def get_response(self, environ: Any = None, scope: Any = None) -> Any:
        return _response(self.refusal)


class NotSignedIn(_Refused, Unauthorized):
    """401: nobody is signed in, and a new token would help."""


class NotAllowed(_Refused, Forbidden):
    """403: somebody is signed in, and may not do this."""


class IdentityUnavailable(_Refused, ServiceUnavailable):
    """503: it cannot be told now who is signed in."""


_KINDS: Final[dict[str, type[_Refused]]] = {
    "challenge": NotSignedIn,
    "forbid": NotAllowed,
    "unavailable": IdentityUnavailable,
}


def refused(decision: Decision, facts: RequestFacts) -> HTTPException:
    """The refusal as an exception."""
    return _KINDS[decision.act](refusal_of(decision, facts))


def refuse(decision: Decision, facts: RequestFacts) -> Response:
    """The answer to send (a redirect, a preflight), or raises the refusal."""
    refusal = refusal_of(decision, facts)
    if decision.act in ("redirect", "preflight"):
        return _response(refusal)
    raise _KINDS[decision.act](refusal)


def _response(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, headers=dict(refusal.headers))
