"""The views of users, organisations and impersonation in Flask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask

import flask_session_claims as claims_of

from .drivers import about, refusal
from .people import acted, asked_act, known, seen_user, synced


def act() -> Any:
    name, keywords, status = asked_act(flask.request.args)
    try:
        returned = getattr(claims_of, name)(**keywords)
    except claims_of.ConfigurationError as error:
        return refusal(error)
    return acted(returned, flask.g.auth), status


def user() -> Any:
    try:
        first = dict(claims_of.current_user) if claims_of.current_user else None
        if "then" in flask.request.args:
            claims_of.create_session(flask.request.args["then"])
        return seen_user(first, claims_of.current_user)
    except claims_of.ConfigurationError as error:
        return refusal(error)


def sync() -> Any:
    app: Any = flask.current_app
    try:
        return synced(app.session_claims.sync_user(flask.request.args["user"]))
    except claims_of.ConfigurationError as error:
        return refusal(error)


def look_up() -> Any:
    app: Any = flask.current_app
    claims = app.session_claims
    return known(claims.directory.get_user(flask.request.args["user"]), claims.templates.get())


def token() -> Any:
    try:
        return {"token": flask.g.auth.get_token(flask.request.args.get("template"))}
    except claims_of.ConfigurationError as error:
        return refusal(error)


def _gated(gate: Any) -> Any:
    return gate(lambda: about(flask.g.auth))


PEOPLE: tuple[tuple[str, list[str], Callable[[], Any]], ...] = (
    ("/act", ["POST"], act),
    ("/user", ["GET", "POST"], user),
    ("/sync", ["POST"], sync),
    ("/known", ["GET"], look_up),
    ("/token", ["GET"], token),
    ("/admin", ["GET"], _gated(claims_of.claims_required(role="org:admin"))),
    ("/invoices", ["GET"], _gated(claims_of.claims_required(permission="org:invoices:manage"))),
    ("/strict", ["GET"], _gated(claims_of.claims_required(reverification="strict"))),
    ("/own", ["GET"], _gated(claims_of.login_required(allow_actor=False))),
)
