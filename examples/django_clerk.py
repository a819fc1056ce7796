"""The same in Django. Set CLERK_PUBLISHABLE_KEY, then: python django_clerk.py runserver"""

import json
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django_session_claims import login_required

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django_session_claims.middleware.SessionClaimsMiddleware"],
    SESSION_CLAIMS=json.loads(os.environ.get("SESSION_CLAIMS", "{}")),  # {"ORIGINS": […]}
)


@login_required
def profile(request: HttpRequest) -> JsonResponse:
    claims = request.auth.session_claims
    return JsonResponse({"fullName": claims["fullName"], "primaryEmail": claims["primaryEmail"]})


urlpatterns = [path("profile", profile)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
