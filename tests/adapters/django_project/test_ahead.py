"""Middleware ahead of ours may change the credentials in META: what stands there then counts."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import markcoroutinefunction
from django.test import AsyncClient, Client
from django.urls import path
from django_session_claims import login_required
from django_session_claims.plans import is_async

from ..django_setup import MIDDLEWARE
from .site import BOTH, asking, awho, mint, site, who

#: What the middleware of the test at hand does.
changes: list[Callable[[dict[str, Any]], None]] = []


class Ahead:
    """Changes META, sync or async as what stands behind it."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if is_async(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        changes[0](request.META)
        return self.get_response(request)


URLS = [path("who", who), path("awho", awho), path("gate", asking(login_required))]
CHAIN = {"MIDDLEWARE": [f"{__name__}.Ahead", *MIDDLEWARE]}
EACH = pytest.mark.parametrize("address", ["/who", "/awho", "/gate"])


@pytest.fixture
def changing() -> Any:
    yield changes.append
    changes.clear()


@BOTH
@EACH
def test_what_was_taken_away_signs_nobody_in(ask: Any, address: str, changing: Any) -> None:
    changing(lambda meta: meta.pop("HTTP_AUTHORIZATION", None))
    with site(*URLS, **CHAIN):
        reply = ask(address, mint())
        assert reply.json().get("user") is None
        assert reply.status_code == (401 if address == "/gate" else 200)


@BOTH
@EACH
def test_what_was_put_there_signs_in(ask: Any, address: str, changing: Any) -> None:
    token = mint(sub="user_2")
    changing(lambda meta: meta.update(HTTP_AUTHORIZATION=f"Bearer {token}"))
    with site(*URLS, **CHAIN):
        for given in (None, mint(), mint()):
            assert ask(address, given).json()["user"] == "user_2"


@pytest.mark.parametrize("client", [Client, AsyncClient])
@EACH
def test_the_same_goes_for_cookies(client: Any, address: str, changing: Any) -> None:
    def asked() -> Any:
        one = client(raise_request_exception=False)
        one.cookies["__session"] = mint()
        reply = one.get(address)
        return asyncio.run(reply) if inspect.isawaitable(reply) else reply

    with site(*URLS, **CHAIN):
        changing(lambda meta: None)
        assert asked().json()["user"] == "user_1"
        changes[0] = lambda meta: meta.update(HTTP_COOKIE="theme=dark")
        assert asked().json().get("user") is None
        changes[0] = lambda meta: meta.pop("HTTP_COOKIE")
        assert asked().json().get("user") is None
