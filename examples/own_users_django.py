"""The same in Django. Then: python own_users_django.py runserver --noreload"""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseBadRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST
from django_session_claims import (
    create_session,
    directory,
    login_required,
    metadata_for,
    sync_user,
    templates,
)
from own_users_table import (
    FOLDER,
    TEMPLATE,
    change_role,
    metadata_of,
    profile_of,
    row_of,
    what_to_try,
)

PORT = int(os.environ.get("PORT", "8000"))

settings.configure(
    ALLOWED_HOSTS=["*"],
    BASE_DIR=FOLDER,
    DEBUG=True,  # cookies for plain http, and a key file in place of a SECRET_KEY
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django_session_claims.middleware.SessionClaimsMiddleware"],
    SESSION_CLAIMS={"ISSUER": "self", "ORIGINS": [f"http://127.0.0.1:{PORT}"]},
)
metadata_for(metadata_of)  # asked at each sign-in, and by sync_user


@require_POST
def sign_in(request: HttpRequest) -> HttpResponseBadRequest | JsonResponse:
    user_id = request.POST.get("user", "")
    if row_of(user_id) is None:  # checking a password is the project's own affair
        return HttpResponseBadRequest("user: ada or grace")
    directory.put_user(user_id, **profile_of(user_id))
    create_session(request, user_id)
    return JsonResponse({"signedIn": user_id})


@login_required
def profile(request: HttpRequest) -> JsonResponse:
    """All of it is in the token: no look into a table, nor into the session store."""
    return JsonResponse({name: request.auth.session_claims[name] for name in TEMPLATE})


@require_POST
@login_required
def role(request: HttpRequest) -> JsonResponse:
    change_role(request.auth.user_id, request.POST.get("role") or None)
    sync_user(request.auth.user_id)  # the next response says it, on every device
    return JsonResponse({"changed": True})


urlpatterns = [path("sign-in", sign_in), path("profile", profile), path("role", role)]
application = get_wsgi_application()
templates.save(TEMPLATE)  # nothing is written if it is there already

if __name__ == "__main__":
    print(what_to_try("python own_users_django.py runserver", PORT), flush=True)
    execute_from_command_line([sys.argv[0], *(sys.argv[1:] or ["runserver"]), f"{PORT}"])
