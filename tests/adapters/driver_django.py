"""Django under the contract, as WSGI and as ASGI, by Django's own test clients.

There is one Django per process, so a site's settings are in force only while it is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from .django_setup import MIDDLEWARE, setup, urlconf

setup()

import django_session_claims  # noqa: E402
from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.test import AsyncClient, Client, override_settings  # noqa: E402
from django.test.client import AsyncClientHandler, ClientHandler, FakePayload  # noqa: E402
from django.urls import path  # noqa: E402
from django.views import View as ClassView  # noqa: E402

from .drivers import Ask, Reply, Site, dressed, wsgi_fields  # noqa: E402
from .views import VIEWS, View  # noqa: E402


class DjangoHere:
    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def auth(self) -> Any:
        return self._request.auth  # type: ignore[attr-defined]

    def get_auth(self) -> django_session_claims.Auth:
        return django_session_claims.get_auth(self._request)


@dataclass
class DjangoSite:
    settings: dict[str, Any]
    handler: Any


class DjangoDriver:
    vocabulary = django_session_claims
    handler: Callable[..., Any]
    is_async: bool
    #: Middleware of the app's own, behind ours.
    inner: Sequence[str] = ()

    def build(self, site: Site, settings: Mapping[str, Any], handlers: bool) -> DjangoSite:
        routes = [route(site, view, self.is_async) for view in VIEWS]
        named = dict.fromkeys(("handler401", "handler403", "handler503"), handle)
        changed = {
            "SESSION_CLAIMS": dict(settings),
            "MIDDLEWARE": [*MIDDLEWARE, *self.inner],
            "ROOT_URLCONF": urlconf(*routes, **(named if handlers else {})),
        }
        handler = self.handler()
        with override_settings(**changed):
            handler.load_middleware(is_async=self.is_async)
        return DjangoSite(changed, handler)

    @contextmanager
    def rejections(self, app: DjangoSite) -> Iterator[list[tuple[str, str | None]]]:
        seen: list[tuple[str, str | None]] = []

        def note(sender: Any, *, reason: str, source: str | None, **extra: Any) -> None:
            seen.append((reason, source))

        django_session_claims.token_rejected.connect(note)
        try:
            yield seen
        finally:
            django_session_claims.token_rejected.disconnect(note)


class WSGIDriver(DjangoDriver):
    handler = ClientHandler
    is_async = False

    def play(
        self, app: DjangoSite, asks: Sequence[Ask], *, together: bool, held_open: bool
    ) -> list[Reply]:
        # Nothing of Django outlives a request but its handler, which all asks share.
        def send(asked: Ask) -> Reply:
            client = Client(raise_request_exception=False)
            client.handler = app.handler
            return reply_of(client.generic(asked.method, asked.path, **wsgi_fields(asked.headers)))

        with override_settings(**app.settings):
            if not together:
                return [send(asked) for asked in asks]
            with ThreadPoolExecutor(len(asks)) as pool:
                return list(pool.map(send, asks))


class ASGIDriver(DjangoDriver):
    handler = AsyncClientHandler
    is_async = True

    def play(
        self, app: DjangoSite, asks: Sequence[Ask], *, together: bool, held_open: bool
    ) -> list[Reply]:
        async def send(asked: Ask) -> Reply:
            client = AsyncClient(raise_request_exception=False)
            client.handler = app.handler
            target, _, query = asked.path.partition("?")
            # The client's own methods take a dict; fields may be repeated only in a scope.
            fields = [(name.lower().encode(), value.encode()) for name, value in asked.headers]
            return reply_of(
                await client.request(
                    method=asked.method,
                    path=target,
                    query_string=query,
                    headers=[(b"host", b"testserver"), *fields],
                    _body_file=FakePayload(b""),
                )
            )

        async def play() -> list[Reply]:
            if together:
                return list(await asyncio.gather(*(send(asked) for asked in asks)))
            return [await send(asked) for asked in asks]

        with override_settings(**app.settings):
            return asyncio.run(play())


class Watching:
    """A middleware of the app's own that sees which exceptions views raise, and answers none."""

    sync_capable = async_capable = True
    seen: ClassVar[list[Exception]] = []

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        self.seen.append(exception)


class Answering(Watching):
    """The same, but it answers our refusals in its own way."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        code = getattr(exception, "error_code", None)
        return None if code is None else JsonResponse({"own": code}, status=418)


def handle(request: HttpRequest, exception: Any) -> HttpResponse:
    status = exception.refusal.status
    return JsonResponse({"handled": status, "code": exception.error_code}, status=status)


def reply_of(response: HttpResponse) -> Reply:
    return Reply(response.status_code, tuple(response.items()), response.content)


def route(site: Site, view: View, is_async: bool) -> Any:
    def answer(request: HttpRequest) -> HttpResponse:
        return respond(view, site.act(view, DjangoHere(request)))

    async def aanswer(request: HttpRequest) -> HttpResponse:
        return respond(view, await site.aact(view, DjangoHere(request)))

    wants_async = view.style == "async" or (is_async and view.style != "sync")
    function: Any = aanswer if wants_async else answer
    if view.style == "class":
        body = function
        methods = {name.lower(): lambda self, request: body(request) for name in view.methods}
        if wants_async:

            async def method(self: Any, request: HttpRequest) -> HttpResponse:
                return await aanswer(request)

            methods = {name.lower(): method for name in view.methods}
        function = type("Made", (ClassView,), methods).as_view()
    gated = function
    for gate in view.gates:
        gated = gate(django_session_claims)(gated)
    registered = function if view.wrong_order else dressed(view, gated, function)
    return path(view.name, registered)


def respond(view: View, answer: dict[str, Any]) -> HttpResponse:
    return JsonResponse(answer, headers=dict(view.headers))
