"""The same API in Django: python site_django.py runserver"""

from __future__ import annotations

import json
import logging
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django_session_claims import claims_required, get_auth, login_required

logging.basicConfig(level=logging.DEBUG)

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django_session_claims.middleware.SessionClaimsMiddleware"],
    SESSION_CLAIMS=json.loads(os.environ["SESSION_CLAIMS"]),
)


def who(request: HttpRequest) -> JsonResponse:
    auth = get_auth(request)
    return JsonResponse({"user": auth.user_id, "reason": auth.reason})


@login_required
def me(request: HttpRequest) -> JsonResponse:
    auth = get_auth(request)
    claims = {name: auth.session_claims.get(name) for name in ("plan", "team")}
    known = {"user": auth.user_id, "type": auth.token_type, "scopes": list(auth.scopes)}
    return JsonResponse({**known, **claims})


@claims_required(claims={"plan": "pro"})
def reports(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": get_auth(request).user_id})


urlpatterns = [path("who", who), path("me", me), path("reports", reports)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
