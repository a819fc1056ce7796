"""Django under the issuing contract, as WSGI and as ASGI, by Django's own test clients.

There is one Django per process, so one app is in force at a time: that which was asked last,
until `leave`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from ..django_setup import MIDDLEWARE, setup, urlconf

setup()

import django_session_claims as claims_of  # noqa: E402
from django.test import AsyncClient, override_settings  # noqa: E402
from django.test import Client as SyncClient  # noqa: E402
from django.test.client import AsyncClientHandler, ClientHandler, FakePayload  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_session_claims import conf  # noqa: E402
from django_session_claims.urls import well_known  # noqa: E402

from flask_session_claims.io.directory import LocalDirectory  # noqa: E402
from flask_session_claims.io.hooks import Hooks  # noqa: E402
from flask_session_claims.io.sessions import Sessions  # noqa: E402
from flask_session_claims.io.templates import Templates  # noqa: E402

from ..drivers import Ask, Reply, wsgi_fields  # noqa: E402
from .drivers import (  # noqa: E402
    MOUNT,
    SECRET_KEY,
    SIGNALS,
    Client,
    Clock,
    Provide,
    Signalled,
)
from .people import Functions  # noqa: E402
from .views_django import ASYNC_VIEWS, STREAMS_BY_THREAD, SYNC_VIEWS  # noqa: E402


@dataclass
class DjangoApp:
    override: override_settings
    clock: Clock
    provide: Provide | None
    functions: Functions
    handler: Any
    meanwhile: list[Callable[[], Any]]


class DjangoDriver:
    settles_first: bool
    handler: Callable[..., Any]
    is_async: bool
    #: Whether the views are.
    views: Sequence[Any]
    in_force: ClassVar[DjangoApp | None] = None

    def build(
        self,
        settings: Mapping[str, Any],
        clock: Clock,
        *,
        provide: Provide | None = None,
        functions: Functions | None = None,
    ) -> DjangoApp:
        meanwhile: list[Callable[[], Any]] = []
        override = override_settings(
            SECRET_KEY=SECRET_KEY,
            MEANWHILE=meanwhile,
            SESSION_CLAIMS=dict(settings),
            MIDDLEWARE=MIDDLEWARE,
            ROOT_URLCONF=urlconf(
                *self.views,
                path(f"{MOUNT.lstrip('/')}/", include("django_session_claims.urls")),
                *well_known,
            ),
        )
        given = functions or Functions()
        app = DjangoApp(override, clock, provide, given, self.handler(), meanwhile)
        self.enter(app)
        app.handler.load_middleware(is_async=self.is_async)
        return app

    def enter(self, app: DjangoApp) -> None:
        """Put an app's settings in force."""
        if DjangoDriver.in_force is app:
            return
        self.leave()
        app.override.enable()
        conf.use(clock=app.clock, provide=app.provide)
        app.functions.give(conf)
        DjangoDriver.in_force = app

    def leave(self) -> None:
        """Put none in force."""
        app, DjangoDriver.in_force = DjangoDriver.in_force, None
        if app is not None:
            app.override.disable()
            conf._built.hooks, conf._built.validators = Hooks(), ()
            conf.use()

    def client(self, app: DjangoApp) -> Client:
        return Client(cast(Any, self), app, app.clock)

    def sessions(self, app: DjangoApp) -> Sessions:
        return cast(Sessions, _ActsOf(self, app, "sessions"))

    def directory(self, app: DjangoApp) -> LocalDirectory:
        return cast(LocalDirectory, _ActsOf(self, app, "directory"))

    def templates(self, app: DjangoApp) -> Templates:
        return cast(Templates, _ActsOf(self, app, "templates"))

    @contextmanager
    def signals(
        self, app: DjangoApp, told: Callable[[str, dict[str, Any]], None] | None = None
    ) -> Iterator[list[Signalled]]:
        seen: list[Signalled] = []

        def listener(name: str) -> Callable[..., None]:
            def note(sender: Any, signal: Any, **data: Any) -> None:
                if DjangoDriver.in_force is app:
                    seen.append((name, data))
                    if told is not None:
                        told(name, data)

            return note

        listeners = {name: listener(name) for name in SIGNALS}
        for name, each in listeners.items():
            getattr(claims_of, name).connect(each)
        try:
            yield seen
        finally:
            for name, each in listeners.items():
                getattr(claims_of, name).disconnect(each)


class _ActsOf:
    """The sessions of an app, say, which is put in force for each act."""

    def __init__(self, driver: DjangoDriver, app: DjangoApp, name: str) -> None:
        self._driver, self._app, self._name = driver, app, name

    def __getattr__(self, act: str) -> Any:
        self._driver.enter(self._app)
        return getattr(getattr(claims_of, self._name), act)


# --- WSGI and ASGI --------------------------------------------------------------------------


class WSGIDriver(DjangoDriver):
    settles_first = False
    handler = ClientHandler
    is_async = False
    views = SYNC_VIEWS

    def play(self, app: DjangoApp, asks: Sequence[Ask]) -> list[Reply]:
        def send(asked: Ask) -> Reply:
            client = SyncClient(raise_request_exception=False)
            client.handler = app.handler
            response = client.generic(asked.method, asked.path, **wsgi_fields(asked.headers))
            return _reply(response, b"".join(response))

        self.enter(app)
        if len(asks) == 1:
            return [send(asks[0])]
        with ThreadPoolExecutor(len(asks)) as pool:
            return list(pool.map(send, asks))


class ASGIDriver(DjangoDriver):
    settles_first = True
    handler = AsyncClientHandler
    is_async = True
    views = ASYNC_VIEWS

    def play(self, app: DjangoApp, asks: Sequence[Ask]) -> list[Reply]:
        async def send(asked: Ask) -> Reply:
            client = AsyncClient(raise_request_exception=False)
            client.handler = app.handler
            target, _, query = asked.path.partition("?")
            # The client's own methods take a dict; fields may be repeated only in a scope.
            fields = [(name.lower().encode(), value.encode()) for name, value in asked.headers]
            response = await client.request(
                method=asked.method,
                path=target,
                query_string=query,
                headers=[(b"host", b"testserver"), *fields],
                _body_file=FakePayload(b""),
            )
            if response.streaming:
                return _reply(response, b"".join([part async for part in response]))
            return _reply(response, response.content)

        async def play() -> list[Reply]:
            return list(await asyncio.gather(*(send(asked) for asked in asks)))

        self.enter(app)
        return asyncio.run(play())


class SyncViewsASGIDriver(ASGIDriver):
    """Views that Django runs in threads, behind the async middleware."""

    views = (*SYNC_VIEWS[:-2], *ASYNC_VIEWS[-2:])


class AsyncViewsWSGIDriver(WSGIDriver):
    """Views that Django runs on loops of their own, behind the sync middleware."""

    settles_first = True
    views = (*ASYNC_VIEWS[:-2], *STREAMS_BY_THREAD)


def _reply(response: Any, body: bytes) -> Reply:
    cookies = (("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values())
    return Reply(response.status_code, (*response.items(), *cookies), body)
