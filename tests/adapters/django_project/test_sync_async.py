"""Views and middleware, sync and async, in every mixture; signals to both kinds."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from asgiref.sync import markcoroutinefunction
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django_session_claims import (
    AsyncRequestAuth,
    Auth,
    RequestAuth,
    claims_refreshed,
    login_required,
    token_rejected,
)
from django_session_claims.apps import SessionClaimsConfig
from django_session_claims.plans import is_async

from flask_session_claims.testing import KeyServer

from ..django_setup import MIDDLEWARE
from .site import BOTH, ISSUER, aget, asking, awho, get, mint, site, who

# --- sync and async -----------------------------------------------------------------------


def kinds(request: Any) -> HttpResponse:
    token = request.auth.get_token()
    return JsonResponse({"kind": kind_of(request.auth), "token": len(token or "")})


async def akinds(request: Any) -> HttpResponse:
    token = await request.auth.get_token()
    return JsonResponse({"kind": kind_of(request.auth), "token": len(token or "")})


def kind_of(auth: Any) -> str:
    kinds = {AsyncRequestAuth: "async", RequestAuth: "RequestAuth"}
    return next(kinds[one] for one in type(auth).__mro__ if one in kinds)


@BOTH
def test_each_view_gets_the_auth_that_it_can_use(ask: Any) -> None:
    token = mint()
    with site(path("sync", kinds), path("async", akinds)):
        assert ask("/sync", token).json() == {"kind": "RequestAuth", "token": len(token)}
        assert ask("/async", token).json() == {"kind": "async", "token": len(token)}


@pytest.mark.parametrize("view", [who, awho])
def test_a_guarded_view_keeps_its_name_and_attributes(view: Any) -> None:
    def copy(request: Any) -> Any: ...

    async def acopy(request: Any) -> Any: ...

    own: Any = acopy if is_async(view) else copy
    own.csrf_exempt = True
    guarded: Any = login_required(own)
    assert (guarded.__name__, guarded.csrf_exempt) == (own.__name__, True)
    assert is_async(guarded) is is_async(view)


class SyncOnly:
    """A middleware that makes Django switch to sync around it."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        response["Seen"] = request.auth.user_id or "nobody"
        return response


class AsyncOnly:
    """A middleware that makes Django switch to async around it."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        response = await self.get_response(request)
        response["Seen"] = request.auth.user_id or "nobody"
        return response


@BOTH
@pytest.mark.parametrize("other", ["SyncOnly", "AsyncOnly"])
@pytest.mark.parametrize("address", ["/sync", "/async"])
def test_it_works_in_chains_that_change_between_sync_and_async(
    ask: Any, other: str, address: str
) -> None:
    views = (
        path("sync", asking(login_required, kinds)),
        path("async", asking(login_required, akinds)),
    )
    with site(*views, MIDDLEWARE=[*MIDDLEWARE, f"{__name__}.{other}"]):
        reply = ask(address, mint())
        assert (reply.status_code, reply["Seen"]) == (200, "user_1")
        assert reply.json()["token"] > 0
        assert ask(address).status_code == 401


def test_the_async_middleware_stays_in_the_thread_of_the_loop() -> None:
    seen: list[int] = []

    async def view(request: Any) -> HttpResponse:
        seen.append(threading.get_ident())
        return HttpResponse(request.auth.user_id)

    with site(path("", login_required(view))):
        assert aget("/", mint()).content == b"user_1"
    assert seen == [threading.get_ident()]


@BOTH
def test_an_async_view_finds_the_keys_fetched(ask: Any) -> None:
    with KeyServer(ISSUER) as server:
        fetched: list[int] = []

        async def view(request: Any) -> HttpResponse:
            fetched.append(server.requests)
            return HttpResponse(request.auth.user_id)

        urls = {"JWKS": None, "JWKS_URL": server.url, "ALLOW_LOOPBACK_HTTP": True}
        with site(path("", view), claims=urls):
            assert ask("/", mint()).content == b"user_1"
        assert (fetched, server.requests) == ([1], 1)


# --- signals ------------------------------------------------------------------------------


@BOTH
def test_receivers_sync_and_async_are_told_and_cannot_do_harm(ask: Any) -> None:
    told: list[Any] = []

    def receiver(sender: Any, **data: Any) -> None:
        told.append((sender, data["reason"], data["source"]))

    async def areceiver(sender: Any, **data: Any) -> None:
        told.append(data["reason"])

    def broken(sender: Any, **data: Any) -> None:
        raise RuntimeError("the receiver's own mistake")

    receivers = (broken, receiver, areceiver)
    for each in receivers:
        token_rejected.connect(each)
    try:
        with site(path("", who)):
            assert ask("/", "a.b.c").json()["reason"] == "token-invalid"
            assert ask("/", mint()).status_code == 200
            assert ask("/").status_code == 200
    finally:
        for each in receivers:
            token_rejected.disconnect(each)
    assert sorted(told, key=str) == [
        (SessionClaimsConfig, "token-invalid", "header"), "token-invalid"
    ]  # fmt: skip


def issued(after: int, **claims: Any) -> str:
    return mint(iat=1_700_000_000 + after, nbf=1_700_000_000, **claims)


def test_changed_claims_are_told_once_by_sync_and_async_views_together() -> None:
    """One process may serve both, and a session goes from one to the other."""
    told: list[Any] = []

    def receiver(sender: Any, *, auth: Auth, changed: frozenset[str], **extra: Any) -> None:
        told.append((sender, auth.user_id, sorted(changed)))

    async def areceiver(sender: Any, **data: Any) -> None:
        told.append("async")

    def broken(sender: Any, **data: Any) -> None:
        raise RuntimeError("the receiver's own mistake")

    tokens = [issued(0, plan="free"), issued(10, plan="pro"), issued(20, plan="pro", seats=3)]
    receivers = (broken, receiver, areceiver)
    with site(path("", who), path("later", awho)):
        for each in receivers:
            claims_refreshed.connect(each)
        try:
            for token in (*tokens, *tokens):
                for ask, address in ((get, "/"), (aget, "/later"), (aget, "/"), (get, "/later")):
                    assert ask(address, token).json()["user"] == "user_1"
                    assert ask(address, mint(sts="pending", plan="x")).json()["user"] is None
        finally:
            for each in receivers:
                claims_refreshed.disconnect(each)
    changes = [(SessionClaimsConfig, "user_1", [name]) for name in ("plan", "seats")]
    assert [entry for entry in told if entry != "async"] == changes
    assert told.count("async") == len(changes)
