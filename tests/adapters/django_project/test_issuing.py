"""Sessions of the project's own, sync and async; the rest is in the contract."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import django_session_claims as ours
import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse
from django.urls import path
from django.utils.asyncio import async_unsafe
from django_session_claims import asessions, sessions
from django_session_claims.apps import SessionClaimsConfig
from django_session_claims.signals import SESSION_SIGNALS

from flask_session_claims.io import signals as io_signals

from .own import BOTH, SAME, asgi, own_site, wsgi

#: The same act in a sync and in an async view.
EACH_IN = pytest.mark.parametrize("address", ["/in", "/ain"])
EACH_ME = pytest.mark.parametrize("me", ["/me", "/ame"])


# --- sync and async -----------------------------------------------------------------------


@BOTH
@EACH_IN
@EACH_ME
@pytest.mark.parametrize("policy", ["public", "optional"])
def test_every_mixture_of_views_and_servers_signs_in_changes_and_refreshes(
    open_browser: Any, address: str, me: str, policy: str
) -> None:
    with own_site(claims={"DEFAULT_POLICY": policy}) as clock:
        browser = open_browser()
        assert browser.post(address).status_code == 200
        changed = browser.post("/amerge" if "a" in address else "/merge")
        assert changed.json()["plan"]["plan"] == "pro"
        before = browser.cookies
        clock.advance(400)
        # Under "public" a view without a gate sees nobody; an act finds out for itself.
        seen = browser.post("/merge" if me == "/me" else "/amerge") if policy == "public" else None
        seen = seen or browser.get(me)
        assert seen.status_code == 200
        assert all(browser.cookies[name] != before[name] for name in ("session", "refresh"))


def test_a_session_goes_from_a_sync_to_an_async_request_and_back() -> None:
    with own_site():
        there, back = wsgi(), asgi()
        there.post("/in")
        back.client.cookies = there.client.cookies
        assert back.get("/ame").json() == {"user": "ada", "plan": "free", "reason": None}
        back.post("/amerge")
        assert there.get("/me").json()["plan"] == "pro"
        back.post("/auth/signout")
        assert there.get("/me").json()["user"] is None


@pytest.mark.parametrize("name", ["create_session", "merge_session_claims", "revoke_session",
                                  "current_session"])  # fmt: skip
def test_the_twins_take_the_same_arguments(name: str) -> None:
    sync, twin = getattr(ours, name), getattr(ours, f"a{name}")
    assert inspect.signature(sync) == inspect.signature(twin)
    assert inspect.iscoroutinefunction(twin)
    assert twin.__doc__ == f"Async form of `{name}`."


@BOTH
@pytest.mark.parametrize("act", ["create_session", "sessions"])
def test_what_would_block_the_loop_is_refused_and_the_async_form_named(
    open_browser: Any, act: str
) -> None:
    async def view(request: Any) -> HttpResponse:
        try:
            if act == "sessions":
                sessions.create("ada")
            else:
                ours.create_session(request, "ada")
        except SynchronousOnlyOperation as error:
            return HttpResponse(str(error))
        raise AssertionError("it was done")

    with own_site(path("view", view)):
        said = open_browser().post("/view").content.decode()
        assert f"await a{act}" in said
        assert sessions.list_for_user("ada") == ()


@BOTH
def test_an_async_view_has_the_acts_from_anywhere(open_browser: Any) -> None:
    async def view(request: Any) -> HttpResponse:
        return HttpResponse(f"{len(await asessions.list_for_user('ada'))}")

    with own_site(path("view", view)):
        sessions.create("ada")
        assert open_browser().get("/view").content == b"1"


@async_unsafe("as Django's database is")
def look_up(user_id: str) -> dict[str, str]:
    return {"name": user_id.title()}


def hook(user_id: str, session: Any) -> dict[str, str]:
    return look_up(user_id)


async def ahook(user_id: str, session: Any) -> dict[str, str]:
    await asyncio.sleep(0)
    return await sync_to_async(look_up)(user_id)


class Hook:
    async def __call__(self, user_id: str, session: Any) -> dict[str, str]:
        return await ahook(user_id, session)


HOOKS = pytest.mark.parametrize("provide", [hook, ahook, Hook()], ids=["sync", "async", "object"])


@BOTH
@EACH_IN
@HOOKS
def test_a_hook_sync_or_async_may_wait_for_the_database(
    open_browser: Any, address: str, provide: Any
) -> None:
    with own_site(provide=provide) as clock:
        browser = open_browser()
        assert browser.post(address).status_code == 200
        clock.advance(400)
        for _ in range(2):  # refreshed ahead of the view, and read from the token
            assert browser.get("/me").json()["user"] == "ada"
        [session] = sessions.list_for_user("ada")
        assert session.claims == {"name": "Ada", "plan": "free"}


def test_an_async_hook_serves_djangos_sync_client_in_an_async_test() -> None:
    async def visit(browser: Any) -> Any:
        return browser.client.get("/me", headers=SAME)

    with own_site(provide=ahook) as clock:
        browser = wsgi()
        browser.post("/in")
        clock.advance(400)
        assert asyncio.run(visit(browser)).json()["user"] == "ada"
        [session] = sessions.list_for_user("ada")
        assert session.last_seen_at == clock()


@HOOKS
def test_a_hook_serves_both_twins_from_anywhere(provide: Any) -> None:
    with own_site(provide=provide):
        assert sessions.create("ada").claims["name"] == "Ada"
        assert asyncio.run(asessions.create("ada")).claims["name"] == "Ada"


# --- signals ------------------------------------------------------------------------------


def test_every_event_of_the_issuer_has_a_signal() -> None:
    assert list(SESSION_SIGNALS) == list(io_signals.SESSION_SIGNALS)
    assert all(getattr(ours, name) is signal for name, signal in SESSION_SIGNALS.items())


@BOTH
@EACH_IN
def test_receivers_sync_and_async_hear_of_sessions_and_cannot_do_harm(
    open_browser: Any, address: str
) -> None:
    told: list[Any] = []

    def receiver(sender: Any, *, session: Any, **extra: Any) -> None:
        assert sessions.get(session.session_id) == session  # it has happened
        told.append((sender, session.user_id))

    async def areceiver(sender: Any, *, session: Any, **extra: Any) -> None:
        assert await asessions.get(session.session_id) == session
        told.append((sender, session.user_id))

    def broken(sender: Any, **extra: Any) -> None:
        raise RuntimeError("the receiver's own mistake")

    receivers = (broken, receiver, areceiver)
    for each in receivers:
        ours.session_created.connect(each)
    try:
        with own_site():
            assert open_browser().post(address).status_code == 200
    finally:
        for each in receivers:
            ours.session_created.disconnect(each)
    assert told == [(SessionClaimsConfig, "ada")] * 2
