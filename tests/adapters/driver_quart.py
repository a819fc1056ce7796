"""Quart under the contract: Quart's own test client, tasks for requests at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import quart
import quart_session_claims
from quart.views import MethodView
from werkzeug.datastructures import Headers

from .drivers import Ask, Reply, Site, dressed
from .listening import listening
from .views import VIEWS, View


class QuartHere:
    auth = property(lambda self: quart.g.auth)

    def get_auth(self) -> quart_session_claims.Auth:
        return quart_session_claims.get_auth()


HERE = QuartHere()


class QuartDriver:
    vocabulary = quart_session_claims

    def build(self, site: Site, settings: Mapping[str, Any], handlers: bool) -> quart.Quart:
        app = quart.Quart("site")
        app.config.update({f"SESSION_CLAIMS_{name}": value for name, value in settings.items()})
        quart_session_claims.SessionClaims(app)
        for view in VIEWS:
            register(app, site, view)
        if handlers:
            for status in (401, 403, 503):
                app.register_error_handler(status, handle)
        return app

    def play(
        self, app: quart.Quart, asks: Sequence[Ask], *, together: bool, held_open: bool
    ) -> list[Reply]:
        async def play() -> list[Reply]:
            async with AsyncExitStack() as stack:
                if held_open:
                    await stack.enter_async_context(app.app_context())
                if together:
                    replies = list(await asyncio.gather(*(send(app, asked) for asked in asks)))
                else:
                    replies = [await send(app, asked) for asked in asks]
                if held_open:
                    assert list(quart.g) == []
                return replies

        return asyncio.run(play())

    @contextmanager
    def rejections(self, app: quart.Quart) -> Iterator[list[tuple[str, str | None]]]:
        seen: list[tuple[str, str | None]] = []

        async def note(sender: Any, *, reason: str, source: str | None, **extra: Any) -> None:
            seen.append((reason, source))

        with listening(quart_session_claims.token_rejected, note, app):
            yield seen


async def handle(error: Any) -> Any:
    return {"handled": error.code, "code": error.error_code}, error.code


def register(app: quart.Quart, site: Site, view: View) -> None:
    async def answer() -> quart.Response:
        return respond(view, await site.aact(view, HERE))

    def sync_answer() -> quart.Response:
        return respond(view, site.act(view, HERE))

    gates = [gate(quart_session_claims) for gate in view.gates]
    if view.style == "class":

        async def method(self: Any) -> quart.Response:
            return await answer()

        methods = {name.lower(): method for name in view.methods}
        made = type("Made", (MethodView,), {"decorators": gates, **methods})
        app.add_url_rule(view.path, view_func=made.as_view(view.name))
        return
    function: Any = sync_answer if view.style == "sync" else answer
    options: dict[str, Any] = {"endpoint": view.name, "methods": list(view.methods)}
    if view.wrong_order:
        app.add_url_rule(view.path, view_func=function, **options)
        for gate in gates:
            function = gate(function)
        return
    gated = function
    for gate in gates:
        gated = gate(gated)
    app.add_url_rule(view.path, view_func=dressed(view, gated, function), **options)


def respond(view: View, answer: dict[str, Any]) -> quart.Response:
    response = quart.current_app.json.response(answer)
    response.headers.update(dict(view.headers))
    return response


async def send(app: quart.Quart, asked: Ask) -> Reply:
    client = app.test_client(use_cookies=False)
    headers = Headers(list(asked.headers))
    response = await client.open(asked.path, method=asked.method, headers=headers)
    body = await response.get_data(as_text=False)
    return Reply(response.status_code, tuple(response.headers), body)
