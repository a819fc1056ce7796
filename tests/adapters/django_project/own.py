"""A Django site that is its own issuer, per test, and browsers that visit it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path
from django_session_claims import (
    acreate_session,
    amerge_session_claims,
    conf,
    create_session,
    merge_session_claims,
)
from django_session_claims.urls import well_known

from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..django_setup import urlconf

SAME = {"sec-fetch-site": "same-origin"}
CROSS = {"sec-fetch-site": "cross-site"}


def sign_in(request: Any) -> HttpResponse:
    session = create_session(request, "ada", claims={"plan": "free"})
    return JsonResponse({"sid": session.session_id})


async def asign_in(request: Any) -> HttpResponse:
    session = await acreate_session(request, "ada", claims={"plan": "free"})
    return JsonResponse({"sid": session.session_id})


def merge(request: Any) -> HttpResponse:
    return JsonResponse({"plan": merge_session_claims(request, {"plan": "pro"}).session_claims})


async def amerge(request: Any) -> HttpResponse:
    auth = await amerge_session_claims(request, {"plan": "pro"})
    return JsonResponse({"plan": auth.session_claims})


def me(request: Any) -> HttpResponse:
    auth = request.auth
    return JsonResponse(
        {"user": auth.user_id, "plan": auth.session_claims.get("plan"), "reason": auth.reason}
    )


async def ame(request: Any) -> HttpResponse:
    return me(request)


def still(request: Any) -> HttpResponse:
    return HttpResponse("still")


async def astill(request: Any) -> HttpResponse:
    return HttpResponse("still")


VIEWS = (
    path("in", sign_in),
    path("ain", asign_in),
    path("merge", merge),
    path("amerge", amerge),
    path("me", me),
    path("ame", ame),
    path("still", still),
    path("astill", astill),
)
ENDPOINTS = (path("auth/", include("django_session_claims.urls")), *well_known)


@contextmanager
def own_site(
    *patterns: Any,
    claims: dict[str, Any] | None = None,
    clock: Any = None,
    provide: Any = None,
    endpoints: bool = True,
    **more: Any,
) -> Iterator[FrozenClock]:
    """A site of its own in force: `patterns` besides VIEWS, and what SESSION_CLAIMS also says."""
    clock = clock or FrozenClock()
    settings = {"ISSUER": "self", "STORE": MemoryStore(), **(claims or {})}
    urls = urlconf(*patterns, *VIEWS, *(ENDPOINTS if endpoints else ()))
    conf.use(clock=clock, provide=provide)
    try:
        with override_settings(SESSION_CLAIMS=settings, ROOT_URLCONF=urls, **more):
            yield clock
    finally:
        conf.use()


class Browser:
    """Django's test client, WSGI or ASGI, that says of itself that it is on a page of the site."""

    def __init__(self, *, is_async: bool, **options: Any) -> None:
        kind = AsyncClient if is_async else Client
        self.client = kind(raise_request_exception=False, **options)

    def get(self, address: str, headers: Any = SAME) -> Any:
        return self._answer(self.client.get(address, headers=headers))

    def post(self, address: str, data: Any = None, headers: Any = SAME) -> Any:
        return self._answer(self.client.post(address, data, headers=headers))

    @staticmethod
    def _answer(sent: Any) -> Any:
        async def wait() -> Any:
            return await sent

        return asyncio.run(wait()) if asyncio.iscoroutine(sent) else sent

    @property
    def cookies(self) -> dict[str, str]:
        """By what they are: session, refresh."""
        kept = {name: morsel.value for name, morsel in self.client.cookies.items()}
        return {
            name.removeprefix("__Host-").rpartition("_")[0]: value for name, value in kept.items()
        }


def wsgi(**options: Any) -> Browser:
    return Browser(is_async=False, **options)


def asgi(**options: Any) -> Browser:
    return Browser(is_async=True, **options)


def set_cookies(request: Any) -> list[str]:
    """The Set-Cookie fields of the reply, as a server gets them."""
    sent: list[Any] = []
    if isinstance(request, WSGIRequest):
        WSGIHandler()(request.environ, lambda status, headers: sent.extend(headers))
        return [value.strip() for name, value in sent if name == "Set-Cookie"]

    async def talk() -> None:
        asked = iter([{"type": "http.request", "body": b""}])

        async def receive() -> Any:
            for message in asked:
                return message
            await asyncio.sleep(3600)  # the client stays

        async def send(message: Any) -> None:
            sent.extend(message.get("headers", ()))

        await ASGIHandler()(request.scope, receive, send)

    asyncio.run(talk())
    return [value.decode() for name, value in sent if name.lower() == b"set-cookie"]


BOTH = pytest.mark.parametrize("open_browser", [wsgi, asgi])


class Reader:
    """A middleware behind ours that reads who it is, before any view."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        user = request.auth.user_id
        response = self.get_response(request)
        response["Seen"] = user or "nobody"
        return response
