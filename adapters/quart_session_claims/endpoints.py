"""The issuer's addresses as blueprints."""

from __future__ import annotations

from typing import Any, cast

from quart import Blueprint, Response, request
from werkzeug.datastructures import Headers

from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.flow import Flow
from flask_session_claims.core.gate import unavailable
from flask_session_claims.core.policy import mark_own
from flask_session_claims.core.request import Exchange
from flask_session_claims.io.issuing import Issuing
from flask_session_claims.sessions.endpoints import (
    KEY_SET_PATH,
    OPENID_PATH,
    REFRESH_PATH,
    SIGN_OUT_PATH,
    Answer,
)
from flask_session_claims.sessions.published import Document

from .current import exchange_at_hand, settle, state
from .issuing import issuing_of
from .refusals import refuse


def session_blueprint() -> Blueprint:
    """Refresh, sign-out and key set, below a prefix."""
    blueprint = Blueprint("session_claims", __name__)
    blueprint.add_url_rule(REFRESH_PATH, view_func=refresh, methods=["POST"])
    blueprint.add_url_rule(SIGN_OUT_PATH, view_func=sign_out, methods=["POST"])
    blueprint.add_url_rule("/jwt/jwks.json", view_func=key_set)
    return blueprint


def well_known_blueprint() -> Blueprint:
    """Key set and OpenID configuration, at the root."""
    blueprint = Blueprint("session_claims_well_known", __name__)
    blueprint.add_url_rule(KEY_SET_PATH, view_func=key_set)
    blueprint.add_url_rule(OPENID_PATH, view_func=openid_configuration)
    return blueprint


@mark_own
async def refresh() -> Response:
    exchange, issuing = _at_hand()
    return await _answer(exchange, issuing, issuing.endpoints.refresh(exchange))


@mark_own
async def sign_out() -> Response:
    exchange, issuing = _at_hand()
    parameter = exchange.side.gates.redirect_param
    form: Any = await cast(Any, request).form
    back: str | None = form.get(parameter) or request.args.get(parameter)
    exchange.looks_away = False
    await settle(exchange)
    try:
        _ = exchange.read()
    except UnavailableError as error:
        return _unavailable(error, exchange)
    return await _answer(exchange, issuing, issuing.endpoints.sign_out(exchange, back))


@mark_own
async def key_set() -> Response:
    exchange, issuing = _at_hand()
    return await _publish(exchange, issuing, issuing.endpoints.key_set())


@mark_own
async def openid_configuration() -> Response:
    exchange, issuing = _at_hand()
    if issuing.settings.issuer_url is None:
        label = issuing.settings.label("issuer_url")
        return Response(f"{label} is unset.\n", 404, content_type="text/plain; charset=utf-8")
    return await _publish(exchange, issuing, issuing.endpoints.openid_configuration())


def _at_hand() -> tuple[Exchange, Issuing]:
    return exchange_at_hand(), issuing_of(state())


async def _answer(exchange: Exchange, issuing: Issuing, flow: Flow[Answer]) -> Response:
    try:
        answer: Answer = await issuing.arun(flow)
    except UnavailableError as error:
        return _unavailable(error, exchange)
    return Response(answer.body, answer.status, headers=Headers(list(answer.headers)))


async def _publish(exchange: Exchange, issuing: Issuing, flow: Flow[Document]) -> Response:
    try:
        document: Document = await issuing.arun(flow)
    except UnavailableError as error:
        return _unavailable(error, exchange)
    headers = Headers(list(document.headers()))
    if document.is_known(request.headers.get("If-None-Match")):
        return Response(status=304, headers=headers)
    return Response(document.body, headers=headers)


def _unavailable(error: UnavailableError, exchange: Exchange) -> Response:
    decision = unavailable(error)
    return refuse(decision, exchange.facts)
