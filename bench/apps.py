"""The apps that are timed, bare, ours and the peers', each with what its client sends.

Every app answers "/" with the user's name: the bare view from a constant, ours from the claims
(`g.auth.session_claims["fullName"]`), the peers from what they offer. `request.py` calls them in
process; `server.py` serves the Flask ones.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import common
import peers
from common import ISSUER, NAME, PARTY, Signer, claims
from cryptography.exceptions import InvalidSignature

REFUSED = ("401", "403", "422", "302")
AGENT = {"User-Agent": "bench/1"}  # Flask-Login writes its session anew for another browser.


@dataclass(frozen=True)
class Guarded:
    """An app and what a signed-in client sends to it; `forged` is the same, badly signed."""

    name: str
    app: Any
    good: Mapping[str, str]
    forged: Mapping[str, str] | None = None
    #: Called before it is used, where apps share a process-wide setting.
    prepare: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        # As if it were alone in its process: CPython lays out the instances of a class by what
        # the first thirty or so were given, here by another app (3.11: dk_usable of shared keys).
        kind = self.app.request_class
        self.app.request_class = type(kind.__name__, (kind,), {})


def by_cookie(token: str, name: str = "__session") -> dict[str, str]:
    return AGENT | {"Cookie": f"theme=dark; {name}={token}; _ga=GA1.1.1234567890.1700000000"}


def by_header(token: str) -> dict[str, str]:
    return AGENT | {"Authorization": f"Bearer {token}"}


def ours(signer: Signer, **more: object) -> dict[str, object]:
    return {"ISSUER": ISSUER, "JWKS": signer.jwks, "AUTHORIZED_PARTIES": [PARTY], **more}


def found_in(cookie: str, known: dict[bytes, Any] | None, signer: Signer) -> Any:
    """The claims in a Cookie field, by hand and with hardly a check; None: nobody's.

    `known` are the tokens seen before, by digest; None: each is verified.
    """
    for part in cookie.split("; "):
        if part.startswith("__session="):
            token = part[10:]
            if known is None:
                try:
                    found = signer.open(token)
                except InvalidSignature:
                    return None
            else:
                name = hashlib.sha256(token.encode()).digest()
                found = known.get(name)
                if found is None:
                    try:
                        found = known[name] = signer.open(token)
                    except InvalidSignature:
                        return None
            return found if found["exp"] > time.time() else None
    return None


# Flask: each function makes one app; `base` is a key server's address


def flask_bare(signer: Signer, base: str) -> Any:
    from flask import Flask

    app = Flask("bench")
    app.add_url_rule("/", "view", lambda: NAME)
    return app


def flask_floor(signer: Signer, base: str, cached: bool = True) -> Any:
    """The least that such a guard can do by hand, with hardly a check: not for use."""
    from flask import Flask, abort, g, request

    app, known = Flask("bench"), dict[bytes, Any]() if cached else None

    @app.before_request
    def find() -> None:
        g.found = found_in(request.environ.get("HTTP_COOKIE", ""), known, signer)
        if g.found is None:
            abort(401)

    @app.after_request
    def mark(response: Any) -> Any:
        response.headers.add("Vary", "Cookie")
        response.headers.add("Cache-Control", "private")
        return response

    app.add_url_rule("/", "view", lambda: g.found["fullName"])
    return app


def flask_ours(signer: Signer, base: str, **more: object) -> Any:
    from flask import Flask, g

    from flask_session_claims import SessionClaims, login_required

    app = Flask("bench")
    app.config.update({f"SESSION_CLAIMS_{key}": it for key, it in ours(signer, **more).items()})
    SessionClaims(app)

    @app.get("/")
    @login_required
    def view() -> Any:
        return g.auth.session_claims["fullName"]

    return app


def flask_login(signer: Signer, base: str) -> Any:
    from flask import Flask
    from flask_login import LoginManager, UserMixin, current_user, login_required, login_user

    class User(UserMixin):
        id, name = "1", NAME

    users, app = {"1": User()}, Flask("bench")
    app.secret_key = "bench" * 8
    LoginManager(app).user_loader(users.get)
    app.add_url_rule("/sign-in", "sign_in", lambda: str(login_user(users["1"])))

    @app.get("/")
    @login_required
    def view() -> Any:
        return current_user.name

    return app


def flask_clerk(signer: Signer, base: str, by_pem: bool = False) -> Any:
    from clerk_backend_api.security import authenticate_request
    from flask import Flask, abort, request

    app = Flask("bench")
    settings = peers.clerk_options(**{"pem": signer.pem} if by_pem else {"base": base})

    @app.get("/")
    def view() -> Any:
        asked: Any = request
        state = authenticate_request(asked, settings)
        if not state.is_signed_in or state.payload is None:
            abort(401)
        return state.payload["fullName"]

    return app


def flask_extended(signer: Signer, base: str) -> Any:
    from flask_jwt_extended import get_jwt, jwt_required

    app = peers.jwt_extended_app(signer)
    app.add_url_rule("/", "view", jwt_required()(lambda: get_jwt()["fullName"]))
    return app


def flask_supertokens(signer: Signer, base: str) -> Any:
    from flask import Flask, g
    from supertokens_python.framework.flask import Middleware
    from supertokens_python.recipe.session.framework.flask import verify_session

    peers.start_supertokens(base)
    app = Flask("bench")
    Middleware(app)

    @app.get("/")
    @verify_session()
    def view() -> Any:
        return g.supertokens.get_access_token_payload()["fullName"]

    return app


FLASK: dict[str, Callable[[Signer, str], Any]] = {
    "bare": flask_bare,
    "floor, cached": flask_floor,
    "floor, no cache": partial(flask_floor, cached=False),
    "ours, cached": flask_ours,
    "ours, no cache": partial(flask_ours, TOKEN_CACHE_SIZE=0),
    "flask-login": flask_login,
    "clerk, PEM": partial(flask_clerk, by_pem=True),
    "clerk, JWKS cached": flask_clerk,
    "flask-jwt-extended": flask_extended,
    "supertokens": flask_supertokens,
}


def flask_headers(name: str, app: Any, signer: Signer) -> tuple[dict[str, str], dict[str, str]]:
    """What a client of that app sends: well signed, and badly."""
    if name == "flask-login":
        answer = app.test_client().get("/sign-in", headers=AGENT)
        value = answer.headers["Set-Cookie"].split(";")[0].split("=", 1)[1]
        return by_cookie(value, "session"), by_cookie(value[:-6] + "AAAAAA", "session")
    if name == "supertokens":
        mint, carry = signed_by(signer, common.SUPERTOKENS, version="5"), "sAccessToken"
    else:
        extra = common.JWT_EXTENDED if name == "flask-jwt-extended" else {}
        mint, carry = signed_by(signer, extra), "__session"
    return by_cookie(mint[0], carry), by_cookie(mint[1], carry)


def signed_by(signer: Signer, extra: Mapping[str, Any] = {}, **header: str) -> tuple[str, str]:
    token = signer.token(claims(**extra), **header)
    other = signer.token(claims(**extra, sub="user_mallory"), **header)
    return token, ".".join([*other.split(".")[:2], token.split(".")[2]])


def flask_apps(signer: Signer, base: str) -> list[Guarded]:
    apps = {name: make(signer, base) for name, make in FLASK.items()}
    return [
        Guarded(
            name,
            app,
            *(
                flask_headers(name, app, signer)
                if name != "bare"
                else (by_cookie(signed_by(signer)[0]), None)
            ),
        )
        for name, app in apps.items()
    ]


# Django: one process, one settings object; a handler is built under each app's own settings


def django_apps(signer: Signer, folder: Path) -> list[Guarded]:
    peers.start_django(
        ROOT_URLCONF="apps",
        MIDDLEWARE=[],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "CONN_MAX_AGE": None,
                "NAME": str(folder / "bench.db"),
            }
        },
        SIMPLE_JWT={
            "ALGORITHM": "RS256",
            "VERIFYING_KEY": signer.pem,
            "ISSUER": ISSUER,
            "LEEWAY": 5,
            "SIGNING_KEY": None,
        },
    )
    from django.conf import settings
    from django.contrib.auth import decorators, get_user_model
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.management import call_command
    from django.http import HttpResponse
    from django.test import Client
    from django.test.signals import setting_changed
    from django.urls import path
    from django_session_claims import login_required
    from rest_framework.permissions import AllowAny, IsAuthenticated
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from rest_framework_simplejwt.authentication import (
        JWTAuthentication,
        JWTStatelessUserAuthentication,
    )

    def rest(name: str, *schemes: Any) -> Any:
        def get(self: Any, request: Any) -> Any:
            return Response(request.auth["fullName"] if schemes else NAME)

        rule = IsAuthenticated if schemes else AllowAny
        view: Any = type(
            name,
            (APIView,),
            {"get": get, "authentication_classes": schemes, "permission_classes": [rule]},
        )
        return view.as_view()

    @login_required
    def view(request: Any) -> Any:
        return HttpResponse(request.auth.session_claims["fullName"])

    @decorators.login_required(login_url="/sign-in")
    def session_view(request: Any) -> Any:
        return HttpResponse(request.user.first_name)

    known: dict[bytes, Any] = {}

    class Floor:
        """The least that a Django guard can do by hand; as `flask_floor`."""

        def __init__(self, get_response: Any) -> None:
            self.get_response = get_response

        def __call__(self, request: Any) -> Any:
            request.found = found_in(request.META.get("HTTP_COOKIE", ""), known, signer)
            response = self.get_response(request)
            response.headers["Vary"] = "Cookie"
            response.headers["Cache-Control"] = "private"
            return response

    def floor_view(request: Any) -> Any:
        if request.found is None:
            return HttpResponse(status=401)
        return HttpResponse(request.found["fullName"])

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("ada", first_name=NAME)
    client = Client()
    client.force_login(user)
    session = client.cookies["sessionid"].value

    def use(size: int) -> None:
        """Gives the process's one setting that cache size, as a test's override would."""
        settings.SESSION_CLAIMS = ours(signer, TOKEN_CACHE_SIZE=size)
        setting_changed.send(settings, setting="SESSION_CLAIMS", value=None, enter=True)

    def site(name: str, view: Any, *middleware: str, size: int = 10_000, **sent: Any) -> Guarded:
        """A handler, and the process's settings made its own before it is used.

        Every site has its view as its one route: Django tries them one after the other.
        """
        settings.MIDDLEWARE = middleware
        app, urls = WSGIHandler(), SimpleUrls([path("", view)])

        def prepare() -> None:
            settings.ROOT_URLCONF = urls
            if mine in middleware:
                use(size)

        return Guarded(name, app, prepare=prepare, **sent)

    use(10_000)
    mine = "django_session_claims.middleware.SessionClaimsMiddleware"
    make_floor.append(Floor)
    good, forged = map(by_cookie, signed_by(signer))
    rest_good, rest_forged = map(
        by_header, signed_by(signer, common.SIMPLEJWT | {"user_id": str(user.pk)})
    )
    cookies = {"good": good, "forged": forged}
    bearer = {"good": rest_good, "forged": rest_forged}
    stock = "django.contrib.sessions.middleware.SessionMiddleware"
    users = "django.contrib.auth.middleware.AuthenticationMiddleware"
    sessions = {
        "good": by_cookie(session, "sessionid"),
        "forged": by_cookie("x" * 32, "sessionid"),
    }
    stateless, stored = JWTStatelessUserAuthentication, JWTAuthentication
    return [
        site("bare", lambda request: HttpResponse(NAME), good=good),
        site("floor, cached", floor_view, "apps.django_floor", **cookies),
        site("ours, cached", view, mine, **cookies),
        site("ours, no cache", view, mine, size=0, **cookies),
        site("django session, SQLite", session_view, stock, users, **sessions),
        site("DRF bare", rest("Bare"), good=rest_good),
        site("DRF simplejwt, stateless", rest("Stateless", stateless), **bearer),
        site("DRF simplejwt, user row", rest("Stored", stored), **bearer),
    ]


class SimpleUrls:
    """A URLconf that is no module."""

    def __init__(self, urlpatterns: list[Any]) -> None:
        self.urlpatterns = urlpatterns


urlpatterns: list[Any] = []  # of the process's settings, until a site is prepared
make_floor: list[Any] = []


def django_floor(get_response: Any) -> Any:
    """A middleware is given by its name."""
    return make_floor[0](get_response)


# Quart


def quart_apps(signer: Signer, base: str) -> list[Guarded]:
    import quart_auth
    from clerk_backend_api.security import authenticate_request_async
    from quart import Quart, abort, g, request
    from quart_session_claims import SessionClaims, login_required

    async def bare() -> str:
        return NAME

    def app_with(view: Any) -> Any:
        app = Quart("bench")
        app.add_url_rule("/", "view", view)
        return app

    def mine(**more: object) -> Any:
        async def view() -> Any:
            return g.auth.session_claims["fullName"]

        app = app_with(login_required(view))
        app.config.update({f"SESSION_CLAIMS_{key}": it for key, it in ours(signer, **more).items()})
        SessionClaims(app)
        return app

    def floor() -> Any:
        """The least that a Quart guard can do by hand; as `flask_floor`."""
        known: dict[bytes, Any] = {}

        async def view() -> Any:
            return g.found["fullName"]

        async def find() -> None:
            g.found = found_in(request.headers.get("Cookie", ""), known, signer)
            if g.found is None:
                abort(401)

        async def mark(response: Any) -> Any:
            response.headers.add("Vary", "Cookie")
            response.headers.add("Cache-Control", "private")
            return response

        app = app_with(view)
        app.before_request(find)
        app.after_request(mark)
        return app

    async def clerk_view() -> Any:
        asked: Any = request
        state = await authenticate_request_async(asked, settings)
        if not state.is_signed_in or state.payload is None:
            abort(401)
        return state.payload["fullName"]

    async def auth_view() -> Any:
        return str(quart_auth.current_user.auth_id)

    settings = peers.clerk_options(base=base)
    auth_app = app_with(quart_auth.login_required(auth_view))
    auth_app.secret_key = "bench" * 8
    manager = quart_auth.QuartAuth(auth_app, cookie_secure=False)
    sealed = manager.dump_token(NAME, auth_app)
    both = (sealed, sealed[:-6] + "AAAAAA")
    good, forged = map(by_cookie, signed_by(signer))
    return [
        Guarded("bare", app_with(bare), good),
        Guarded("floor, cached", floor(), good, forged),
        Guarded("ours, cached", mine(), good, forged),
        Guarded("ours, no cache", mine(TOKEN_CACHE_SIZE=0), good, forged),
        Guarded("quart-auth", auth_app, *(by_cookie(it, "QUART_AUTH") for it in both)),
        Guarded("clerk, JWKS cached", app_with(clerk_view), good, forged),
    ]
