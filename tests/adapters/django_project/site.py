"""A Django site per test: its settings, its views, and what it answers under WSGI and ASGI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django_session_claims.plans import is_async

from flask_session_claims.testing import LocalIssuer, shared_key, signed_in

from ..django_setup import urlconf

ISSUER = LocalIssuer(key=shared_key("RS256"))
PARTY = "https://app.example"
GOOD: dict[str, Any] = {"ISSUER": ISSUER.issuer, "JWKS": ISSUER.jwks(), "ORIGINS": [PARTY]}
ADMIN = {"org_id": "org_1", "org_role": "org:admin"}


def mint(**claims: Any) -> str:
    return ISSUER.mint(azp=PARTY, **claims)


def site(*patterns: Any, claims: dict[str, Any] | None = None, **more: Any) -> override_settings:
    """The settings of a test: views at their paths, and what SESSION_CLAIMS says besides GOOD."""
    names = {name: more.pop(name) for name in list(more) if name.startswith("handler")}
    return override_settings(
        ROOT_URLCONF=urlconf(*patterns, **names), SESSION_CLAIMS={**GOOD, **(claims or {})}, **more
    )


def get(address: str, token: str | None = None, **options: Any) -> Any:
    """The reply of Django under WSGI."""
    client = Client(raise_request_exception=False)
    if token is not None:
        signed_in(client, token, source="header")
    return client.get(address, **options)


def aget(address: str, token: str | None = None, **options: Any) -> Any:
    """The reply of Django under ASGI."""

    async def ask() -> Any:
        client = AsyncClient(raise_request_exception=False)
        if token is not None:
            signed_in(client, token, source="header")
        return await client.get(address, **options)

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("ask", [get, aget], ids=["wsgi", "asgi"])


def who(request: Any) -> HttpResponse:
    return JsonResponse({"user": request.auth.user_id, "reason": request.auth.reason})


async def awho(request: Any) -> HttpResponse:
    return JsonResponse({"user": request.auth.user_id, "reason": request.auth.reason})


def asking(gate: Any, view: Any = who) -> Any:
    """A view of its own behind a gate (which marks what it is given)."""
    if is_async(view):

        async def aown(request: Any) -> HttpResponse:
            return await view(request)

        return gate(aown)
    return gate(lambda request: view(request))
