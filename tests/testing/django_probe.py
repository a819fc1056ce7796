"""Run by test_signed_in.py in a process of its own, because Django has one settings per process.

Prints as JSON what a view saw from clients that were signed in in different ways.
"""

import asyncio
import json
import sys

import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], SECRET_KEY="x" * 50)
django.setup()

from django.test import AsyncClient, Client  # noqa: E402

from flask_session_claims.testing import signed_in  # noqa: E402


def seen(request):
    return JsonResponse({"cookie": request.COOKIES, "header": request.headers.get("Authorization")})


urlpatterns = [path("", seen)]

WAYS = {
    "cookie": {},
    "named": {"cookie_name": "__Host-session"},
    "header": {"source": "header"},
}


def ask_sync():
    answers = {}
    for name, options in WAYS.items():
        client = signed_in(Client(), "a.b.c", **options)
        answers[name] = [client.get("/").json(), client.post("/").json()]
    own = signed_in(Client(), "a.b.c", source="header")
    answers["own header"] = own.get("/", headers={"Authorization": "Basic x"}).json()["header"]
    return answers


async def ask_async():
    answers = {}
    for name, options in WAYS.items():
        client = signed_in(AsyncClient(), "a.b.c", **options)
        answers[name] = [(await client.get("/")).json(), (await client.post("/")).json()]
    own = signed_in(AsyncClient(), "a.b.c", source="header")
    response = await own.get("/", headers={"Authorization": "Basic x"})
    answers["own header"] = response.json()["header"]
    return answers


json.dump({"Client": ask_sync(), "AsyncClient": asyncio.run(ask_async())}, sys.stdout)
