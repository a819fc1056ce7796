"""What responses carry, and whom they sign in, where Django has ways of its own."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import django_session_claims as ours
import pytest
from asgiref.sync import markcoroutinefunction
from django.core.cache import cache
from django.core.handlers.asgi import ASGIHandler
from django.http import StreamingHttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import path
from django_session_claims import SessionClaimsMiddleware, asessions, sessions
from django_session_claims.plans import is_async

from ..django_setup import MIDDLEWARE
from .own import SAME, asgi, asign_in, own_site, set_cookies, sign_in, wsgi


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
@pytest.mark.parametrize("mode", ["inline", "endpoint"])
def test_cookies_reach_the_server_with_all_that_browsers_ask_of_them(
    factory: Any, mode: str
) -> None:
    """Django takes them apart and puts them together again."""

    def post(address: str, jar: dict[str, str]) -> dict[str, tuple[str, set[str]]]:
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        request = factory().post(address, headers={**SAME, "cookie": cookie})
        pairs = [field.split("; ") for field in set_cookies(request)]
        return {p.partition("=")[0]: (p.partition("=")[2], set(rest)) for p, *rest in pairs}

    at = "Path=/", "SameSite=Lax"
    refresh_at = at if mode == "inline" else ("Path=/auth/session/refresh", "SameSite=Strict")
    with own_site(claims={"REFRESH_MODE": mode}):
        given = post("/in", {})
        session = next(name for name in given if name.startswith("__Host-session_"))
        prefix = "__Host-" if mode == "inline" else "__Secure-"
        refresh = next(name for name in given if name.startswith(f"{prefix}refresh_"))
        kept = {"HttpOnly", "Secure", "Max-Age=604800"}
        assert {name: flags for name, (_, flags) in given.items()} == {
            session: {*kept, *at}, refresh: {*kept, *refresh_at}
        }  # fmt: skip
        ended = {"HttpOnly", "Secure", "Max-Age=0"}
        assert post("/auth/signout", {name: value for name, (value, _) in given.items()}) == {
            session: ("", {*ended, *at}), refresh: ("", {*ended, *refresh_at})
        }  # fmt: skip


@pytest.mark.parametrize(("open_browser", "address"), [(wsgi, "/late"), (asgi, "/alate")])
def test_nobody_signs_in_while_the_body_is_streamed(open_browser: Any, address: str) -> None:
    refused: list[str] = []

    def view(request: Any) -> Any:
        def body() -> Any:
            try:
                ours.create_session(request, "ada")
            except ours.SessionError as error:
                refused.append(error.code)
            yield "late"

        return StreamingHttpResponse(body())

    async def aview(request: Any) -> Any:
        async def body() -> Any:
            try:
                await ours.acreate_session(request, "ada")
            except ours.SessionError as error:
                refused.append(error.code)
            yield "late"

        return StreamingHttpResponse(body())

    with own_site(path("late", view), path("alate", aview)):
        reply = open_browser().post(address)
        parts = asyncio.run(collected(reply)) if reply.is_async else list(reply)
        assert parts == [b"late"]
        assert refused == ["headers-sent"]
        assert reply.cookies == {}
        assert sessions.list_for_user("ada") == ()


async def collected(reply: Any) -> list[bytes]:
    return [part async for part in reply]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("is_async", [False, True])
def test_who_raises_past_the_middleware_has_signed_nobody_in(error: Any, is_async: bool) -> None:
    def fails(request: Any) -> Any:
        sign_in(request)
        raise error

    async def afails(request: Any) -> Any:
        await asign_in(request)
        raise error

    async def acall() -> None:
        await SessionClaimsMiddleware(afails)(AsyncRequestFactory().post("/", headers=SAME))

    def call() -> None:
        SessionClaimsMiddleware(fails)(RequestFactory().post("/", headers=SAME))

    with own_site():
        with pytest.raises(error):
            asyncio.run(acall()) if is_async else call()
        assert sessions.list_for_user("ada") == ()


def test_a_request_that_is_cancelled_has_signed_nobody_in() -> None:
    created: list[str] = []

    async def slow(request: Any) -> Any:
        await asign_in(request)
        created.extend(s.session_id for s in await asessions.list_for_user("ada"))
        await asyncio.sleep(60)

    async def give_up() -> None:
        call = SessionClaimsMiddleware(slow)(AsyncRequestFactory().post("/", headers=SAME))
        task = asyncio.ensure_future(call)
        while not created and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        await task

    with own_site():
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(give_up())
        assert len(created) == 1
        assert sessions.list_for_user("ada") == ()


def test_a_client_that_leaves_before_the_answer_has_not_been_signed_in() -> None:
    created: list[str] = []

    async def slow(request: Any) -> Any:
        await asign_in(request)
        created.extend(s.session_id for s in await asessions.list_for_user("ada"))
        await asyncio.sleep(60)

    async def leave() -> None:
        messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

        async def receive() -> Any:
            message = next(messages)
            while message["type"] == "http.disconnect" and not created:
                await asyncio.sleep(0.01)
            return message

        async def send(message: Any) -> None:
            raise AssertionError("nobody is there")

        scope = AsyncRequestFactory().post("/slow", headers=SAME).scope
        await asyncio.wait_for(ASGIHandler()(scope, receive, send), 10)

    with own_site(path("slow", slow)):
        asyncio.run(leave())
        assert len(created) == 1
        assert sessions.list_for_user("ada") == ()


class Keeper:
    """Django's page cache, as far as it is told what it may keep."""

    sync_capable = async_capable = True
    kept: ClassVar[list[bool]] = []

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        self.is_async = is_async(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        return self.acall(request) if self.is_async else self.note(request, self.get_response)

    async def acall(self, request: Any) -> Any:
        response = await self.get_response(request)
        return self.note(request, lambda _: response)

    def note(self, request: Any, get_response: Any) -> Any:
        response = get_response(request)
        self.kept.append(request._cache_update_cache)
        return response


@pytest.mark.parametrize(
    ("open_browser", "address"), [(wsgi, "/me"), (asgi, "/still"), (asgi, "/astill")]
)
def test_no_page_cache_keeps_a_response_that_carries_tokens(
    open_browser: Any, address: str
) -> None:
    """Not every Django heeds no-store; and under ASGI there are tokens though no view reads."""
    behind = "django.middleware.cache.FetchFromCacheMiddleware"
    chain = [f"{__name__}.Keeper", *MIDDLEWARE, behind]
    cache.clear()
    Keeper.kept.clear()
    with own_site(MIDDLEWARE=chain) as clock:
        browser = open_browser()
        browser.post("/in")
        clock.advance(400)
        assert len(browser.get(address).cookies) == 2
        browser.get("/still")
    assert Keeper.kept == [False, False, True]
