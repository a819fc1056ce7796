"""Sessions beside Django's own database: transactions, and its own sign-in; without Flask.

A process of its own, for Django's databases and apps are given once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SITE = """
import json, sys
sys.modules.update(dict.fromkeys(["flask", "werkzeug", "quart"]))
import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

claims = "django_session_claims.middleware.SessionClaimsMiddleware"
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        name: {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"file:{name}?mode=memory&cache=shared",
            "ATOMIC_REQUESTS": True,
        }
        for name in ("default", "other")
    },
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "django_session_claims",
    ],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        claims,
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="tests only " * 5,
    SESSION_CLAIMS={"ISSUER": "self", "STORE": "memory:"},
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client
from django_session_claims import (
    create_session, merge_session_claims, provide, session_created, session_revoked, sessions,
)
from django_session_claims.urls import well_known


@provide
def groups(user_id, session):
    return {"groups": Group.objects.count()}


@login_not_required
def sign_in(request):
    create_session(request, "ada")
    return HttpResponse("in")


@login_not_required
def sign_in_fails(request):
    create_session(request, "eve")
    Group.objects.create(name="eve's")
    raise RuntimeError("the view's own mistake")


@login_not_required
def merge_fails(request):
    merge_session_claims(request, {"plan": "pro"})
    Group.objects.create(name="pro")
    raise RuntimeError("the view's own mistake")


urlpatterns = [
    path("in", sign_in),
    path("in-fails", sign_in_fails),
    path("merge-fails", merge_fails),
    path("auth/", include("django_session_claims.urls")),
    *well_known,
]
call_command("migrate", verbosity=0)
within = []


def note(sender, **data):
    inside = [name for name in connections if connections[name].in_atomic_block]
    within.append(inside)


session_created.connect(note)
session_revoked.connect(note)
said = {}
headers = {"sec-fetch-site": "same-origin"}
browser = Client(raise_request_exception=False, headers=headers)


def post(address):
    return browser.post(address).status_code


said["failed sign-in"] = post("/in-fails")
said["eve"] = len(sessions.list_for_user("eve"))
said["groups"] = Group.objects.count()
within.clear()
said["sign-in"] = post("/in")
said["failed merge"] = post("/merge-fails")
said["claims"] = dict(sessions.list_for_user("ada")[0].claims)
said["groups afterwards"] = Group.objects.count()
said["refresh"] = post("/auth/session/refresh")
said["keys"] = browser.get("/.well-known/jwks.json").status_code
said["sign-out"] = post("/auth/signout")
said["in transactions"] = within
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SITE],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def test_a_view_whose_transaction_is_rolled_back_has_signed_nobody_in(said: Any) -> None:
    assert (said["failed sign-in"], said["eve"], said["groups"]) == (500, 0, 0)


def test_a_merge_holds_though_the_views_transaction_is_rolled_back(said: Any) -> None:
    assert (said["failed merge"], said["groups afterwards"]) == (500, 0)
    assert said["claims"] == {"groups": 0, "plan": "pro"}


def test_the_endpoints_open_no_transaction(said: Any) -> None:
    in_the_view, in_the_endpoint = said["in transactions"]
    assert (sorted(in_the_view), in_the_endpoint) == (["default", "other"], [])


def test_djangos_own_sign_in_does_not_stand_before_the_endpoints(said: Any) -> None:
    assert [said[name] for name in ("sign-in", "refresh", "keys", "sign-out")] == [200] * 4
