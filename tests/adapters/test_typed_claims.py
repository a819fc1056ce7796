"""`claims_as` is the same in every framework: with what each calls the auth of a request."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from flask_session_claims.testing import LocalIssuer, shared_key, signed_in

ISSUER = LocalIssuer(key=shared_key("RS256"))
SETTINGS = {"ISSUER": ISSUER.issuer, "JWKS": ISSUER.jwks()}
CONFIG = {f"SESSION_CLAIMS_{name}": value for name, value in SETTINGS.items()}
NAMED = {"name": "Ada", "tags": ["a"]}


@dataclass
class Claims:
    name: str = field(metadata={"claim": "fullName"})
    tags: list[str]


def token(**claims: Any) -> str:
    return ISSUER.mint_v2(**{"fullName": "Ada", "tags": ["a"], **claims})


def test_flask() -> None:
    flask = pytest.importorskip("flask")
    from flask_session_claims import SessionClaims, TokenError, current_auth, get_auth

    app = flask.Flask(__name__)
    app.config.update(CONFIG)
    SessionClaims(app)

    @app.get("/")
    def view() -> list[Any]:
        ways = [flask.g.auth, current_auth, get_auth()]
        return [asdict(way.claims_as(Claims)) for way in ways]

    @app.errorhandler(TokenError)
    def refuse(error: TokenError) -> tuple[dict[str, str], int]:
        return {"code": error.client_code}, error.status

    reply = signed_in(app.test_client(), token()).get("/")
    assert reply.json == [NAMED] * 3
    assert reply.headers["Cache-Control"] == "private"
    wrong = signed_in(app.test_client(), token(tags=[1])).get("/")
    assert (wrong.status_code, wrong.json) == (403, {"code": "token-invalid-claim"})
    nobody = app.test_client().get("/")
    assert (nobody.status_code, nobody.json) == (401, {"code": "session-token-missing"})


def test_quart() -> None:
    quart = pytest.importorskip("quart")
    from quart_session_claims import SessionClaims, current_auth, get_auth

    app = quart.Quart(__name__)
    app.config.update(CONFIG)
    SessionClaims(app)

    @app.get("/")
    async def view() -> list[Any]:
        ways = [quart.g.auth, current_auth, get_auth()]
        return [asdict(way.claims_as(Claims)) for way in ways]

    async def ask() -> Any:
        reply = await signed_in(app.test_client(), token()).get("/")
        return await reply.get_json()

    assert asyncio.run(ask()) == [NAMED] * 3


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_django(awaited: bool) -> None:
    pytest.importorskip("django")
    from tests.adapters import django_setup

    django_setup.setup()
    from django.http import HttpRequest, JsonResponse
    from django.test import AsyncClient, Client, override_settings
    from django.urls import path
    from django_session_claims import get_auth

    def read(request: Any) -> JsonResponse:
        ways = [request.auth, get_auth(request)]
        return JsonResponse([asdict(way.claims_as(Claims)) for way in ways], safe=False)

    async def aread(request: HttpRequest) -> JsonResponse:
        return read(request)

    async def ask(headers: dict[str, str]) -> Any:
        return await AsyncClient().get("/", headers=headers)

    urls = django_setup.urlconf(path("", aread if awaited else read))
    with override_settings(SESSION_CLAIMS=SETTINGS, ROOT_URLCONF=urls):
        headers = {"authorization": f"Bearer {token()}"}
        reply: Any = asyncio.run(ask(headers)) if awaited else Client().get("/", headers=headers)
        assert reply.json() == [NAMED] * 2
