"""Thin drivers: one small app in each framework, asked with raw fields as a server delivers them.

WSGI: equal fields arrive joined by a comma, as gunicorn, wsgiref and Werkzeug's server do, cookies
too. ASGI: a list of byte pairs with its duplicates. Text that is not Latin-1 goes as UTF-8 bytes.
Each app has `/who` (anybody may come) and `/gate` (`@login_required`); both note what they saw.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from flask_session_claims.testing import FrozenClock

from .forge import NOW, settings_of
from .harness import NoFetch, run

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
Fields = list[tuple[str, str]]


class Answer(NamedTuple):
    """What came back, and what the views noted meanwhile."""

    status: int
    body: bytes
    who: list[dict[str, Any]]
    gate: list[dict[str, Any]]


@dataclass
class Notes:
    who: list[dict[str, Any]] = field(default_factory=list)
    gate: list[dict[str, Any]] = field(default_factory=list)

    def note(self, place: str, auth: Any) -> str:
        """Write down who the view sees; the text that the view answers with."""
        seen = {
            "is_authenticated": auth.is_authenticated,
            "user_id": auth.user_id,
            "session_id": auth.session_id,
            "source": auth.source,
            "reason": auth.reason,
            "sub": auth.session_claims.get("sub"),
            "size": len(auth.session_claims),
        }
        getattr(self, place).append(seen)
        return f"{auth.user_id} {auth.is_authenticated}"

    def take(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        taken = self.who, self.gate
        self.who, self.gate = [], []
        return taken


class Ask(NamedTuple):
    """A running app; `joins` says whether equal fields reach it joined by a comma."""

    send: Callable[[str, str, Fields, bytes | None], tuple[int, bytes]]
    notes: Notes
    joins: bool

    def __call__(self, method: str, target: str, fields: Fields, body: str | None = None) -> Answer:
        raw = None if body is None else body.encode()
        status, text = self.send(method, target, fields, raw)
        return Answer(status, text, *self.notes.take())


def wire(value: str) -> str:
    """The text of a field as the bytes on the wire, each a character."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass").decode("latin-1")
    return value


# --- WSGI ---------------------------------------------------------------------------------


def environ_of(method: str, target: str, fields: Fields, body: bytes | None) -> dict[str, Any]:
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body or b"")),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body is not None:
        environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    sent: dict[str, str] = {}
    for name, value in fields:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        sent[key] = f"{sent[key]},{wire(value)}" if key in sent else wire(value)
    return environ | sent


def wsgi_sender(app: Any) -> Callable[[str, str, Fields, bytes | None], tuple[int, bytes]]:
    def send(method: str, target: str, fields: Fields, body: bytes | None) -> tuple[int, bytes]:
        started: list[str] = []

        def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
            started.append(status)
            return lambda _: None

        answer = app(environ_of(method, target, fields, body), start)
        try:
            text = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        return int(started[-1].partition(" ")[0]), text

    return send


# --- ASGI ---------------------------------------------------------------------------------


def scope_of(method: str, target: str, fields: Fields, body: bytes | None) -> dict[str, Any]:
    path, _, query = target.partition("?")
    sent = [(name.lower().encode(), wire(value).encode("latin-1")) for name, value in fields]
    if not any(name == b"host" for name, _ in sent):
        sent.insert(0, (b"host", b"localhost"))
    if body is not None:
        sent.append((b"content-type", b"application/x-www-form-urlencoded"))
        sent.append((b"content-length", str(len(body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": sent,
        "client": ("127.0.0.1", 50_000),
        "server": ("localhost", 80),
        "extensions": {},
    }


def asgi_sender(app: Any) -> Callable[[str, str, Fields, bytes | None], tuple[int, bytes]]:
    async def exchange(scope: dict[str, Any], body: bytes | None) -> tuple[int, bytes]:
        messages: list[dict[str, Any]] = []
        inbox = [{"type": "http.request", "body": body or b"", "more_body": False}]
        ended = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if inbox:
                return inbox.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        await app(scope, receive, send)
        status = next(m["status"] for m in messages if m["type"] == "http.response.start")
        return status, b"".join(m.get("body", b"") for m in messages)

    def send(method: str, target: str, fields: Fields, body: bytes | None) -> tuple[int, bytes]:
        return run(exchange(scope_of(method, target, fields, body), body))

    return send


# --- the apps -----------------------------------------------------------------------------


def _config(changes: dict[str, Any]) -> dict[str, Any]:
    return {name.upper(): value for name, value in settings_of(changes).items()}


@contextlib.contextmanager
def flask_app(changes: dict[str, Any]) -> Iterator[Ask]:
    flask = pytest.importorskip("flask")
    from flask_session_claims import SessionClaims, login_required

    app, notes = flask.Flask("corpus"), Notes()
    app.config.update({f"SESSION_CLAIMS_{key}": value for key, value in _config(changes).items()})
    SessionClaims(app, clock=FrozenClock(float(NOW)), fetch=NoFetch())

    @app.route("/who", methods=METHODS, provide_automatic_options=False)
    def who() -> str:
        return notes.note("who", flask.g.auth)

    @app.route("/gate", methods=METHODS, provide_automatic_options=False)
    @login_required
    def gate() -> str:
        return notes.note("gate", flask.g.auth)

    yield Ask(wsgi_sender(app), notes, joins=True)


@contextlib.contextmanager
def quart_app(changes: dict[str, Any]) -> Iterator[Ask]:
    quart = pytest.importorskip("quart")
    from quart_session_claims import SessionClaims, login_required

    app, notes = quart.Quart("corpus"), Notes()
    app.config.update({f"SESSION_CLAIMS_{key}": value for key, value in _config(changes).items()})
    SessionClaims(app, clock=FrozenClock(float(NOW)), fetch=NoFetch())

    @app.route("/who", methods=METHODS, provide_automatic_options=False)
    async def who() -> str:
        return notes.note("who", quart.g.auth)

    @app.route("/gate", methods=METHODS, provide_automatic_options=False)
    @login_required
    async def gate() -> str:
        return notes.note("gate", quart.g.auth)

    yield Ask(asgi_sender(app), notes, joins=False)


@contextlib.contextmanager
def _django_app(changes: dict[str, Any], *, asgi: bool) -> Iterator[Ask]:
    pytest.importorskip("django")
    import django
    from django.apps import apps
    from django.conf import settings

    if not settings.configured:
        settings.configure(SECRET_KEY="corpus" * 10)
    if not apps.ready:
        django.setup()
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.test.utils import override_settings
    from django.urls import path
    from django_session_claims import conf, login_required

    notes = Notes()

    def who(request: Any) -> HttpResponse:
        return HttpResponse(notes.note("who", request.auth))

    def gate(request: Any) -> HttpResponse:
        return HttpResponse(notes.note("gate", request.auth))

    async def who_async(request: Any) -> HttpResponse:
        return who(request)

    async def gate_async(request: Any) -> HttpResponse:
        return gate(request)

    views = (who_async, gate_async) if asgi else (who, gate)
    changed = override_settings(
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        MIDDLEWARE=["django_session_claims.middleware.SessionClaimsMiddleware"],
        ROOT_URLCONF=(path("who", views[0]), path("gate", login_required(views[1]))),
        SESSION_CLAIMS=_config(changes),
    )
    with changed:
        conf.use(clock=FrozenClock(float(NOW)), fetch=NoFetch())
        try:
            if asgi:
                yield Ask(asgi_sender(ASGIHandler()), notes, joins=False)
            else:
                yield Ask(wsgi_sender(WSGIHandler()), notes, joins=True)
        finally:
            conf.use()


def django_wsgi_app(changes: dict[str, Any]) -> contextlib.AbstractContextManager[Ask]:
    return _django_app(changes, asgi=False)


def django_asgi_app(changes: dict[str, Any]) -> contextlib.AbstractContextManager[Ask]:
    return _django_app(changes, asgi=True)


APPS: dict[str, Callable[[dict[str, Any]], contextlib.AbstractContextManager[Ask]]] = {
    "flask": flask_app,
    "quart": quart_app,
    "django-wsgi": django_wsgi_app,
    "django-asgi": django_asgi_app,
}
