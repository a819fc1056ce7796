"""`auth_as` in Django: in both clients, and around a view with the middleware put on."""

import asyncio
import json

import pytest

pytest.importorskip("django")

from tests.adapters import django_setup

django_setup.setup()

from django.http import JsonResponse  # noqa: E402
from django.test import (  # noqa: E402
    AsyncClient,
    AsyncRequestFactory,
    Client,
    RequestFactory,
    override_settings,
)
from django.urls import path  # noqa: E402
from django_session_claims import (  # noqa: E402
    ConfigurationError,
    NotSignedIn,
    SessionClaimsMiddleware,
    claims_required,
    get_auth,
    login_required,
)

from flask_session_claims.testing import (  # noqa: E402
    LocalIssuer,
    auth_as,
    shared_key,
    signed_in,
)

ISSUER = LocalIssuer(key=shared_key("RS256"))


def who(request):
    return JsonResponse({"user": request.auth.user_id})


@login_required
def mine(request):
    return JsonResponse({"user": get_auth(request).user_id})


@login_required
async def later(request):
    return JsonResponse({"user": request.auth.user_id})


@claims_required(role="admin")
def admin(request):
    return JsonResponse({"user": request.auth.user_id})


URLS = django_setup.urlconf(
    path("", who), path("mine", mine), path("later", later), path("admin", admin)
)


@pytest.fixture(autouse=True)
def site():
    claims = {"ISSUER": ISSUER.issuer, "JWKS": ISSUER.jwks()}
    with override_settings(SESSION_CLAIMS=claims, ROOT_URLCONF=URLS):
        yield


def told(reply):
    return json.loads(reply.content)["user"] if reply.status_code == 200 else reply.status_code


PATHS = {"/": None, "/mine": 401, "/later": 401, "/admin": 401}


@pytest.mark.parametrize(("path", "closed"), PATHS.items())
def test_a_client_is_signed_in_inside_the_block_and_not_outside(path, closed):
    assert told(Client().get(path)) == closed
    with auth_as("user_7", role="admin"):
        assert told(Client().get(path)) == "user_7"
    assert told(Client().get(path)) == closed


@pytest.mark.parametrize(("path", "closed"), PATHS.items())
def test_an_asynchronous_client_is_too(path, closed):
    async def play():
        assert told(await AsyncClient().get(path)) == closed
        with auth_as("user_7", role="admin"):
            assert told(await AsyncClient().get(path)) == "user_7"
        assert told(await AsyncClient().get(path)) == closed

    asyncio.run(play())


def test_gates_judge_whom_the_block_describes():
    with auth_as("user_7", role="member"):
        assert told(Client().get("/admin")) == 403


def test_a_real_token_counts_again_after_the_block():
    client = signed_in(Client(), ISSUER.mint("user_real"))
    with auth_as("user_7"):
        assert told(client.get("/")) == "user_7"
    assert told(client.get("/")) == "user_real"


def test_a_view_can_be_called_with_the_middleware_around_it():
    with auth_as("user_7"):
        request = RequestFactory().get("/mine")
        assert told(SessionClaimsMiddleware(mine)(request)) == "user_7"
        arequest = AsyncRequestFactory().get("/later")
        assert told(asyncio.run(SessionClaimsMiddleware(later)(arequest))) == "user_7"


def test_without_the_middleware_it_is_said_how():
    with auth_as("user_7"), pytest.raises(ConfigurationError, match=r"Middleware\(view\)\(request"):
        mine(RequestFactory().get("/mine"))


def test_a_request_that_came_to_a_server_is_never_answered_as_somebody():
    with auth_as("user_7"):
        assert told(Client().get("/mine", SERVER_SOFTWARE="gunicorn/23.0")) == 401
        request = AsyncRequestFactory().get("/later")
        assert told(asyncio.run(SessionClaimsMiddleware(later)(request))) == "user_7"
        request.scope["client"] = ["10.0.0.7", 51_234]
        with pytest.raises(NotSignedIn):
            asyncio.run(SessionClaimsMiddleware(later)(request))
