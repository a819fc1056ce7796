"""Flask under the issuing contract: Flask's own test client, threads for requests together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import flask

import flask_session_claims as claims_of
from flask_session_claims.io import signals as signals_of
from flask_session_claims.io.directory import LocalDirectory
from flask_session_claims.io.sessions import Sessions
from flask_session_claims.io.templates import Templates

from ..driver_flask import send
from ..drivers import Ask, Reply
from ..fetched import IN_A, IS_VERIFIED, without_verified
from ..listening import listening
from .drivers import (
    MOUNT,
    SECRET_KEY,
    SIGNALS,
    Client,
    Clock,
    Provide,
    Signalled,
    about,
    line,
    merged,
    refusal,
    session_json,
    sign_in_arguments,
    signed_in,
)
from .people import Functions
from .people_flask import PEOPLE


class IssuingFlask(flask.Flask):
    """What the driver has to find again."""

    clock: Clock
    meanwhile: list[Callable[[], Any]]
    session_claims: claims_of.SessionClaims


class FlaskDriver:
    settles_first = False

    def build(
        self,
        settings: Mapping[str, Any],
        clock: Clock,
        *,
        provide: Provide | None = None,
        functions: Functions | None = None,
    ) -> IssuingFlask:
        app = IssuingFlask("issuing_site")
        app.config["SECRET_KEY"] = SECRET_KEY
        app.config.update({f"SESSION_CLAIMS_{name}": value for name, value in settings.items()})
        app.clock, app.meanwhile = clock, []
        app.session_claims = claims = claims_of.SessionClaims(app, clock=clock)
        if provide is not None:
            claims.provide(provide)
        (functions or Functions()).give(claims)
        app.register_blueprint(claims.blueprint(), url_prefix=MOUNT)
        app.register_blueprint(claims.well_known())
        app.register_error_handler(claims_of.SessionError, refusal)
        for path, methods, view in (*ROUTES, *PEOPLE):
            app.add_url_rule(path, path, view, methods=methods)
        return app

    def play(self, app: IssuingFlask, asks: Sequence[Ask]) -> list[Reply]:
        if len(asks) == 1:
            return [send(app, asks[0])]
        with ThreadPoolExecutor(len(asks)) as pool:
            return list(pool.map(lambda asked: send(app, asked), asks))

    def client(self, app: IssuingFlask) -> Client:
        return Client(self, app, app.clock)

    def sessions(self, app: IssuingFlask) -> Sessions:
        return app.session_claims.sessions

    def directory(self, app: IssuingFlask) -> LocalDirectory:
        return app.session_claims.directory

    def templates(self, app: IssuingFlask) -> Templates:
        return app.session_claims.templates

    @contextmanager
    def signals(
        self, app: IssuingFlask, told: Callable[[str, dict[str, Any]], None] | None = None
    ) -> Iterator[list[Signalled]]:
        seen: list[Signalled] = []

        def listener(name: str) -> Callable[..., None]:
            def note(sender: Any, **data: Any) -> None:
                seen.append((name, data))
                if told is not None:
                    told(name, data)

            return note

        with ExitStack() as stack:
            for name in SIGNALS:
                signal = getattr(signals_of, name)
                stack.enter_context(listening(signal, listener(name), app))
            yield seen


# --- views ----------------------------------------------------------------------------------


def sign_in() -> Any:
    user, keywords = sign_in_arguments(flask.request.args)
    session = claims_of.create_session(user, **keywords)
    return signed_in(session, flask.g.auth)


def sign_in_fails() -> Any:
    return sign_in(), int(flask.request.args["status"])


def sign_in_raises() -> Any:
    sign_in()
    raise RuntimeError("the view's own mistake")


@claims_of.login_required
def me() -> Any:
    return about(flask.g.auth)


def peek() -> Any:
    return about(flask.g.auth)


def cached() -> Any:
    return about(flask.g.auth), {"Cache-Control": "public, max-age=60"}


def answer() -> Any:
    said = about(flask.g.auth)
    if "raises" in flask.request.args:
        raise RuntimeError("the view's own mistake")
    cache = flask.request.args.get("cache")
    headers = {"Cache-Control": cache} if cache else {}
    return said, int(flask.request.args.get("status", 200)), headers


@claims_of.login_required(live=True)
def live() -> Any:
    return about(flask.g.auth)


@claims_of.login_required(live=True)
@claims_of.claims_required(claims={"plan": "pro"}, live=True)
def live_pro() -> Any:
    return about(flask.g.auth)


@claims_of.login_required(validators=[IS_VERIFIED])
def verified() -> Any:
    return about(flask.g.auth)


@claims_of.login_required(validators=[IS_VERIFIED])
@claims_of.claims_required(validators=[IN_A])
def verified_teams() -> Any:
    return about(flask.g.auth)


@claims_of.login_required(validators=without_verified)
def unverified() -> Any:
    return about(flask.g.auth)


def watch() -> Any:
    app: Any = flask.current_app
    auth = claims_of.get_auth() if "plain" in flask.request.args else flask.g.auth

    def look() -> str:
        try:
            return line(app.session_claims.is_current(auth))
        except claims_of.UnavailableError as error:
            return line(error)

    def body() -> Iterator[str]:
        yield look()
        for act in app.meanwhile:
            act()
            yield look()

    return flask.Response(flask.stream_with_context(body()), mimetype="text/plain")


def still() -> Any:
    return {"still": True}


@claims_of.login_required
def merge() -> Any:
    patch = json.loads(flask.request.args["patch"])
    return merged(claims_of.merge_session_claims(patch), flask.g.auth)


@claims_of.login_required
def merge_fails() -> Any:
    return merge(), 500


def sign_out() -> Any:
    return {"ended": claims_of.revoke_session()}


def session() -> Any:
    return flask.jsonify(session_json(claims_of.current_session()))


def stream() -> Any:
    def body() -> Iterator[str]:
        yield " "
        yield flask.json.dumps(about(flask.g.auth))

    return flask.Response(flask.stream_with_context(body()), mimetype="application/json")


ROUTES: tuple[tuple[str, list[str], Callable[[], Any]], ...] = (
    ("/sign-in", ["POST"], sign_in),
    ("/sign-in-fails", ["POST"], sign_in_fails),
    ("/sign-in-raises", ["POST"], sign_in_raises),
    ("/sign-in-by-get", ["GET"], sign_in),
    ("/me", ["GET"], me),
    ("/peek", ["GET", "POST", "OPTIONS"], peek),
    ("/cached", ["GET"], cached),
    ("/still", ["GET"], still),
    ("/merge", ["POST"], merge),
    ("/merge-fails", ["POST"], merge_fails),
    ("/sign-out", ["POST"], sign_out),
    ("/session", ["GET"], session),
    ("/answer", ["GET", "POST"], answer),
    ("/live", ["GET"], live),
    ("/live-pro", ["GET"], live_pro),
    ("/verified", ["GET"], verified),
    ("/verified-teams", ["GET"], verified_teams),
    ("/unverified", ["GET"], unverified),
    ("/watch", ["GET"], watch),
    ("/stream", ["GET"], stream),
)
