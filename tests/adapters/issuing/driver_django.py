"""Django under the issuing contract, as WSGI and as ASGI, by Django's own test clients.

There is one Django per process, so one app is in force at a time: that which was asked last,
until `leave`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, cast

from ..django_setup import MIDDLEWARE, setup, urlconf

setup()

import django_session_claims as claims_of  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.test import AsyncClient, override_settings  # noqa: E402
from django.test import Client as SyncClient  # noqa: E402
from django.test.client import AsyncClientHandler, ClientHandler, FakePayload  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views.decorators.http import require_http_methods  # noqa: E402
from django_session_claims import conf  # noqa: E402
from django_session_claims.urls import well_known  # noqa: E402

from flask_session_claims.io.sessions import Sessions  # noqa: E402

from ..drivers import Ask, Reply, wsgi_fields  # noqa: E402
from .drivers import (  # noqa: E402
    MOUNT,
    SECRET_KEY,
    SIGNALS,
    Client,
    Clock,
    Provide,
    Signalled,
    about,
    merged,
    refusal,
    session_json,
    sign_in_arguments,
    signed_in,
)


@dataclass
class DjangoApp:
    override: override_settings
    clock: Clock
    provide: Provide | None
    handler: Any


class DjangoDriver:
    settles_first: bool
    handler: Callable[..., Any]
    is_async: bool
    #: Whether the views are.
    views: Sequence[Any]
    in_force: ClassVar[DjangoApp | None] = None

    def build(
        self, settings: Mapping[str, Any], clock: Clock, *, provide: Provide | None = None
    ) -> DjangoApp:
        override = override_settings(
            SECRET_KEY=SECRET_KEY,
            SESSION_CLAIMS=dict(settings),
            MIDDLEWARE=MIDDLEWARE,
            ROOT_URLCONF=urlconf(
                *self.views,
                path(f"{MOUNT.lstrip('/')}/", include("django_session_claims.urls")),
                *well_known,
            ),
        )
        app = DjangoApp(override, clock, provide, self.handler())
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
        DjangoDriver.in_force = app

    def leave(self) -> None:
        """Put none in force."""
        app, DjangoDriver.in_force = DjangoDriver.in_force, None
        if app is not None:
            app.override.disable()
            conf.use()

    def client(self, app: DjangoApp) -> Client:
        return Client(cast(Any, self), app, app.clock)

    def sessions(self, app: DjangoApp) -> Sessions:
        return cast(Sessions, _SessionsOf(self, app))

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


class _SessionsOf:
    """The sessions of an app, which is put in force for each act."""

    def __init__(self, driver: DjangoDriver, app: DjangoApp) -> None:
        self._driver, self._app = driver, app

    def __getattr__(self, act: str) -> Any:
        self._driver.enter(self._app)
        return getattr(claims_of.sessions, act)


# --- views ----------------------------------------------------------------------------------


def sign_in(request: Any) -> Any:
    user, keywords = sign_in_arguments(request.GET)
    session = claims_of.create_session(request, user, **keywords)
    return signed_in(session, request.auth)


async def asign_in(request: Any) -> Any:
    user, keywords = sign_in_arguments(request.GET)
    session = await claims_of.acreate_session(request, user, **keywords)
    return signed_in(session, request.auth)


def sign_in_fails(request: Any) -> Any:
    return sign_in(request), int(request.GET["status"])


async def asign_in_fails(request: Any) -> Any:
    return await asign_in(request), int(request.GET["status"])


def sign_in_raises(request: Any) -> Any:
    sign_in(request)
    raise RuntimeError("the view's own mistake")


async def asign_in_raises(request: Any) -> Any:
    await asign_in(request)
    raise RuntimeError("the view's own mistake")


def peek(request: Any) -> Any:
    return about(request.auth)


async def apeek(request: Any) -> Any:
    return about(request.auth)


def cached(request: Any) -> Any:
    return JsonResponse(about(request.auth), headers={"Cache-Control": "public, max-age=60"})


async def acached(request: Any) -> Any:
    return cached(request)


def still(request: Any) -> Any:
    return {"still": True}


async def astill(request: Any) -> Any:
    return {"still": True}


def merge(request: Any) -> Any:
    patch = json.loads(request.GET["patch"])
    return merged(claims_of.merge_session_claims(request, patch), request.auth)


async def amerge(request: Any) -> Any:
    patch = json.loads(request.GET["patch"])
    return merged(await claims_of.amerge_session_claims(request, patch), request.auth)


def merge_fails(request: Any) -> Any:
    return merge(request), 500


async def amerge_fails(request: Any) -> Any:
    return await amerge(request), 500


def sign_out(request: Any) -> Any:
    return {"ended": claims_of.revoke_session(request)}


async def asign_out(request: Any) -> Any:
    return {"ended": await claims_of.arevoke_session(request)}


def session(request: Any) -> Any:
    return session_json(claims_of.current_session(request))


async def asession(request: Any) -> Any:
    return session_json(await claims_of.acurrent_session(request))


def stream(request: Any) -> Any:
    def body() -> Iterator[str]:
        yield " "
        yield json.dumps(about(request.auth))

    return StreamingHttpResponse(body(), content_type="application/json")


async def astream(request: Any) -> Any:
    async def body() -> AsyncIterator[str]:
        yield " "
        yield json.dumps(about(request.auth))

    return StreamingHttpResponse(body(), content_type="application/json")


async def astream_by_thread(request: Any) -> Any:
    return stream(request)


def _respond(answer: Any) -> Any:
    if isinstance(answer, (HttpResponse, StreamingHttpResponse)):
        return answer
    body, status = answer if isinstance(answer, tuple) else (answer, 200)
    return JsonResponse(body, status=status, safe=False)


def _responding(does: Any) -> Any:
    """A view that answers with what `does` gives, and refusals of acts as the contract says."""
    if asyncio.iscoroutinefunction(does):

        @wraps(does)
        async def aview(request: Any) -> Any:
            try:
                return _respond(await does(request))
            except claims_of.SessionError as error:
                return _respond(refusal(error))

        return aview

    @wraps(does)
    def view(request: Any) -> Any:
        try:
            return _respond(does(request))
        except claims_of.SessionError as error:
            return _respond(refusal(error))

    return view


def _routes(**views: tuple[list[str], Any]) -> list[Any]:
    routes = []
    for name, (methods, does) in views.items():
        view = _responding(does)
        if "GET" in methods:
            methods = [*methods, "HEAD"]
        if name in ("me", "merge", "merge_fails"):
            view = claims_of.login_required(view)
        routes.append(path(name.replace("_", "-"), require_http_methods(methods)(view)))
    return routes


SYNC_VIEWS = _routes(
    sign_in=(["POST"], sign_in),
    sign_in_fails=(["POST"], sign_in_fails),
    sign_in_raises=(["POST"], sign_in_raises),
    sign_in_by_get=(["GET"], sign_in),
    me=(["GET"], peek),
    peek=(["GET", "POST", "OPTIONS"], peek),
    cached=(["GET"], cached),
    still=(["GET", "POST"], still),
    merge=(["POST"], merge),
    merge_fails=(["POST"], merge_fails),
    sign_out=(["POST"], sign_out),
    session=(["GET"], session),
    stream=(["GET"], stream),
)
ASYNC_VIEWS = _routes(
    sign_in=(["POST"], asign_in),
    sign_in_fails=(["POST"], asign_in_fails),
    sign_in_raises=(["POST"], asign_in_raises),
    sign_in_by_get=(["GET"], asign_in),
    me=(["GET"], apeek),
    peek=(["GET", "POST", "OPTIONS"], apeek),
    cached=(["GET"], acached),
    still=(["GET", "POST"], astill),
    merge=(["POST"], amerge),
    merge_fails=(["POST"], amerge_fails),
    sign_out=(["POST"], asign_out),
    session=(["GET"], asession),
    stream=(["GET"], astream),
)


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

    views = (*SYNC_VIEWS[:-1], ASYNC_VIEWS[-1])


class AsyncViewsWSGIDriver(WSGIDriver):
    """Views that Django runs on loops of their own, behind the sync middleware."""

    settles_first = True
    views = (*ASYNC_VIEWS[:-1], *_routes(stream=(["GET"], astream_by_thread)))


def _reply(response: Any, body: bytes) -> Reply:
    cookies = (("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values())
    return Reply(response.status_code, (*response.items(), *cookies), body)
