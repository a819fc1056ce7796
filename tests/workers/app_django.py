"""The same app in Django, as `wsgi` with sync views and as `asgi` with async ones."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings as django_settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django_session_claims import amerge_session_claims, merge_session_claims

from .counted import SECRET_KEY, counts, seen, settings


def view(request: HttpRequest) -> JsonResponse:
    auth: Any = request.auth  # type: ignore[attr-defined]
    return JsonResponse(seen(auth))


async def aview(request: HttpRequest) -> JsonResponse:
    return view(request)


def change(request: HttpRequest, plan: str) -> JsonResponse:
    return JsonResponse(seen(merge_session_claims(request, {"plan": plan})))


async def achange(request: HttpRequest, plan: str) -> JsonResponse:
    return JsonResponse(seen(await amerge_session_claims(request, {"plan": plan})))


def counted(request: HttpRequest) -> JsonResponse:
    return JsonResponse(counts())


async def acounted(request: HttpRequest) -> JsonResponse:
    return counted(request)


class Sync:
    urlpatterns = (path("", view), path("plan/<plan>", change), path("counts", counted))


class Async:
    urlpatterns = (path("", aview), path("plan/<plan>", achange), path("counts", acounted))


django_settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={},
    INSTALLED_APPS=["django_session_claims"],
    MIDDLEWARE=["django_session_claims.middleware.SessionClaimsMiddleware"],
    ROOT_URLCONF=Sync,
    SECRET_KEY=SECRET_KEY,
    SESSION_CLAIMS=settings(),
    USE_TZ=True,
)
django.setup()


def __getattr__(name: str) -> Any:
    """`wsgi` or `asgi`: a process serves one of them."""
    if name == "wsgi":
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    if name == "asgi":
        from django.core.asgi import get_asgi_application

        django_settings.ROOT_URLCONF = Async
        return get_asgi_application()
    raise AttributeError(name)
