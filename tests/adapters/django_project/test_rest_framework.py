"""Django REST framework: its requests stand in front of Django's, and it opens all its views."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django_session_claims import (
    ClaimsRequiredMixin,
    claims_required,
    create_session,
    current_session,
    get_auth,
    login_required,
    public,
)

from .own import BOTH as BROWSERS
from .own import CROSS, own_site
from .site import ADMIN, BOTH, mint, site

pytest.importorskip(
    "rest_framework", reason="run `pip install --group servers`", exc_type=ImportError
)

from rest_framework.decorators import action, api_view, authentication_classes, renderer_classes
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

#: Neither Django's users nor its templates are set up here.
ALONE = {"UNAUTHENTICATED_USER": None}
is_admin = claims_required(role="org:admin")


def told(request: Any) -> Response:
    return Response({"user": get_auth(request).user_id})


class Plain(APIView):
    authentication_classes = ()
    renderer_classes = (JSONRenderer,)

    def get(self, request: Any) -> Response:
        return told(request)


class PlainSet(ViewSet):
    authentication_classes = ()
    renderer_classes = (JSONRenderer,)

    def list(self, request: Any) -> Response:
        return told(request)

    @action(detail=False)
    def more(self, request: Any) -> Response:
        return told(request)


def function(request: Any) -> Response:
    return told(request)


def made(view: Any) -> Any:
    """What @api_view makes of a function of its own."""
    own = lambda request: view(request)  # noqa: E731
    for decorator in (
        authentication_classes([]), renderer_classes([JSONRenderer]), api_view(["GET"])
    ):  # fmt: skip
        own = decorator(own)
    return own


def routed(prefix: str, views: Any) -> Any:
    router = DefaultRouter()
    router.register("rows", views, basename=prefix)
    return path(f"{prefix}/", include(router.urls))


# --- the policy "required" ----------------------------------------------------------------


@BOTH
def test_the_policy_closes_its_views_though_it_opens_them_all(ask: Any) -> None:
    class Marked(Plain):
        pass

    views = (
        path("class", Plain.as_view()),
        path("function", made(function)),
        routed("set", PlainSet),
    )
    # Not to be told from what REST framework itself has written there.
    marked = path("marked", login_not_required(Marked.as_view()))
    with site(*views, marked, claims={"DEFAULT_POLICY": "required"}, REST_FRAMEWORK=ALONE):
        for address in ("class", "function", "set/rows/", "set/rows/more/", "set/", "marked"):
            reply = ask(f"/{address}")
            assert (address, reply.status_code) == (address, 401)
            assert reply.json()["code"] == "session-token-missing"
        for address in ("class", "function", "set/rows/", "set/rows/more/", "marked"):
            assert ask(f"/{address}", mint()).json() == {"user": "user_1"}


@BOTH
def test_what_the_project_opens_is_open(ask: Any) -> None:
    @method_decorator(public, name="dispatch")
    class Open(Plain):
        pass

    @method_decorator(login_not_required, name="dispatch")
    class OpenAsWell(Plain):
        pass

    @method_decorator(public, name="dispatch")
    class OpenSet(PlainSet):
        pass

    class Here(Plain):
        pass

    views = (
        path("class", Open.as_view()), path("as-well", OpenAsWell.as_view()),
        path("here", public(Here.as_view())), path("function", public(made(function))),
        routed("set", OpenSet),
    )  # fmt: skip
    with site(*views, claims={"DEFAULT_POLICY": "required"}, REST_FRAMEWORK=ALONE):
        for address in ("class", "as-well", "here", "function", "set/rows/", "set/rows/more/"):
            assert ask(f"/{address}").json() == {"user": None}
            assert ask(f"/{address}", mint()).json() == {"user": "user_1"}


# --- gates --------------------------------------------------------------------------------


@method_decorator(is_admin, name="dispatch")
class Outside(Plain):
    pass


class Inside(Plain):
    @method_decorator(is_admin)
    def get(self, request: Any) -> Response:
        return told(request)


class Mixed(ClaimsRequiredMixin, Plain):
    gate = is_admin


class MixedSet(ClaimsRequiredMixin, PlainSet):
    gate = is_admin


class ActionSet(PlainSet):
    @method_decorator(is_admin)
    def list(self, request: Any) -> Response:
        return told(request)

    @action(detail=False)
    @method_decorator(is_admin)
    def more(self, request: Any) -> Response:
        return told(request)


GATED = {
    "outside": Outside.as_view(),
    "inside": Inside.as_view(),
    "mixed": Mixed.as_view(),
    "function": is_admin(made(function)),
    "inside a function": made(is_admin(lambda request: told(request))),
    "mixed set": MixedSet.as_view({"get": "list"}),
    "action": ActionSet.as_view({"get": "list"}),
    "extra action": ActionSet.as_view({"get": "more"}),
}
#: REST framework makes an answer of its own of any PermissionDenied in its views.
ITS_OWN_403 = {"inside", "inside a function", "action", "extra action"}


@BOTH
@pytest.mark.parametrize("policy", ["optional", "public", "required"])
@pytest.mark.parametrize("name", GATED)
def test_gates_stand_on_either_side_of_it(name: str, policy: str, ask: Any) -> None:
    with site(path("", GATED[name]), claims={"DEFAULT_POLICY": policy}, REST_FRAMEWORK=ALONE):
        assert ask("/").json()["code"] == "session-token-missing"
        refused = ask("/", mint())
        assert refused.status_code == 403
        assert ("code" not in refused.json()) == (name in ITS_OWN_403)
        let_in = ask("/", mint(**ADMIN))
        assert let_in.json() == {"user": "user_1"}
        assert "private" in let_in["Cache-Control"]


@BOTH
@pytest.mark.parametrize("name", GATED)
def test_djangos_page_cache_keeps_nothing_behind_a_gate(name: str, ask: Any) -> None:
    cache.clear()
    with site(path("", cache_page(60)(GATED[name])), REST_FRAMEWORK=ALONE):
        kept = ask("/", headers={"Cookie": f"__session={mint(**ADMIN)}"})
        assert kept.json() == {"user": "user_1"}
        assert "private" in kept["Cache-Control"] or "max-age=0" in kept["Cache-Control"]
        assert ask("/").status_code == 401


@BOTH
def test_a_gate_alone_keeps_the_page_out_of_the_cache(ask: Any) -> None:
    """The view reads nobody, so the gate is all that knows."""

    class Quiet(Plain):
        @method_decorator(login_required)
        def get(self, request: Any) -> Response:
            return Response({"secret": 1})

    cache.clear()
    with site(path("", cache_page(60)(Quiet.as_view())), REST_FRAMEWORK=ALONE):
        assert ask("/", headers={"Cookie": f"__session={mint()}"}).json() == {"secret": 1}
        assert ask("/").status_code == 401


# --- sessions of one's own ----------------------------------------------------------------


class Sessions(Plain):
    def post(self, request: Any) -> Response:
        create_session(request, "ada", claims={"plan": "pro"})
        return Response({"user": get_auth(request).user_id})

    def get(self, request: Any) -> Response:
        session = current_session(request)
        return Response({"claims": session and session.claims, "user": get_auth(request).user_id})


@BROWSERS
def test_its_requests_will_do_for_the_acts(open_browser: Any) -> None:
    with own_site(path("sessions", Sessions.as_view()), REST_FRAMEWORK=ALONE):
        browser = open_browser()
        assert browser.get("/sessions").json() == {"claims": None, "user": None}
        assert browser.post("/sessions", headers=CROSS).status_code == 403
        assert browser.post("/sessions").json() == {"user": "ada"}
        assert set(browser.cookies) == {"session", "refresh"}
        assert browser.get("/sessions").json() == {"claims": {"plan": "pro"}, "user": "ada"}
        assert browser.get("/me").json()["user"] == "ada"
