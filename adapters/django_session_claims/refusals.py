"""Refusals as exceptions, and the responses they become.

A root URLconf may name handlers of its own for 401, 403 and 503, as for Django's 404:
`handler401 = "mysite.views.sign_in_page"`, called with the request and `exception=`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.urls import get_callable, get_resolver, get_urlconf

from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.gate import Decision
from flask_session_claims.core.refusal import Refusal, refusal_of
from flask_session_claims.core.request import RequestFacts


class Refused(Exception):
    """What all refusals are: complete with our response, and they can tell why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal

    @property
    def error_code(self) -> str:
        """What the client is told: `session-token-missing`, `permission-denied`, …"""
        return self.refusal.code


class NotSignedIn(Refused):
    """401, or the redirect to sign in: nobody is signed in."""


class NotAllowed(Refused, PermissionDenied):
    """403: somebody is signed in, and may not do this."""


class Preflight(Refused):
    """204: a CORS preflight, which never carries credentials; whoever grants it stands in front."""


class IdentityUnavailable(Refused, UnavailableError):
    """503: it cannot be told now who is signed in."""

    def __init__(self, refusal: Refusal, retry_after: int) -> None:
        UnavailableError.__init__(self, refusal.message, retry_after=retry_after)
        self.refusal = refusal


def refused(decision: Decision, facts: RequestFacts) -> Refused:
    """The exception that says what was decided, where that is not "allow"."""
    refusal = refusal_of(decision, facts)
    if decision.act == "unavailable":
        return IdentityUnavailable(refusal, decision.retry_after)
    if decision.act == "preflight":
        return Preflight(refusal)
    return NotAllowed(refusal) if decision.act == "forbid" else NotSignedIn(refusal)


def answer(request: Any, error: Refused) -> HttpResponse:
    """The response to a refused request."""
    handler = own_handler(error)
    return response_of(error) if handler is None else handler(request, exception=error)


def response_of(error: Refused) -> HttpResponse:
    refusal = error.refusal
    return HttpResponse(refusal.body, status=refusal.status, headers=dict(refusal.headers))


def own_handler(error: Refused) -> Callable[..., HttpResponse] | None:
    """The root URLconf's own handler for such a refusal."""
    urls = get_resolver(get_urlconf()).urlconf_module
    named = getattr(urls, f"handler{error.refusal.status}", None)
    return get_callable(named) if named else None
