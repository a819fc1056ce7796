"""Refusals, and what is read from requests and written to responses."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import weakref
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from django.urls import path, re_path
from django.views.decorators.cache import cache_page
from django_session_claims import (
    Auth,
    ConfigurationError,
    NotAllowed,
    NotSignedIn,
    RequestAuth,
    SessionClaimsMiddleware,
    UnavailableError,
    claims_required,
    get_auth,
    login_required,
)

from flask_session_claims.testing import KeyServer, signed_in

from ..django_setup import MIDDLEWARE
from .site import BOTH, ISSUER, PARTY, asking, awho, get, mint, site, who

# --- refusals -----------------------------------------------------------------------------


def page401(request: Any, exception: NotSignedIn) -> HttpResponse:
    return HttpResponse(f"own {exception.error_code}", status=401)


def page403(request: Any, exception: NotAllowed) -> HttpResponse:
    return HttpResponse(f"own {exception.error_code}", status=403)


def page503(request: Any, exception: UnavailableError) -> HttpResponse:
    return HttpResponse(f"own {exception.retry_after > 0}", status=503)


@BOTH
def test_handlers_of_the_root_urlconf_answer_refusals(ask: Any) -> None:
    def pending(request: Any) -> HttpResponse:
        return HttpResponse("let in")

    login_required(pending)
    urls = [path("", asking(login_required)), path("pending", pending),
            path("admin", asking(claims_required(role="admin")))]  # fmt: skip
    own = {
        "handler401": page401, "handler403": page403, "handler503": f"{__name__}.page503"
    }  # fmt: skip
    with site(*urls, **own):
        assert ask("/").content == b"own session-token-missing"
        assert ask("/pending").content == b"own session-token-missing"
        assert ask("/admin", mint()).content == b"own permission-denied"
        assert ask("/", mint()).json()["user"] == "user_1"
    with KeyServer(ISSUER) as server:
        server.refuse()
        keys = {"JWKS": None, "JWKS_URL": server.url, "ALLOW_LOOPBACK_HTTP": True}
        with site(*urls, claims=keys, **own):
            reply = ask("/", mint())
            assert (reply.status_code, reply.content) == (503, b"own True")


@BOTH
def test_it_cannot_be_told_only_where_it_is_read(ask: Any) -> None:
    with KeyServer(ISSUER) as server:
        server.refuse()
        keys = {"JWKS": None, "JWKS_URL": server.url, "ALLOW_LOOPBACK_HTTP": True}
        caught: list[str] = []

        def catches(request: Any) -> HttpResponse:
            try:
                return who(request)
            except UnavailableError as error:
                caught.append(error.code)
                return HttpResponse("later")

        urls = [path("read", who), path("aread", awho), path("gate", asking(login_required)),
                path("not", lambda r: HttpResponse("fine")), path("catch", catches)]  # fmt: skip
        with site(*urls, claims=keys):
            for address in ("/read", "/aread", "/gate"):
                reply = ask(address, mint())
                assert (reply.status_code, reply["Retry-After"]) == (503, "1")
            assert ask("/not", mint()).content == b"fine"
            assert ask("/catch", mint()).content == b"later"
            assert caught == ["unavailable"]


@BOTH
@pytest.mark.parametrize("error", [AttributeError, TypeError, KeyError, PermissionError])
def test_an_exception_of_the_view_is_the_views_own(ask: Any, error: type[Exception]) -> None:
    runs: list[str] = []

    @login_required
    def view(request: Any) -> HttpResponse:
        runs.append("sync")
        raise error("the view's own mistake")

    @login_required
    async def aview(request: Any) -> HttpResponse:
        runs.append("async")
        raise error("the view's own mistake")

    with site(path("sync", view), path("async", aview)):
        for address in ("/sync", "/async"):
            reply = ask(address, mint())
            assert (reply.status_code, reply["Cache-Control"]) == (500, "private")
    assert runs == ["sync", "async"]


def test_permission_denied_of_the_view_stays_djangos() -> None:
    def view(request: Any) -> HttpResponse:
        raise PermissionDenied

    with site(path("", view)):
        reply = get("/", mint())
        assert (reply.status_code, reply["Content-Type"]) == (403, "text/html; charset=utf-8")
        assert "Vary" not in reply


@BOTH
@pytest.mark.parametrize(
    ("address", "back"),
    [
        ("/p", "%2Fp"),
        ("/p?a=1&b=%C3%A9", "%2Fp%3Fa%3D1%26b%3D%25C3%25A9"),
        ("/a%20b%3F%25/p", "%2Fa%2520b%253F%2525%2Fp"),
        ("/%2Fevil.example", "%2F"),
    ],
)
def test_the_redirect_to_sign_in_brings_back_to_the_same_address(
    ask: Any, address: str, back: str
) -> None:
    claims = {"SIGN_IN_URL": "/sign-in"}
    with site(re_path(".*", asking(login_required)), claims=claims):
        reply = ask(address, headers={"Accept": "text/html"})
        assert (reply.status_code, reply["Location"]) == (302, f"/sign-in?redirect_url={back}")


def test_the_redirect_to_sign_in_knows_djangos_prefix_and_letters() -> None:
    claims, view = {"SIGN_IN_URL": "/in"}, asking(login_required)
    with site(path("café", view), claims=claims, FORCE_SCRIPT_NAME="/app"):
        reply = get("/caf%C3%A9", headers={"Accept": "text/html"}, RAW_URI="/caf%C3%A9")
        assert reply["Location"] == "/in?redirect_url=%2Fapp%2Fcaf%25C3%25A9"


# --- the request --------------------------------------------------------------------------


def test_repeated_fields_reach_the_core_apart_under_asgi() -> None:
    async def ask(*fields: tuple[bytes, bytes]) -> Any:
        sent: list[Any] = []
        scope = {
            "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "scheme": "http",
            "query_string": b"", "headers": [(b"host", b"testserver"), *fields],
        }  # fmt: skip
        over = asyncio.Event()
        bodies = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            for body in bodies:
                return body
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await ASGIHandler()(scope, receive, send)
        return json.loads(b"".join(m.get("body", b"") for m in sent))

    token = mint().encode()
    with site(path("", who)):
        two_cookies = (b"cookie", b"theme=dark"), (b"cookie", b"__session=" + token)
        assert asyncio.run(ask(*two_cookies))["user"] == "user_1"
        two_bearers = ((b"authorization", b"Bearer " + token),) * 2
        assert asyncio.run(ask(*two_bearers))["reason"] == "token-invalid"


def test_an_unsafe_request_by_cookie_needs_our_origin_and_leaves_csrf_to_django() -> None:
    chain = ["django.middleware.csrf.CsrfViewMiddleware", *MIDDLEWARE]
    with site(path("", asking(login_required)), MIDDLEWARE=chain):
        client = signed_in(Client(), mint())
        assert client.post("/", headers={"Origin": PARTY}).status_code == 200
        assert client.post("/").json()["code"] == "request-origin-refused"
        strict = signed_in(Client(enforce_csrf_checks=True), mint())
        reply = strict.post("/", headers={"Sec-Fetch-Site": "same-origin"})
        assert (reply.status_code, "application/json" in reply["Content-Type"]) == (403, False)


def test_a_handshake_by_cookie_needs_our_origin() -> None:
    with site(path("", who)):
        client = signed_in(Client(), mint())
        for _ in range(2):  # by the long way, and by the short one
            for origin, user in ((PARTY, "user_1"), ("https://evil.example", None)):
                headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": origin}
                assert client.get("/", headers=headers).json()["user"] == user


def test_get_auth_gives_the_plain_auth_and_says_what_is_missing() -> None:
    def view(request: Any) -> HttpResponse:
        auth = get_auth(request)
        same = auth == request.auth and request.auth.value is auth
        return JsonResponse({"plain": type(auth) is Auth, "same": same})

    with site(path("", view)):
        reply = get("/", mint())
        assert reply.json() == {"plain": True, "same": True}
        assert reply["Vary"] == "Authorization, Cookie"
    bare = RequestFactory().get("/")
    with pytest.raises(ConfigurationError, match="to MIDDLEWARE"):
        get_auth(bare)
    assert get_auth(bare, default=None) is None
    with pytest.raises(ConfigurationError, match="to MIDDLEWARE"):
        asking(login_required)(bare)


def test_a_gate_raises_what_django_knows_as_permission_denied() -> None:
    gated = asking(claims_required(role="admin"))
    caught: list[PermissionDenied] = []

    def view(request: Any) -> HttpResponse:
        try:
            return gated(request)  # type: ignore[no-any-return]
        except PermissionDenied as error:
            caught.append(error)
            return HttpResponse("own answer")

    with site(path("", view)):
        assert get("/", mint()).content == b"own answer"
    assert [str(error) for error in caught] == ["The signed-in user may not do this."]


def test_a_view_can_be_tried_with_the_middleware_alone() -> None:
    token = mint()
    with site():
        request = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})
        assert json.loads(SessionClaimsMiddleware(who)(request).content)["user"] == "user_1"
        assert isinstance(request.auth, RequestAuth)
        assert get_auth(request, default=None).user_id == "user_1"


def test_a_request_can_be_pickled_and_holds_no_token_of_ours() -> None:
    with site():
        token = mint()
        request = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})
        SessionClaimsMiddleware(who)(request)
        del request.META["HTTP_AUTHORIZATION"]
        text = pickle.dumps(request)
        assert token.encode() not in text
        copy = pickle.loads(text)  # noqa: S301 (our own bytes)
        assert type(copy.auth) is Auth
        assert copy.auth.user_id == "user_1"


@pytest.mark.parametrize("view", [who, asking(login_required)], ids=["read", "gate"])
def test_a_request_is_freed_without_the_garbage_collector(view: Any) -> None:
    with site():
        middleware = SessionClaimsMiddleware(view)
        gc.disable()
        try:
            request = RequestFactory().get("/", headers={"Authorization": f"Bearer {mint()}"})
            response = middleware(request)
            gone = weakref.ref(request)
            del request
            assert gone() is None
            assert response.status_code == 200
        finally:
            gc.enable()


# --- the response -------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("order", ["gate inside", "gate outside", "only read", "async"])
def test_djangos_page_cache_never_serves_one_users_page_to_another(order: str, ask: Any) -> None:
    views = {
        "gate inside": cache_page(60)(asking(login_required)),
        "gate outside": login_required(cache_page(60)(who)),
        "only read": cache_page(60)(who),
        "async": cache_page(60)(awho),
    }
    cache.clear()
    with site(path("", views[order])):
        for user in ("user_1", "user_2"):
            client = mint(sub=user)
            reply = ask("/", headers={"Cookie": f"__session={client}"})
            assert reply.json()["user"] == user
            assert "private" in reply["Cache-Control"] or "max-age=0" in reply["Cache-Control"]


def test_djangos_page_cache_still_keeps_what_is_the_same_for_all() -> None:
    runs: list[int] = []

    def view(request: Any) -> HttpResponse:
        runs.append(1)
        return HttpResponse("same")

    cache.clear()
    with site(path("", cache_page(60)(view))):
        replies = [get("/", headers={"Cookie": f"__session={mint()}"}) for _ in range(2)]
    assert runs == [1]
    assert not any("private" in reply["Cache-Control"] for reply in replies)


def test_queued_headers_and_cookies_are_sent_once() -> None:
    def view(request: Any) -> HttpResponse:
        effects = request._session_claims.queue()
        effects.no_store = True
        effects.cookies["a"] = "a=b; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"
        effects.fields["Front-Token"] = "x"
        return HttpResponse("")

    with site(path("", view), MIDDLEWARE=MIDDLEWARE):
        reply = get("/")
    cookie = reply.cookies["a"]
    assert (cookie.value, cookie["path"], cookie["samesite"]) == ("b", "/", "Lax")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["max-age"] == "60"
    assert (reply["Front-Token"], reply["Cache-Control"]) == ("x", "no-store")
    assert "Vary" not in reply
