"""What is ours is freed with its request: in a cycle it would wait for the garbage collector,
which costs more than all else that we do.

The apps are called as a server calls them, for the frameworks' test clients make cycles of their
own. So does an exception that a framework catches and holds on to (asgiref 3.8 with each request):
cycles through frames are not ours.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import pytest

from flask_session_claims.core.request import Exchange, RequestAuth

from .sites import usual_settings

Call = Callable[[dict[str, str]], None]


def wsgi(app: Any) -> Call:
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    def call(headers: dict[str, str]) -> None:
        body, status, _ = run_wsgi_app(app, EnvironBuilder("/me", headers=headers).get_environ())
        assert (status, b"".join(body)) == ("200 OK", b"alice" if headers else b"None")

    return call


def asgi(app: Any) -> Call:
    async def one(headers: dict[str, str]) -> bytes:
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
        scope |= {"method": "GET", "scheme": "http", "path": "/me", "raw_path": b"/me"}
        scope |= {"query_string": b"", "root_path": "", "client": None, "server": ("site", 80)}
        fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]
        said: list[bytes] = []
        answered = asyncio.Event()

        async def receive() -> Any:
            if incoming:
                return incoming.pop()
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            said.append(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        asked = app({**scope, "headers": [(b"host", b"site"), *fields]}, receive, send)
        await asyncio.wait_for(asked, 10)
        return b"".join(said)

    def call(headers: dict[str, str]) -> None:
        assert asyncio.run(one(headers)) == (b"alice" if headers else b"None")

    return call


def assert_freed(call: Call, headers: dict[str, str]) -> None:
    def play(times: int) -> None:
        for _ in range(times):
            call(headers)
            call({})

    play(2)  # what is made once is made
    gc.collect()
    debug, enabled = gc.get_debug(), gc.isenabled()
    gc.disable()
    try:
        play(10)
        gc.set_debug(gc.DEBUG_SAVEALL)  # what is found in cycles goes to gc.garbage
        gc.collect()
        rings = [type(one) for one in gc.garbage if is_ours(one) and is_in_a_ring(one)]
    finally:
        gc.set_debug(debug)
        gc.garbage.clear()
        if enabled:
            gc.enable()
    assert rings == []


def is_ours(one: object) -> bool:
    return issubclass(type(one), (Exchange, RequestAuth))  # not isinstance, which wakes proxies


def is_in_a_ring(one: object) -> bool:
    """Whether it leads back to itself through what was found in cycles, frames left out."""
    found = {id(other) for other in gc.garbage}
    todo = gc.get_referents(one)
    while todo:
        other = todo.pop()
        if other is one:
            return True
        if id(other) in found and not issubclass(type(other), (FrameType, TracebackType)):
            found.discard(id(other))
            todo += gc.get_referents(other)
    return False


def test_in_flask(config, alice):
    flask = pytest.importorskip("flask")
    from flask_session_claims import SessionClaims

    app = flask.Flask("site")
    app.config.update(config)
    SessionClaims(app)
    app.add_url_rule("/me", "me", lambda: str(flask.g.auth.user_id))
    assert_freed(wsgi(app), alice)


def test_in_quart(config, alice):
    pytest.importorskip("quart")
    from quart import g

    from .quart_site import make

    app = make(config)

    @app.get("/me")
    async def me() -> str:
        return str(g.auth.user_id)

    assert_freed(asgi(app), alice)


@pytest.mark.parametrize("server", [wsgi, asgi])
def test_in_django(server: Callable[[Any], Call], issuer, alice):
    pytest.importorskip("django")
    from .django_setup import setup, urlconf

    setup()
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.test import override_settings
    from django.urls import path

    async def ame(request: Any) -> Any:
        return HttpResponse(str(request.auth.user_id))

    def me(request: Any) -> Any:
        return HttpResponse(str(request.auth.user_id))

    urls = urlconf(path("me", ame if server is asgi else me))
    with override_settings(SESSION_CLAIMS=usual_settings(issuer), ROOT_URLCONF=urls):
        app = ASGIHandler() if server is asgi else WSGIHandler()
        assert_freed(server(app), alice)
