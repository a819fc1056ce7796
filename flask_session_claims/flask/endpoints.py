"""The issuer's addresses as blueprints."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from ..core.errors import UnavailableError
from ..core.flow import Flow
from ..core.gate import unavailable
from ..core.policy import mark_own
from ..core.request import Exchange
from ..io.issuing import Issuing
from ..sessions.endpoints import (
    KEY_SET_PATH,
    OPENID_PATH,
    REFRESH_PATH,
    SIGN_OUT_PATH,
    Answer,
)
from ..sessions.published import Document
from .current import exchange_at_hand
from .refusals import refuse
from .side import issuing_of


def session_blueprint() -> Blueprint:
    """Refresh, sign-out and key set, below a prefix."""
    blueprint = Blueprint("session_claims", __name__)
    for path, methods, view in (
        (REFRESH_PATH, ["POST"], refresh),
        (SIGN_OUT_PATH, ["POST"], sign_out),
        ("/jwt/jwks.json", ["GET"], key_set),
    ):
        blueprint.add_url_rule(path, view_func=view, methods=methods)
    return blueprint


def well_known_blueprint() -> Blueprint:
    """Key set and OpenID configuration, at the root."""
    blueprint = Blueprint("session_claims_well_known", __name__)
    blueprint.add_url_rule(KEY_SET_PATH, view_func=key_set)
    blueprint.add_url_rule(OPENID_PATH, view_func=openid_configuration)
    return blueprint


@mark_own
def refresh() -> Response:
    exchange, issuing = _at_hand()
    return _answer(exchange, issuing, issuing.endpoints.refresh(exchange))


@mark_own
def sign_out() -> Response:
    exchange, issuing = _at_hand()
    parameter = exchange.side.gates.redirect_param
    back = request.form.get(parameter) or request.args.get(parameter)
    try:
        _ = exchange.read()
    except UnavailableError as error:
        return _unavailable(error, exchange)
    return _answer(exchange, issuing, issuing.endpoints.sign_out(exchange, back))


@mark_own
def key_set() -> Response:
    exchange, issuing = _at_hand()
    return _publish(exchange, issuing, issuing.endpoints.key_set())


@mark_own
def openid_configuration() -> Response:
    exchange, issuing = _at_hand()
    if issuing.settings.issuer_url is None:
        label = issuing.settings.label("issuer_url")
        return Response(f"{label} is unset.\n", 404, content_type="text/plain; charset=utf-8")
    return _publish(exchange, issuing, issuing.endpoints.openid_configuration())


def _at_hand() -> tuple[Exchange, Issuing]:
    exchange = exchange_at_hand()
    return exchange, issuing_of(exchange.side)


def _answer(exchange: Exchange, issuing: Issuing, flow: Flow[Answer]) -> Response:
    try:
        answer: Answer = issuing.run(flow)
    except UnavailableError as error:
        return _unavailable(error, exchange)
    return Response(answer.body, answer.status, headers=list(answer.headers))


def _publish(exchange: Exchange, issuing: Issuing, flow: Flow[Document]) -> Response:
    try:
        document: Document = issuing.run(flow)
    except UnavailableError as error:
        return _unavailable(error, exchange)
    if document.is_known(request.headers.get("If-None-Match")):
        return Response(status=304, headers=list(document.headers()))
    return Response(document.body, headers=list(document.headers()))


def _unavailable(error: UnavailableError, exchange: Exchange) -> Response:
    decision = unavailable(error)
    return refuse(decision, exchange.negotiated())
