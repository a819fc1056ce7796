"""The same in Django, under WSGI."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django_session_claims import (
    BooleanClaim,
    add_claims,
    claims_required,
    create_session,
    login_required,
    merge_session_claims,
    sessions,
)
from werkzeug.serving import run_simple

from tests.browser.pages import HEADERS, PAGES, REACT, WORK, Behind, page, script

PREFIX = "FLASK_SESSION_CLAIMS_"


def value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


settings.configure(
    ALLOWED_HOSTS=["*"],
    BASE_DIR=WORK,
    SECRET_KEY=os.environ["FLASK_SECRET_KEY"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["corsheaders"],
    CORS_ALLOWED_ORIGINS=PAGES,
    CORS_ALLOW_CREDENTIALS=True,
    CORS_ALLOW_HEADERS=HEADERS,
    MIDDLEWARE=[
        f"{__name__}.note",
        "corsheaders.middleware.CorsMiddleware",
        "django_session_claims.middleware.SessionClaimsMiddleware",
    ],
    SESSION_CLAIMS={
        name.removeprefix(PREFIX): value(text)
        for name, text in os.environ.items()
        if name.startswith(PREFIX)
    },
)
behind = Behind()
verified = BooleanClaim("verified", behind.is_confirmed)
add_claims(verified)


def note(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        behind.note(request.method or "", request.path, response.status_code)
        return response

    return middleware


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(page(request.GET, f"http://{request.get_host()}"))


def react(request: HttpRequest) -> HttpResponse:
    return HttpResponse(REACT)


def send(request: HttpRequest, folder: str, name: str) -> HttpResponse:
    return HttpResponse(script(folder, name), content_type="text/javascript")


@csrf_exempt
def sign_in(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {"user": create_session(request, "user_ada", claims={"plan": "free"}).user_id}
    )


@login_required
def me(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.auth.user_id, "plan": request.auth.session_claims["plan"]})


def whoever(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.auth.user_id})


@login_required
def change_plan(request: HttpRequest, plan: str) -> JsonResponse:
    auth = merge_session_claims(request, {"plan": plan})
    return JsonResponse({"plan": auth.session_claims["plan"]})


@claims_required(validators=[verified.is_true(max_age=1)])
def confirmed_only(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.auth.user_id})


def calls(request: HttpRequest) -> JsonResponse:
    return JsonResponse(behind.calls, safe=False)


def behind_its_back(request: HttpRequest, act: str, user_id: str) -> JsonResponse:
    behind.act(act, user_id)
    if act == "upgrade":
        sessions.merge_claims_for_user(user_id, {"plan": "team"})
    if act == "revoke":
        sessions.revoke_all(user_id)
    return JsonResponse({"live": len(sessions.list_for_user(user_id))})


urlpatterns = [
    path("", show),
    path("react", react),
    path("bundle/<name>", send, {"folder": "bundle"}),
    path("built/<name>", send, {"folder": "built"}),
    path("auth/", include("django_session_claims.urls")),
    path("api/sign-in", sign_in),
    path("api/me", me),
    path("api/whoever", whoever),
    path("api/plan/<plan>", change_plan),
    path("api/confirmed-only", confirmed_only),
    path("told", calls),
    path("behind/<act>/<user_id>", behind_its_back),
]

if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), threaded=True)
