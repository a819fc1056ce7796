"""The issuer's addresses as views.

They judge for themselves who comes: no gate, no default policy, no CSRF token. Sync views: under
ASGI Django runs them in threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.flow import Flow
from flask_session_claims.core.gate import unavailable
from flask_session_claims.core.policy import mark_own
from flask_session_claims.io.issuing import Issuing
from flask_session_claims.sessions.endpoints import Answer
from flask_session_claims.sessions.published import Document

from .issuing import issuing_of
from .refusals import refused, response_of
from .visit import Visit, read, visit_of

if TYPE_CHECKING:
    from django.http import HttpRequest

V = TypeVar("V", bound=Callable[..., HttpResponse])


def _endpoint(*methods: str) -> Callable[[V], V]:
    def dress(view: V) -> V:
        dressed: Any = csrf_exempt(require_http_methods(methods)(view))
        for alias in connections:
            dressed = non_atomic_requests(using=alias)(dressed)
        dressed.login_required = False  # Django's own LoginRequiredMiddleware
        return cast(V, mark_own(dressed))

    return dress


@_endpoint("POST")
def refresh(request: HttpRequest) -> HttpResponse:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    return _answer(visit, issuing, issuing.endpoints.refresh(visit))


@_endpoint("POST")
def sign_out(request: HttpRequest) -> HttpResponse:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    parameter = visit.side.gates.redirect_param
    back = request.POST.get(parameter) or request.GET.get(parameter)
    _ = read(visit)
    return _answer(visit, issuing, issuing.endpoints.sign_out(visit, back))


@_endpoint("GET", "HEAD")
def key_set(request: HttpRequest) -> HttpResponse:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    return _publish(request, visit, issuing, issuing.endpoints.key_set())


@_endpoint("GET", "HEAD")
def openid_configuration(request: HttpRequest) -> HttpResponse:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    if issuing.settings.issuer_url is None:
        text = f"{issuing.settings.label('issuer_url')} is unset.\n"
        return HttpResponse(text, status=404, content_type="text/plain; charset=utf-8")
    return _publish(request, visit, issuing, issuing.endpoints.openid_configuration())


def _answer(visit: Visit, issuing: Issuing, flow: Flow[Answer]) -> HttpResponse:
    try:
        answer: Answer = issuing.run(flow)
    except UnavailableError as error:
        return _unavailable(error, visit)
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


def _publish(
    request: HttpRequest, visit: Visit, issuing: Issuing, flow: Flow[Document]
) -> HttpResponse:
    try:
        document: Document = issuing.run(flow)
    except UnavailableError as error:
        return _unavailable(error, visit)
    headers = dict(document.headers())
    if document.is_known(request.headers.get("If-None-Match")):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(document.body, headers=headers)


def _unavailable(error: UnavailableError, visit: Visit) -> HttpResponse:
    decision = unavailable(error)
    return response_of(refused(decision, visit.facts))
