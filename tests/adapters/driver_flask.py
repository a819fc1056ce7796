"""Flask under the contract: Flask's own test client, threads for requests at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import flask
from flask.views import MethodView

import flask_session_claims

from .drivers import Ask, Reply, Site, dressed, wsgi_fields
from .listening import listening
from .views import VIEWS, View


class FlaskHere:
    auth = property(lambda self: flask.g.auth)

    def get_auth(self) -> flask_session_claims.Auth:
        return flask_session_claims.get_auth()


HERE = FlaskHere()


class FlaskDriver:
    vocabulary = flask_session_claims

    def build(self, site: Site, settings: Mapping[str, Any], handlers: bool) -> flask.Flask:
        app = flask.Flask("site")
        app.config.update({f"SESSION_CLAIMS_{name}": value for name, value in settings.items()})
        flask_session_claims.SessionClaims(app)
        for view in VIEWS:
            register(app, site, view)
        if handlers:
            for status in (401, 403, 503):
                app.register_error_handler(status, handle)
        return app

    def play(
        self, app: flask.Flask, asks: Sequence[Ask], *, together: bool, held_open: bool
    ) -> list[Reply]:
        with app.app_context() if held_open else nullcontext():
            if together:
                with ThreadPoolExecutor(len(asks)) as pool:
                    replies = list(pool.map(lambda asked: send(app, asked), asks))
            else:
                replies = [send(app, asked) for asked in asks]
            if held_open:
                assert list(flask.g) == []
            return replies

    @contextmanager
    def rejections(self, app: flask.Flask) -> Iterator[list[tuple[str, str | None]]]:
        seen: list[tuple[str, str | None]] = []

        def note(sender: Any, *, reason: str, source: str | None, **extra: Any) -> None:
            seen.append((reason, source))

        with listening(flask_session_claims.token_rejected, note, app):
            yield seen


def handle(error: Any) -> Any:
    return {"handled": error.code, "code": error.error_code}, error.code


def register(app: flask.Flask, site: Site, view: View) -> None:
    def answer() -> flask.Response:
        return respond(view, site.act(view, HERE))

    async def aanswer() -> flask.Response:
        return respond(view, await site.aact(view, HERE))

    gates = [gate(flask_session_claims) for gate in view.gates]
    function: Any = aanswer if view.style == "async" else answer
    if view.style == "class":
        methods = {method.lower(): lambda self: answer() for method in view.methods}
        # Flask applies the first of the list first.
        made = type("Made", (MethodView,), {"decorators": gates, **methods})
        app.add_url_rule(view.path, view_func=made.as_view(view.name))
        return
    options = {"endpoint": view.name, "methods": list(view.methods)}
    if view.wrong_order:
        app.add_url_rule(view.path, view_func=function, **options)
        for gate in gates:
            function = gate(function)
        return
    gated = function
    for gate in gates:
        gated = gate(gated)
    app.add_url_rule(view.path, view_func=dressed(view, gated, function), **options)


def respond(view: View, answer: dict[str, Any]) -> flask.Response:
    response = flask.jsonify(answer)
    response.headers.update(dict(view.headers))
    return response


def send(app: flask.Flask, asked: Ask) -> Reply:
    client = app.test_client(use_cookies=False)
    fields = wsgi_fields(asked.headers)
    response = client.open(asked.path, method=asked.method, environ_overrides=fields)
    return Reply(response.status_code, tuple(response.headers), response.data)
