"""Quart and Django: code that must type-check. `test_checkers` runs mypy and pyright over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import django_session_claims as django
import quart as quart_framework
import quart_session_claims as quart
from django.http import HttpRequest, HttpResponse
from typing_extensions import assert_type

from flask_session_claims import Auth, Session


@dataclass
class Claims:
    sub: str


@quart.login_required
async def quart_view(number: int) -> str:
    assert_type(quart.current_auth.claims_as(Claims), Claims)
    assert_type(await quart.current_auth.get_token(), str | None)
    assert_type(quart.current_auth.user_id, str | None)
    assert_type(quart.current_auth.has(role="admin"), bool)
    assert_type(quart.get_auth(), Auth)
    assert_type(quart.get_auth(default=None), Auth | None)
    return str(number)


@quart.login_required()
async def quart_empty(number: int) -> str:
    return str(number)


quart_app = quart_framework.Quart(__name__)
quart_app.before_request(quart.login_required)
quart_app.before_websocket(quart.claims_required(role="admin"))


@django.login_required()
def django_empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@django.login_required
def django_view(request: HttpRequest) -> HttpResponse:
    auth = django.get_auth(request)
    assert_type(auth, Auth)
    assert_type(django.get_auth(request, None), Auth | None)
    assert_type(auth.claims_as(Claims), Claims)
    return HttpResponse()


@django.claims_required(role="admin")
def django_asked(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse()


one: Callable[[int], Awaitable[Any]] = quart_view
three: Callable[[int], Awaitable[Any]] = quart_empty
four: Callable[[HttpRequest], HttpResponse] = django_empty
two: Callable[[HttpRequest, int], HttpResponse] = django_asked


async def quart_acts() -> None:
    assert_type(await quart.create_session("user_1", claims={"plan": "pro"}), Session)
    assert_type(await quart.merge_session_claims({"plan": None}), Auth)
    assert_type(await quart.current_session(), Session | None)
    assert_type(await quart.revoke_session(), bool)


async def django_acts(request: HttpRequest) -> None:
    assert_type(django.create_session(request, "user_1"), Session)
    assert_type(await django.amerge_session_claims(request, {}), Auth)
    assert_type(django.sessions.get("sess_1"), Session | None)
    assert_type(await django.asessions.revoke("sess_1"), bool)
